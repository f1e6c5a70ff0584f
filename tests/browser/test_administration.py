"""Applications, people, the audit log and the settings in a browser: who manages a project does it here."""

import json
from typing import Any

import pytest

from tests.browser.visit import View, Visit
from tests.project_api import ProjectApi

pytestmark = pytest.mark.external("chromium")
PASSWORD = "correct horse battery"


@pytest.fixture
def api(visit: Visit) -> Any:
    """The administrator, who may manage people, too."""
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        known = visit.site.credentials
        login = {"app_id": known.app_id, "account": known.admin_account, "password": known.admin_password}
        api.log_in_with(api.call("POST", "/admin_login", json=login)["access_token"])
        yield api


async def chosen(page: Any, menu: str, item: str) -> None:
    await page.click(f"button[aria-label='Actions for “{menu}”']")
    await page.click(f"[role=menuitem]:text-is('{item}')")


async def enter_as(visit: Visit, page: Any, account: str, path: str) -> None:
    await page.goto(f"{visit.site.url}/console{path}")
    await page.fill("input[name=username]", account)
    await page.fill("input[name=password]", PASSWORD)
    await page.click("button[type=submit]")
    await page.wait_for_selector("#main h1")
    await visit.settled(page)


async def test_the_keys_of_an_application_are_shown_once_and_downloaded(visit: Visit, api: ProjectApi) -> None:
    page = await visit.page()
    await visit.log_in(page, "/apps")
    await page.click("button:has-text('New application')")
    await page.fill("dialog input", "meter")
    await page.click("dialog button[type=submit]")
    await page.wait_for_selector("dialog:has-text('SecretKey')")
    async with page.expect_download() as downloading:
        await page.click("dialog button:has-text('Download')")
    path = await (await downloading.value).path()
    keys = json.loads(path.read_text(encoding="utf-8"))
    assert api.call("POST", "/access_token", json=keys)["access_token"]
    await page.click("dialog button:has-text('I have them')")
    await page.wait_for_selector("td:text-is('meter')")
    assert keys["secret_key"] not in await page.content()
    await chosen(page, "meter", "Remove")
    await page.fill("dialog input", "meter")
    await page.click("dialog button:has-text('Remove')")
    await page.wait_for_selector("td:text-is('meter')", state="detached")
    assert api.answer("POST", "/access_token", json=keys)["result"] is False
    assert visit.faults == []


async def test_people_get_roles_and_what_a_role_may_not_see_is_not_in_the_menu(visit: Visit, api: ProjectApi) -> None:
    page = await visit.page()
    await visit.log_in(page, "/people")
    await page.click("button:has-text('Add a person')")
    dialog = page.locator("dialog")
    await dialog.get_by_label("Account").fill("vera")
    await dialog.get_by_role("textbox", name="Password").fill(PASSWORD)
    await page.click("dialog button[type=submit]")
    await page.wait_for_selector("td:has-text('vera')")
    # The last administrator keeps the role.
    await chosen(page, visit.site.credentials.admin_account, "Change the role")
    assert await page.locator("dialog button[type=submit]").is_disabled()
    await page.click("dialog button:text-is('Cancel')")

    seen = await visit.page()
    await enter_as(visit, seen, "vera", "/people")
    entries = await seen.locator("nav.entries a").all_inner_texts()
    assert {"People", "Settings"} <= set(entries)
    assert not {"Applications", "Audit log"} & set(entries)
    assert await seen.locator("button:has-text('Add a person')").is_disabled()
    assert await seen.locator("button:has-text('Add a person')").get_attribute("title") == (
        "Needs the role Administrator"
    )
    await chosen(page, "vera", "Sessions")
    await page.click("dialog button:text-is('End')")
    await page.wait_for_selector("dialog:has-text('Not logged in anywhere')")
    await page.keyboard.press("Escape")
    await chosen(page, "vera", "Remove")
    await page.fill("dialog input", "vera")
    await page.click("dialog button:text-is('Remove')")
    await page.wait_for_selector("td:has-text('vera')", state="detached")
    assert visit.faults == []


