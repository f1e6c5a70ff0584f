"""Many devices at once: selected, changed, taken back, and changed by a job that is cancelled."""

from collections.abc import Iterator

import pytest

from tests.browser.visit import View, Visit
from tests.project_api import ProjectApi

pytestmark = pytest.mark.external("chromium")
MANY = 10_000  # a job of these lasts until a person can cancel it, also on a busy machine


@pytest.fixture
def api(visit: Visit) -> Iterator[ProjectApi]:
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        yield api


def tagged(api: ProjectApi, tag: str) -> int:
    return int(api.call("GET", "/devices", params={"tag": tag, "page_records": 1})["total"])


async def test_a_range_is_tagged_and_the_tags_are_taken_back(visit: Visit, api: ProjectApi) -> None:
    rows = [{"name": f"lamp {number}", "tags": {"batch": "lamps"}} for number in range(5)]
    api.call("POST", "/devices_import", json={"devices": rows})
    page = await visit.page(View("en"))
    await visit.log_in(page, "/devices?tag=batch:lamps")
    await page.get_by_label("Select lamp 0").click()
    await page.get_by_label("Select lamp 3").click(modifiers=["Shift"])
    await page.wait_for_selector("text=4 devices selected")
    await page.get_by_role("button", name="Add tags").click()
    await page.fill("dialog textarea", "room=1")
    await page.click("dialog button[type=submit]")
    await page.wait_for_selector("text=4 devices changed")
    assert tagged(api, "room:1") == 4
    await page.get_by_text("room:1").first.wait_for()
    await page.get_by_role("button", name="Undo").click()
    await page.get_by_text("room:1").first.wait_for(state="detached")
    assert tagged(api, "room:1") == 0
    assert visit.faults == []


async def test_all_that_match_are_changed_by_a_job_and_another_one_is_cancelled(visit: Visit, api: ProjectApi) -> None:
    rows = [{"name": f"bulb {number}", "tags": {"batch": "bulbs"}} for number in range(MANY)]
    api.call("POST", "/devices_import", json={"devices": rows})
    page = await visit.page(View("zh"))
    await visit.log_in(page, "/devices?tag=batch:bulbs")
    await page.get_by_label("选择 bulb 0", exact=True).click()
    await page.get_by_role("button", name="选择全部 10,000 台").click()
    await page.get_by_role("button", name="添加标签").click()
    await page.fill("dialog textarea", "room=2")
    await page.click("dialog button[type=submit]")
    await page.wait_for_selector("dialog >> text=已完成")
    assert tagged(api, "room:2") == MANY
    await page.locator("dialog").get_by_role("button", name="关闭").last.click()
    await page.get_by_role("button", name="更多操作").click()
    await page.get_by_role("menuitem", name="删除设备").click()
    remove = page.locator("dialog button[type=submit]")
    assert await remove.is_disabled()
    await page.get_by_label("请输入数量 10,000 以确认").fill("10000")
    await remove.click()
    await page.locator("dialog").get_by_role("button", name="取消任务").click()
    await page.wait_for_selector("dialog >> text=已取消")
    left = tagged(api, "batch:bulbs")
    assert 0 < left < MANY  # what was done before stays done
    await page.locator("dialog").get_by_role("button", name="关闭").last.click()
    await page.wait_for_function("rows => document.querySelector('[role=table]').ariaRowCount == rows", arg=left + 1)
    assert visit.faults == []
