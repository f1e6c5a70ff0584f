"""Device types in a browser: made of what a device has sent, edited by forms, by JSON and by two people at once."""

from typing import Any

import pytest

from tests.browser.conftest import report
from tests.browser.visit import View, Visit
from tests.project_api import ProjectApi

pytestmark = pytest.mark.external("chromium")
ATTRIBUTES = [{"identifier": name, "data_type": "number"} for name in ("level", "flow", "pressure")]


@pytest.fixture
def api(visit: Visit) -> Any:
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        yield api


@pytest.fixture
def type_id(api: ProjectApi) -> str:
    """A type with three attributes."""
    made = api.call("POST", "/device_type", json={"name": "Tank", "functions": {"attributes": ATTRIBUTES}})
    return str(made["id"])


def definition(api: ProjectApi, type_id: str) -> Any:
    return api.call("GET", f"/device_type/{type_id}")["functions"]


def identifiers(api: ProjectApi, type_id: str) -> list[str]:
    return [entry["identifier"] for entry in definition(api, type_id)["attributes"]]


async def save(page: Any) -> None:
    await page.click("button:text-is('Save…')")
    await page.click("dialog button:text-is('Save')")
    await page.wait_for_selector("dialog", state="detached")


async def test_a_type_is_made_of_what_a_device_has_sent(visit: Visit, api: ProjectApi) -> None:
    device = api.create_device(name="Untyped")
    report(visit.site.url, device, {"voltage": 230.5, "closed": True})
    page = await visit.page()
    await visit.log_in(page, f"/devices/{device.device_id}/attributes")
    await page.click("text=Make a type of them…")
    await page.fill("dialog input >> nth=0", "Breaker")
    await page.click("dialog button:text-is('Create')")
    await page.wait_for_url("**/types/*/attributes")
    type_id = api.device(device.device_id)["type"]
    kinds = {entry["identifier"]: entry["data_type"] for entry in definition(api, type_id)["attributes"]}
    assert kinds == {"voltage": "number", "closed": "switch"}

    report(visit.site.url, device, {"phase": "L1"})
    await visit.open(page, f"/devices/{device.device_id}/attributes")
    await page.click("text=Add to type…")
    await page.click("dialog button:text-is('Take 1')")
    await save(page)
    assert sorted(identifiers(api, type_id)) == ["closed", "phase", "voltage"]
    assert visit.faults == []


