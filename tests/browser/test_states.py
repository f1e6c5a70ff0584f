"""Each page says what goes on where the server is slow, fails or is away, and offers the way back."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.browser.conftest import opened
from tests.browser.front import Front
from tests.browser.visit import View, Visit, complaints

pytestmark = pytest.mark.external("chromium")

TABS = ("summary", "attributes", "events", "commands", "connection", "alarms", "settings")


@pytest_asyncio.fixture(loop_scope="session")
async def front(visit: Visit) -> AsyncIterator[Front]:
    """What stands between the browser and the server of the site."""
    async with Front.before(visit.site.process.http_port) as front:
        visit.site = visit.site._replace(front=front.url)
        yield front


# Clicks each button of this text once, and says whether none is left; a block that is read takes its own away.
CLICK_ALL = """text => {
  const buttons = [...document.querySelectorAll("#main button")].filter(one => one.textContent.trim() === text)
  for (const one of buttons) {
    if (!one.dataset.clicked) one.click()
    one.dataset.clicked = "yes"
  }
  return buttons.length === 0
}"""


def pages(visit: Visit) -> list[str]:
    device = visit.site.devices["reporting"].device_id
    return ["/", "/devices", "/account", *(f"/devices/{device}/{tab}" for tab in TABS)]


def asks_for_content(path: str) -> bool:
    """Whether a request is for what a page shows, not for who is logged in or for files."""
    return path.startswith("/api/v1/") and not path.partition("?")[0].endswith(("/console", "/console/session"))


async def test_a_slow_server_leaves_a_page_in_its_place_until_the_content_comes(visit: Visit, front: Front) -> None:
    page = await visit.page()
    await visit.log_in(page)
    for path in pages(visit):
        front.release.clear()
        front.held = asks_for_content
        await page.goto(f"{visit.site.url}/console{path}")
        await page.wait_for_selector("#main h1")
        await page.wait_for_selector("#main :is(.skeleton, .wait)")
        assert await page.locator("#main [role=alert]").count() == 0
        front.held = lambda _: False
        front.release.set()
        await visit.settled(page)
        assert await page.locator("#main [role=alert]").count() == 0, path
    assert visit.faults == []


@pytest.mark.parametrize("kind", ["failing", "dead"])
async def test_what_fails_says_so_and_is_read_by_the_button_that_offers_it(
    visit: Visit, front: Front, kind: str
) -> None:
    page = await visit.page()
    await visit.log_in(page)
    for path in pages(visit) if kind == "failing" else pages(visit)[:2]:
        setattr(front, kind, asks_for_content)
        await page.goto(f"{visit.site.url}/console{path}")
        again = page.locator("#main button:text-is('Try again')")
        await again.first.wait_for()
        assert await complaints(page, View()) == [], path
        setattr(front, kind, lambda _: False)
        await page.wait_for_function(CLICK_ALL, arg="Try again")
        await visit.settled(page)
        assert await page.locator("#main [role=alert]").count() == 0, path
    assert visit.faults == []


async def test_one_block_that_fails_leaves_the_others(visit: Visit, front: Front) -> None:
    page = await visit.page()
    await visit.log_in(page)
    front.failing = lambda path: path.startswith("/api/v1/alarms")
    await visit.open(page, "/")
    assert await page.locator("#main button:text-is('Try again')").count() == 1
    assert "3" in await page.inner_text("#main .figures")
    assert visit.faults == []


async def test_a_project_without_devices_leads_to_the_first_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    with opened(tmp_path_factory.mktemp("empty") / "data", populated=False) as site:
        async with Visit.begin(site) as visit:
            page = await visit.page()
            await visit.log_in(page)
            for path in ("/", "/devices"):
                await visit.open(page, path)
                await page.locator("#main a[href$='/start']").first.wait_for()
                assert await complaints(page, View()) == []
            await visit.open(page, "/devices?keyword=nothing")
            await page.click("#main .message button")
            await page.wait_for_url("**/console/devices")
            assert visit.faults == []
