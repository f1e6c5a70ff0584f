"""Groups in a browser: groups and devices move by drag and by the keyboard alone, and each move can be taken back."""

from typing import Any

import pytest

from tests.browser.visit import PHONE, View, Visit
from tests.project_api import ProjectApi

pytestmark = pytest.mark.external("chromium")


@pytest.fixture
def api(visit: Visit) -> Any:
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        yield api


@pytest.fixture
def plant(api: ProjectApi) -> dict[str, str]:
    """Nothing but these, ids by name: the groups North with Hall, and South; a pump and a valve in North."""
    for group in api.call("GET", "/device_groups_tree")["items"]:
        for child in group["children"]:
            api.call("DELETE", f"/device_group/{child['id']}")
        api.call("DELETE", f"/device_group/{group['id']}")
    for device in api.call("GET", "/devices", params={"tag": "plant"})["items"]:
        api.call("DELETE", f"/device/{device['id']}")
    ids = {name: api.call("POST", "/device_group", json={"name": name})["id"] for name in ("North", "South")}
    ids["Hall"] = api.call("POST", "/device_group", json={"name": "Hall", "parent": ids["North"]})["id"]
    ids |= {name: api.create_device(name=name, tags={"plant": "1"}).device_id for name in ("Pump", "Valve")}
    api.call("POST", f"/device_group/{ids['North']}/devices", json={"devices": [ids["Pump"], ids["Valve"]]})
    return ids


def groups_of(api: ProjectApi, device_id: str) -> list[str]:
    return [group["name"] for group in api.device(device_id)["groups"]]


def tree(api: ProjectApi) -> dict[str, list[str]]:
    """The names below each group at the root."""
    roots = api.call("GET", "/device_groups_tree")["items"]
    return {root["name"]: [child["name"] for child in root["children"]] for root in roots}


async def test_devices_and_groups_are_dragged_onto_groups(visit: Visit, api: ProjectApi, plant: dict[str, str]) -> None:
    page = await visit.page()
    await visit.log_in(page, f"/groups?group={plant['North']}")
    await page.drag_and_drop("a:text-is('Pump')", "[role=treeitem]:has-text('South')")
    await page.wait_for_selector("text=1 device was moved to “South”")
    assert groups_of(api, plant["Pump"]) == ["South"]
    await page.wait_for_selector("[role=treeitem]:has-text('South'):has-text('1')")
    await page.click("button:text-is('Undo')")
    await page.wait_for_selector("[role=treeitem]:has-text('South'):has-text('0')")
    assert groups_of(api, plant["Pump"]) == ["North"]

    await page.drag_and_drop("[role=treeitem]:has-text('Hall')", "[role=treeitem]:has-text('South')")
    await page.wait_for_selector("text=“Hall” was moved to “South”")
    assert tree(api) == {"North": [], "South": ["Hall"]}
    await page.wait_for_selector("[role=treeitem]:has-text('South') ~ [role=treeitem]:has-text('Hall')")
    await page.drag_and_drop("[role=treeitem]:has-text('Hall')", "[role=treeitem]:has-text('All devices')")
    await page.wait_for_selector("text=“Hall” was moved to “Top level”")
    assert tree(api) == {"North": [], "South": [], "Hall": []}
    assert visit.faults == []


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_keyboard_alone_moves_devices_and_groups(
    visit: Visit, api: ProjectApi, plant: dict[str, str], language: str
) -> None:
    page = await visit.page(View(language))
    await visit.log_in(page, "/groups")
    words = {"en": ("Move to…", "Move the group to…", "Move"), "zh": ("移动到…", "移动设备组到…", "移动")}[language]

    async def press(*keys: str) -> None:
        for key in keys:
            await page.keyboard.press(key)

    async def choose_in_dialog(text: str) -> None:
        await page.wait_for_selector("dialog[open]")
        await page.focus("dialog [role=combobox]")
        await page.keyboard.type(text)
        await page.wait_for_selector(f"dialog [role=option][data-highlighted]:has-text('{text}')")
        await press("Enter")
        await page.focus(f"dialog button:text-is('{words[2]}')")
        await press("Enter")
        await page.wait_for_selector("dialog", state="detached")

    await page.focus("[role=tree]")
    await press("ArrowDown", "Enter")
    await page.wait_for_selector("h2:text-is('North')")
    await page.wait_for_selector("a:text-is('Valve')")
    await page.focus("[role=row] input[type=checkbox] >> nth=0")
    await press("Space")
    await page.focus(f"button:text-is('{words[0]}')")
    await press("Enter")
    await choose_in_dialog("South")
    await page.wait_for_selector(".toast.done:has-text('South')")  # when the server has answered
    await page.wait_for_selector("[role=treeitem]:has-text('South'):has-text('1')")
    assert [groups_of(api, plant[name]) for name in ("Pump", "Valve")] == [["South"], ["North"]]

    await page.focus("[role=tree]")
    await press("Home", "ArrowDown", "ArrowDown", "Enter")
    await page.wait_for_selector("h2:text-is('Hall')")
    await page.focus(f"[aria-label='{words[1]}']")
    await press("Enter")
    await choose_in_dialog("South")
    await page.wait_for_selector(".toast.done:has-text('Hall')")
    await page.wait_for_selector("[role=treeitem][aria-level='2']:has-text('Hall')")
    assert tree(api) == {"North": [], "South": ["Hall"]}
    assert visit.faults == []


async def test_a_group_is_made_filled_and_removed_on_a_phone(
    visit: Visit, api: ProjectApi, plant: dict[str, str]
) -> None:
    page = await visit.page(View(size=PHONE))
    await visit.log_in(page, "/groups")
    await page.click("button:has-text('New group')")
    await page.fill("dialog input >> nth=0", "West")
    await page.click("dialog button:text-is('Create')")
    await page.wait_for_selector("h2:text-is('West')")
    await page.click("button:has-text('Add devices') >> nth=0")
    await page.fill("dialog [role=combobox]", "Valve")
    await page.click("dialog [role=option]:has-text('Valve')")
    await page.click("dialog button:text-is('Add')")
    await page.wait_for_selector("text=1 device was added to “West”")
    await page.wait_for_selector("a:has-text('Valve')")
    assert groups_of(api, plant["Valve"]) == ["North", "West"]
    await page.click("[aria-label='Remove the group']")
    await page.wait_for_selector("dialog >> text=1 device leaves the group")
    await page.click("dialog button:text-is('Remove')")
    await page.wait_for_selector("[role=tree]")
    assert tree(api) == {"North": ["Hall"], "South": []}
    assert groups_of(api, plant["Valve"]) == ["North"]
    assert visit.faults == []