async def test_forms_json_and_order_are_one_definition(visit: Visit, api: ProjectApi, type_id: str) -> None:
    api.create_device(name="Tank 1", type=type_id)
    page = await visit.page()
    await visit.log_in(page, f"/types/{type_id}")
    await page.click("main button:text-is('JSON')")
    await page.click("button:text-is('level')")
    await page.fill("section.side label:text-is('Unit') + input", "m")
    await page.fill("section.side label:text-is('Minimum') + input", "5")
    await page.fill("section.side label:text-is('Maximum') + input", "1")
    await page.wait_for_selector("text=must not be greater than max")
    text = await page.input_value("textarea")
    assert '"unit": "m"' in text
    await page.fill(
        "textarea", text.replace('"max": 1', '"max": 10').replace('"identifier": "flow"', '"identifier": "rate"')
    )
    await page.wait_for_selector("button:text-is('rate')")
    assert await page.locator("text=must not be greater than max").count() == 0
    await page.fill("textarea", text[:-5])
    await page.wait_for_selector("text=Not valid JSON")
    assert await page.locator("button:text-is('Save…')").is_disabled()
    await page.click("text=Back to the last valid one")
    await page.focus("[aria-label='Move pressure: arrow keys']")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("ArrowUp")
    await page.wait_for_selector("text=pressure is now 1 of 3")
    await page.drag_and_drop("[aria-label^='Move level']", "tr:has-text('rate')")
    await page.click("button:text-is('Save…')")
    await page.wait_for_selector("dialog >> text=This is for 1 device.")
    await page.click("dialog button:text-is('Save')")
    await page.wait_for_selector("dialog", state="detached")
    await page.wait_for_selector("text=Saved")
    assert identifiers(api, type_id) == ["pressure", "rate", "level"]
    level = definition(api, type_id)["attributes"][2]
    assert level["data_options"] == {"unit": "m", "min": 5, "max": 10}
    assert visit.faults == []


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_two_who_edit_one_type_lose_nothing(visit: Visit, api: ProjectApi, type_id: str, language: str) -> None:
    page = await visit.page(View(language))
    await visit.log_in(page, f"/types/{type_id}/attributes")
    words = {"en": ("Save…", "Save", "Put both together"), "zh": ("保存…", "保存", "合并双方的修改")}[language]
    for name, unit in (("level", "mine"), ("flow", "mine")):
        await page.click(f"button:text-is('{name}')")
        await page.locator("section.side .grid input").first.fill(unit)
    # Somebody else changes one of these, removes another attribute, adds one, and sets a tag.
    others = [
        {"identifier": "level", "data_type": "number", "data_options": {"unit": "theirs"}},
        {"identifier": "flow", "data_type": "number"},
        {"identifier": "added", "data_type": "text"},
    ]
    api.call("PUT", f"/device_type/{type_id}/functions", json={"functions": {"attributes": others}})
    api.call("PUT", f"/device_type/{type_id}/tags", json={"tags": {"by": "other"}})
    await page.click(f"button:text-is('{words[0]}')")
    await page.click(f"dialog button:text-is('{words[1]}')")
    await page.wait_for_selector(".conflict")
    assert await page.locator(".conflict fieldset").count() == 1  # of the one that both changed
    assert definition(api, type_id)["attributes"][0]["data_options"] == {"unit": "theirs"}
    await page.reload()  # loses neither
    await page.click(f"button:text-is('{words[2]}')")
    await page.wait_for_selector(f"button:text-is('{words[0]}')")
    await page.click(f"button:text-is('{words[0]}')")
    await page.click(f"dialog button:text-is('{words[1]}')")
    await page.wait_for_selector("dialog", state="detached")
    kept = {entry["identifier"]: entry["data_options"].get("unit") for entry in definition(api, type_id)["attributes"]}
    assert kept == {"level": "mine", "flow": "mine", "added": None}
    assert visit.faults == []


async def test_a_save_opens_the_first_problem_wherever_it_is(visit: Visit, api: ProjectApi, type_id: str) -> None:
    page = await visit.page()
    await visit.log_in(page, f"/types/{type_id}/commands")
    await page.click("text=Add a command")
    await page.keyboard.type("start")
    await page.click("button:text-is('Add a parameter') >> nth=0")
    await page.click("nav[aria-label='Parts of the type'] >> text=Attributes")
    await page.click("button:text-is('Save…')")
    await page.wait_for_url("**/commands")
    await page.wait_for_selector("section.side >> text=must be 1 to 64 letters")
    await page.fill("section.side .one input >> nth=0", "speed")
    await save(page)
    [command] = definition(api, type_id)["commands"]
    assert [command["identifier"], command["params"][0]["identifier"]] == ["start", "speed"]
    assert visit.faults == []


async def test_a_type_that_is_removed_is_named_and_has_no_devices(visit: Visit, api: ProjectApi, type_id: str) -> None:
    device = api.create_device(name="Tank 2", type=type_id)
    page = await visit.page()
    await visit.log_in(page, f"/types/{type_id}/settings")
    await page.wait_for_selector("text=It still has 1 device")
    assert await page.locator("button:text-is('Remove this type')").is_disabled()
    api.call("PUT", f"/device/{device.device_id}/type", json={"type": None})
    await page.reload()
    await page.click("button:text-is('Remove this type')")
    await page.fill("dialog input", "Tank")
    await page.click("dialog button:text-is('Remove')")
    await page.wait_for_url("**/types")
    assert api.answer("GET", f"/device_type/{type_id}")["errcode"] == 404
    assert visit.faults == []
