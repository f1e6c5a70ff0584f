"""Two who work on the same things in a browser: lists follow the other one, and no edit is lost."""

from typing import Any

import pytest

from tests.browser.conftest import report
from tests.browser.test_device import call
from tests.browser.visit import View, Visit
from tests.project_api import ProjectApi

pytestmark = pytest.mark.external("chromium")


@pytest.fixture
def api(visit: Visit) -> Any:
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        yield api


def new_customer(api: ProjectApi, name: str) -> str:
    body = {"name": name, "account": name.lower(), "password": "a long password"}
    return str(api.call("POST", "/customer", json=body)["id"])


async def test_a_list_follows_what_others_do_and_moves_no_row_under_the_pointer(visit: Visit, api: ProjectApi) -> None:
    known = new_customer(api, "Carol")
    page = await visit.page(View(language="zh"))
    await visit.log_in(page, "/customers?sort=-create_time")
    await page.hover("[role=row]:has-text('Carol')")
    await visit.settled(page)
    api.call("PUT", f"/customer/{known}/info", json={"name": "Caroline"})
    await page.wait_for_selector("[role=row]:has-text('Caroline')")  # where it stands
    new_customer(api, "Dora")
    api.call("PUT", f"/customer/{known}/info", json={"name": "Carola"})
    beside = await visit.page()
    await visit.log_in(beside, "/customers")
    await beside.wait_for_selector("[role=row]:has-text('Dora')")
    new_customer(api, "Emma")
    await beside.wait_for_selector("[role=row]:has-text('Emma')")  # so long the other page would have read them, too
    assert await page.locator("[role=row]:has-text('Dora')").count() == 0
    await page.hover("h1")
    await page.wait_for_selector("[role=row]:has-text('Dora')")
    await page.wait_for_selector("[role=row]:has-text('Carola')")
    assert visit.faults == []


async def test_a_form_tells_at_once_who_else_saved_and_a_refused_one_when(visit: Visit, api: ProjectApi) -> None:
    customer = new_customer(api, "Frieda")
    page = await visit.page()
    await visit.log_in(page, f"/customers/{customer}")
    await visit.settled(page)
    name = page.locator("main form input:not([type=hidden])").first
    await name.fill("Mine")
    api.call("PUT", f"/customer/{customer}/info", json={"name": "Theirs"})
    await page.wait_for_selector("[role=status]:has-text('API has saved changes meanwhile')")
    await page.click("button:text-is('Save')")
    told = page.locator("[role=alert]:has-text('API saved changes at')")
    await told.wait_for()
    assert "Theirs" in await told.inner_text()
    await page.click("button:text-is('Save mine')")
    await told.wait_for(state="detached")
    assert api.call("GET", f"/customer/{customer}")["name"] == "Mine"
    assert visit.faults == []


async def test_the_dialogs_of_applications_and_views_tell_at_once_who_else_saved(visit: Visit, api: ProjectApi) -> None:
    known = visit.site.credentials
    body = {"name": "Offline ones", "query": "online=0", "shared": True}
    page = await visit.page()
    await visit.log_in(page, "/apps")
    otto = {"account": "otto", "password": "a long password"}
    await call(page, "POST", "/admin", {**otto, "role": "admin"})
    api.log_in_with(api.call("POST", "/admin_login", json={"app_id": known.app_id, **otto})["access_token"])
    await page.get_by_role("button", name="Actions for").first.click()
    await page.get_by_role("menuitem", name="Edit").click()
    name = page.locator("dialog").get_by_role("textbox")
    before = await name.input_value()
    await name.fill("Mine")
    api.call("PUT", f"/application/{known.app_id}/info", json={"name": "Theirs"})
    await page.wait_for_selector("dialog [role=status]:has-text('otto has saved changes meanwhile')")
    await page.locator("dialog").get_by_role("button", name="Save", exact=True).click()
    told = page.locator("dialog [role=alert]:has-text('saved changes at')")
    await told.wait_for()
    await told.get_by_role("button", name="Save mine").click()
    await page.locator("dialog").wait_for(state="detached")
    assert api.call("GET", f"/application/{known.app_id}")["name"] == "Mine"
    api.call("PUT", f"/application/{known.app_id}/info", json={"name": before})

    view = (await call(page, "POST", "/device_views", body))["info"]
    await visit.open(page, "/devices?online=0")
    await page.get_by_role("button", name="Actions of the view Offline ones").click()
    await page.get_by_role("menuitem", name="Edit").click()
    await page.locator("dialog").get_by_role("textbox").fill("Away")
    # Of two who change different things, both keep theirs.
    beside = await visit.page()
    await visit.log_in(beside)
    await call(beside, "PUT", f"/device_view/{view['id']}", {"shared": False})
    await page.locator("dialog").get_by_role("button", name="Save", exact=True).click()
    await page.wait_for_selector("nav a[aria-current=page]:not([title]):has-text('Away')")  # its name, and not shared
    assert visit.faults == []


async def test_rules_of_retention_are_not_overwritten_by_who_did_not_see_them(visit: Visit) -> None:
    known = visit.site.credentials
    login = {"app_id": known.app_id, "account": known.admin_account, "password": known.admin_password}
    with ProjectApi(visit.site.url, known) as api:
        api.log_in_with(api.call("POST", "/admin_login", json=login)["access_token"])
        page = await visit.page()
        await visit.log_in(page, "/settings/retention")
        await visit.settled(page)
        await page.click("button:text-is('Add a rule')")
        api.call("PUT", "/retention", json={"rules": [{"identifier": "theirs", "days": 90}]})
        await page.click("button[type=submit]")
        told = page.locator("[role=alert]:has-text('saved changes at')")
        await told.wait_for()
        assert "theirs" in await told.inner_text()
        await page.click("button:text-is('Save mine')")
        await told.wait_for(state="detached")
        assert api.call("GET", "/retention")["rules"] == [{"days": 365.0}]
        api.call("PUT", "/retention", json={"rules": []})
    assert visit.faults == []


async def test_the_whole_history_is_saved_as_a_file(visit: Visit, api: ProjectApi) -> None:
    device = api.create_device(name="Meter")
    report(visit.site.url, device, {"t": 21.5})
    page = await visit.page()
    await visit.log_in(page, f"/devices/{device.device_id}/attributes?chart=t")
    async with page.expect_download() as downloading:
        await page.click("button:text-is('Export CSV')")
    path = await (await downloading.value).path()
    head, *rows = path.read_text(encoding="utf-8-sig").splitlines()
    assert head == "time,ts,identifier,value"
    assert [row.split(",")[2:] for row in rows] == [["t", "21.5"]]
    assert visit.faults == []