async def test_the_audit_log_tells_what_a_change_was_before_and_after(visit: Visit, api: ProjectApi) -> None:
    device_id = api.create_device(name="before").device_id
    api.call("PUT", f"/device/{device_id}/info", json={"name": "after"})
    page = await visit.page()
    await visit.log_in(page, f"/audit?object={device_id}")
    await page.wait_for_function("() => document.querySelectorAll('tbody tr').length === 2")
    await page.click("tbody tr:has-text('changed') button")
    row = await page.inner_text("table.inner tbody tr")
    assert row.split() == ["name", "before", "after"]
    await page.select_option("select >> nth=2", "create")
    await page.wait_for_function("() => document.querySelectorAll('tbody tr').length === 1")
    assert "action=create" in page.url
    async with page.expect_download() as downloading:
        await page.click("button:has-text('Export CSV')")
    text = (await (await downloading.value).path()).read_text(encoding="utf-8")
    assert device_id in text
    assert visit.faults == []


async def test_of_two_who_edit_the_project_neither_loses_what_they_typed(visit: Visit, api: ProjectApi) -> None:
    page = await visit.page(View("en", "light"))
    await visit.log_in(page, "/settings/project")
    name = page.get_by_label("Name")
    await name.fill("Mine")
    api.call("PUT", "/project/info", json={"name": "Theirs"})
    await page.click("form button[type=submit]")
    await page.wait_for_selector("[role=alert]:has-text('Theirs')")
    assert api.call("GET", "/project")["name"] == "Theirs"
    await page.click("[role=alert] button[type=submit]")
    await page.wait_for_selector("[role=alert]", state="detached")
    assert api.call("GET", "/project")["name"] == "Mine"
    assert visit.faults == []


async def test_rules_of_retention_are_sentences_and_a_key_is_rotated_by_typing_the_name(
    visit: Visit, api: ProjectApi
) -> None:
    page = await visit.page()
    await visit.log_in(page, "/settings/retention")
    await page.get_by_label("Attribute identifier").fill("temperature")
    await page.get_by_label("Days").fill("400")
    await page.click("button:text-is('Add a rule')")
    await page.click("button:text-is('Count what it would drop')")
    await page.wait_for_selector("text=Now these rules would drop nothing.")
    await page.click("button:text-is('Save the rules')")
    await page.wait_for_selector("text=The rules are saved")
    await page.wait_for_selector("ul.rules:has-text('The attribute temperature — kept for 400 days') >> nth=0")
    assert api.call("GET", "/retention")["rules"] == [{"identifier": "temperature", "days": 400}]
    await visit.open(page, "/settings/keys")
    before = api.call("GET", "/project/connection_info")["project_key"]
    await page.click("button:text-is('Rotate the ProjectKey')")
    confirm = page.locator("dialog button[type=submit]")
    assert await confirm.is_disabled()
    await page.locator("dialog input").last.fill(api.call("GET", "/project")["name"])
    await confirm.click()
    await page.wait_for_selector("dialog", state="detached")
    after = api.call("GET", "/project/connection_info")
    assert (after["previous_project_key"], after["project_key"] == before) == (before, False)
    assert visit.faults == []


async def test_an_editor_is_told_at_once_who_else_has_saved(visit: Visit) -> None:
    with ProjectApi(visit.site.url, visit.site.credentials) as application:
        device_id = application.create_device(name="shared").device_id
        page = await visit.page()
        await visit.log_in(page, f"/devices/{device_id}/settings")
        await page.get_by_role("textbox", name="Description").fill("mine")
        application.call("PUT", f"/device/{device_id}/info", json={"descr": "theirs"})
        await page.wait_for_selector("[role=status]:has-text('API has saved changes meanwhile')")
    assert visit.faults == []
