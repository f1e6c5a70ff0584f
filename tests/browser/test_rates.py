"""Rates of messages on the overview: what was counted before a restart, by range."""

from collections.abc import Iterator

import httpx
import pytest

from tests.browser.conftest import report
from tests.browser.visit import Site, View, Visit, complaints
from tests.project_api import ProjectApi
from tests.server_process import ServerProcess, init

pytestmark = pytest.mark.external("chromium")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that was stopped after its devices had reported: the numbers are on disk at once."""
    folder = tmp_path_factory.mktemp("site") / "data"
    credentials = init(folder)
    process = ServerProcess(folder).wait_until_serving()
    with ProjectApi(process.url, credentials) as api:
        device = api.create_device(name="meter")
        for number in range(3):
            report(process.url, device, {"level": number, "flow": 1})
        url = f"{process.url}/device/v1/{device.access_token}/attributes"
        refused = httpx.post(url, content=b"no JSON", headers={"Project-Key": device.project_key}, trust_env=False)
        assert refused.json()["result"] != 1
    process.stop()
    process = ServerProcess(folder).wait_until_serving()
    try:
        yield Site(process, credentials, {"meter": device})
    finally:
        process.kill()


@pytest.mark.parametrize("view", [View("en"), View("zh", "dark", (390, 844))], ids=str)
async def test_the_overview_tells_how_many_messages_came(visit: Visit, view: View) -> None:
    page = await visit.page(view)
    # The minute that runs is not shown.
    await page.add_init_script("const now = Date.now.bind(Date); Date.now = () => now() + 120_000")
    await visit.log_in(page, "/")
    hour = "1 h" if view.language == "en" else "1 小时"
    await page.get_by_role("img", name="at most" if view.language == "en" else "最高每分钟").wait_for()
    await visit.settled(page)
    assert await complaints(page, view) == []
    card = page.locator("section", has=page.locator("#rates"))
    await card.get_by_role("radio", name=hour, exact=True).focus()
    async with page.expect_response(lambda answer: "message_stat" in answer.url and "interval=1m" in answer.url):
        await page.keyboard.press("Space")
    await page.wait_for_url("**rate=1h")
    await visit.settled(page)
    await card.get_by_role("button", name="As a table" if view.language == "en" else "以表格查看").press("Enter")
    # A row a minute has come in place of one a quarter of an hour.
    await page.wait_for_function("() => Math.abs(60 - document.querySelectorAll('#main tbody tr').length) < 4")
    rows = [await row.locator("td").all_inner_texts() for row in await card.locator("tbody tr").all()]
    counts = [sum(float(row[column]) for row in rows) for column in (1, 2, 3)]
    assert counts == [3, 0, 1], "of each minute what came up, went down and was refused"
    storage = page.locator("section", has=page.locator("#storage"))
    assert await storage.locator("dt").count() == 4, "an administrator sees the disk, too"
    assert visit.faults == []
