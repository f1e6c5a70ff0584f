"""What people keep: views of the list, preferences that come along to another browser; and the command palette."""

import pytest

from tests.browser.visit import View, Visit
from tests.project_api import ProjectApi

pytestmark = pytest.mark.external("chromium")


async def test_a_view_is_saved_shown_as_a_tab_and_removed_with_a_way_back(visit: Visit) -> None:
    page = await visit.page(View("en"))
    await visit.log_in(page, "/devices?online=0&sort=-name")
    await page.get_by_role("button", name="Save as a view").click()
    await page.get_by_label("Name", exact=True).fill("Offline ones")
    await page.click("dialog button[type=submit]")
    await page.wait_for_selector("nav a[aria-current=page] >> text=Offline ones")
    await page.get_by_role("link", name="All devices").click()
    await page.wait_for_url("**/devices")
    await page.get_by_role("link", name="Offline ones").click()
    await page.wait_for_url("**/devices?online=0&sort=-name")
    await page.get_by_role("button", name="Actions of the view Offline ones").click()
    await page.get_by_role("menuitem", name="Remove").click()
    await page.get_by_role("link", name="Offline ones").wait_for(state="detached")
    await page.get_by_role("button", name="Undo").click()
    await page.wait_for_selector("nav a >> text=Offline ones")
    assert visit.faults == []


async def test_the_palette_leads_to_a_device_and_to_pages_in_the_other_language(visit: Visit) -> None:
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        device = api.create_device(name="Sluice 17", device_key="SL-17")
    page = await visit.page(View("zh"))
    await visit.log_in(page, "/")
    await page.keyboard.press("Control+k")
    await page.wait_for_selector("[role=combobox]:focus")
    await page.keyboard.type("sl-17")
    await page.wait_for_selector("[role=option] >> text=Sluice 17")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/devices/{device.device_id}/summary")
    await page.keyboard.press("Control+k")
    await page.wait_for_selector("[role=option] >> text=Sluice 17")  # among the recent ones
    await page.keyboard.type("alarms")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/alarms")
    assert visit.faults == []


async def test_preferences_come_along_to_another_browser(visit: Visit) -> None:
    page = await visit.page(View("en"))
    await visit.log_in(page, "/devices")
    async with page.expect_response(lambda answer: '"language":"zh"' in (answer.request.post_data or "")):
        await page.get_by_role("button", name="中文").click()
    other = await visit.page(View("en"))
    await visit.log_in(other, "/devices")
    await other.wait_for_selector("h1 >> text=设备")
    await visit.prefer(other)  # none: other tests share the account
    assert visit.faults == []


async def test_columns_are_dragged_sized_and_arranged_by_keys(visit: Visit) -> None:
    page = await visit.page(View("en"))
    await visit.log_in(page, "/devices")
    heads = page.locator("[role=columnheader]")

    async def labels() -> list[str]:
        return [text.strip() for text in await heads.all_inner_texts()]

    await page.get_by_role("columnheader", name="Tags").drag_to(page.get_by_role("columnheader", name="Status"))
    assert (await labels())[1:5] == ["Name", "Tags", "Status", "Type"]
    grip = await page.get_by_role("columnheader", name="Tags").locator(".grip").bounding_box()
    assert grip is not None
    await page.mouse.move(grip["x"] + 4, grip["y"] + 10)
    await page.mouse.down()
    await page.mouse.move(grip["x"] + 84, grip["y"] + 10, steps=4)
    await page.mouse.up()
    wide = await page.get_by_role("columnheader", name="Tags").bounding_box()
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_role("menuitem", name="Order and widths…").click()
    await page.get_by_role("button", name="Move Status forward").press("Enter")
    await page.locator("dialog").get_by_role("button", name="Close").last.click()
    assert (await labels())[1:4] == ["Name", "Status", "Tags"]
    await page.reload()
    await page.wait_for_selector("[role=columnheader] >> text=Tags")
    assert (await labels())[1:4] == ["Name", "Status", "Tags"]
    again = await page.get_by_role("columnheader", name="Tags").bounding_box()
    assert wide is not None
    assert again is not None
    assert abs(again["width"] - wide["width"]) < 2
    assert visit.faults == []
