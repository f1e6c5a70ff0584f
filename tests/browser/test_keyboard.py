"""By keyboard alone: a rule, a command to many devices, and their removal."""

from typing import Any

import pytest

from tests.browser.test_journeys import Language, word
from tests.browser.visit import View, Visit
from tests.project_api import ProjectApi

pytestmark = [pytest.mark.external("chromium"), pytest.mark.parametrize("language", ["en", "zh"])]
MOST_TABS = 80


async def reach(page: Any, target: Any) -> None:
    """Presses Tab until it has the focus."""
    await target.wait_for()
    for _ in range(MOST_TABS):
        if await target.evaluate("one => one === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    pytest.fail(f"{target} is not reached by {MOST_TABS} times Tab")


async def press(page: Any, target: Any, key: str = "Enter") -> None:
    await reach(page, target)
    await page.keyboard.press(key)


async def type_into(page: Any, target: Any, text: str) -> None:
    await reach(page, target)
    await page.keyboard.press("Control+a")
    await page.keyboard.type(text)


async def test_a_rule_is_written_and_switched_on(visit: Visit, language: Language) -> None:
    page = await visit.page(View(language))
    await visit.log_in(page, "/alarm-rules")
    await press(page, page.get_by_role("link", name=word("rules.new", language)))
    await type_into(page, page.get_by_placeholder(word("rules.findType", language)), "Therm")
    await page.wait_for_selector("[role=option][data-highlighted]:has-text('Thermometers')")
    await page.keyboard.press("Enter")
    await press(page, page.get_by_role("button", name=word("rules.templateLimit", language)))
    limits = page.get_by_label(word("rules.value", language), exact=True)
    await type_into(page, limits.first, "60")
    await type_into(page, limits.last, "55")
    await type_into(page, page.get_by_label(word("settings.name", language), exact=True), f"By keys {language}")
    await press(page, page.get_by_role("button", name=word("rules.saveOn", language)))
    await page.wait_for_selector(f"h1:has-text('By keys {language}')")
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        rules = api.call("GET", "/alarm_rules", params={"keyword": f"By keys {language}"})["items"]
    assert [(rule["enabled"], rule["raise"]["value"], rule["clear"]["value"]) for rule in rules] == [(True, 60, 55)]
    assert visit.faults == []


async def test_a_command_goes_to_many_and_they_are_removed(visit: Visit, language: Language) -> None:
    tag = f"keys:{language}"
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        rows = [{"name": f"valve {number}", "tags": {"keys": language}} for number in range(3)]
        api.call("POST", "/devices_import", json={"devices": rows})
        page = await visit.page(View(language))
        await visit.log_in(page, f"/devices?tag={tag}")
        await page.wait_for_selector("[role=row] a:has-text('valve 2')")
        for key in "jxjx":
            await page.keyboard.press(key)
        await page.wait_for_selector(f"text={word('bulk.selected', language, count=2)}")
        await press(page, page.get_by_role("button", name=word("bulk.command", language)))
        dialog = page.locator("dialog")
        await page.wait_for_selector("dialog input:focus")
        await page.keyboard.type("close")
        await press(page, dialog.get_by_label(word("commands.wait", language)), "ArrowDown")
        await press(page, dialog.locator("button[type=submit]"))
        await dialog.wait_for(state="detached")
        chosen = api.call("GET", "/devices", params={"tag": tag})["items"]
        sent = [api.call("GET", f"/device/{one['id']}/command_logs")["items"] for one in chosen]
        assert sorted([log["method"] for log in logs] for logs in sent) == [[], ["close"], ["close"]]

        # Those that were done are no longer selected.
        for key in "xkx":
            await page.keyboard.press(key)
        await page.wait_for_selector(f"text={word('bulk.selected', language, count=2)}")
        await press(page, page.get_by_role("button", name=word("bulk.moreActions", language)))
        item = page.get_by_role("menuitem", name=word("bulk.remove", language))
        while not await item.evaluate("one => one === document.activeElement"):
            await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("dialog button:not([type=submit]):focus")  # begins on Cancel
        await press(page, dialog.locator("button[type=submit]"))
        await dialog.wait_for(state="detached")
        await page.wait_for_function("() => document.querySelector('[role=table]').ariaRowCount == 2")
        assert api.call("GET", "/devices", params={"tag": tag})["total"] == 1
    assert visit.faults == []
