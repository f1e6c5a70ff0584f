"""What people do, in both languages: the words of the pages are those of console/words."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from tests.browser.test_device import call
from tests.browser.visit import ROOT, View, Visit
from tests.mqtt_device import MqttDevice
from tests.project_api import ProjectApi

pytestmark = [pytest.mark.external("chromium"), pytest.mark.parametrize("language", ["en", "zh"])]
Language = Literal["en", "zh"]
MANY = 2_000


@pytest.fixture
def api(visit: Visit) -> Iterator[ProjectApi]:
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        yield api


def word(name: str, language: Language, /, **arguments: object) -> str:
    """What a page shows, such as ``common.save``; of several numbers the plural."""
    file, _, key = name.partition(".")
    (path,) = (ROOT / "console" / "words").glob(f"*/{file}.json")
    found: Any = json.loads(path.read_text(encoding="utf-8"))[key][language]
    return str(found if isinstance(found, str) else found[-1]).format(**arguments)


def tagged(api: ProjectApi, tag: str) -> int:
    return int(api.call("GET", "/devices", params={"tag": tag, "page_records": 1})["total"])


async def test_a_long_list_is_filtered_jumped_through_selected_and_tagged(
    visit: Visit, api: ProjectApi, language: Language
) -> None:
    rows = [{"name": f"pump {number:05}", "tags": {"plant": language}} for number in range(MANY)]
    api.call("POST", "/devices_import", json={"devices": rows[:1_000]})
    api.call("POST", "/devices_import", json={"devices": rows[1_000:]})
    page = await visit.page(View(language))
    await visit.log_in(page, "/devices")
    await page.keyboard.press("/")
    await page.keyboard.type(f"tag:plant:{language}")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/devices?tag=plant*{language}*")
    table = page.locator("[role=table]")
    await page.wait_for_function("rows => document.querySelector('[role=table]')?.ariaRowCount == rows", arg=MANY + 1)
    first = await table.locator("[role=row] a").first.inner_text()
    await page.evaluate("document.querySelector('.frame').scrollTop = 1e9")
    last = "pump 00000" if first == f"pump {MANY - 1:05}" else f"pump {MANY - 1:05}"
    await page.get_by_label(word("bulk.selectOne", language, name=last), exact=True).click()
    await page.get_by_role("button", name=word("bulk.selectAll", language, count=f"{MANY:,}")).click()
    await page.get_by_role("button", name=word("bulk.tags", language)).click()
    await page.fill("dialog textarea", f"checked={language}")
    await page.click("dialog button[type=submit]")
    await page.wait_for_selector(f"dialog [role=status]:text-is('{word('bulk.ended', language)}')")
    assert tagged(api, f"checked:{language}") == MANY
    assert visit.faults == []


async def test_a_command_waits_for_a_sleeping_device_and_its_reply_is_shown(
    visit: Visit, api: ProjectApi, language: Language
) -> None:
    device = api.create_device(name="Sleeper")
    page = await visit.page(View(language))
    await visit.log_in(page, f"/devices/{device.device_id}/commands")
    await page.fill("form input", "restart")
    await page.locator("form select").last.select_option(label=word("commands.wait5m", language))
    await page.click("form button[type=submit]")
    await page.wait_for_selector(f".details .chip:has-text('{word('commands.queued', language)}')")
    with MqttDevice(visit.site.process.mqtt_port, device) as connected:
        command = await asyncio.to_thread(connected.next, "command/send/1000")
        connected.publish("command/reply/1000", {**command, "params": {"took": "3 s"}})
        await page.wait_for_selector(f".details .chip:has-text('{word('commands.replied', language)}')")
        await page.wait_for_selector(".details:has-text('3 s')")  # is read after the state was told
    assert visit.faults == []


async def test_a_form_that_was_half_filled_in_is_saved_after_the_session_has_ended(
    visit: Visit, api: ProjectApi, language: Language
) -> None:
    device = api.create_device(name="Boiler").device_id
    page = await visit.page(View(language))
    await visit.log_in(page, f"/devices/{device}/settings")
    await page.fill("#main form input >> nth=0", "Boiler 2")
    await page.evaluate(
        """async () => {
          const headers = {"X-Thingstead": "1"}
          const {info} = await (await fetch("/api/v1/console/session", {headers})).json()
          await fetch(`/api/v1/console/sessions/${info.id}`, {method: "DELETE", headers})
        }"""
    )
    await page.wait_for_selector("dialog[open] input[name=password]")
    await visit.fill_log_in(page, "dialog")
    await page.wait_for_selector("dialog", state="detached")
    assert await page.input_value("#main form input >> nth=0") == "Boiler 2"
    await page.locator("#main form").first.get_by_role("button", name=word("common.save", language)).click()
    await page.wait_for_selector("h1:has-text('Boiler 2')")
    assert api.device(device)["name"] == "Boiler 2"
    assert visit.faults == []


async def test_a_viewer_reads_and_is_told_which_role_it_takes_to_change(
    visit: Visit, api: ProjectApi, language: Language
) -> None:
    device = api.create_device(name="Boiler").device_id
    page = await visit.page(View(language))
    await visit.log_in(page)
    await call(page, "POST", "/admin", {"account": device, "password": "long-password", "role": "viewer"})
    page = await visit.page(View(language))
    await page.goto(f"{visit.site.url}/console/login?then=/devices/{device}/settings")
    await page.fill("input[name=username]", device)
    await page.fill("input[name=password]", "long-password")
    await page.click("button[type=submit]")
    role = word("common.operator", language)
    await page.wait_for_selector(f"text={word('settings.readOnly', language, role=role)}")
    assert await page.get_by_role("button", name=word("settings.remove", language)).is_disabled()
    for path in ("/apps", "/audit"):
        assert await page.locator(f"nav a[href$='{path}']").count() == 0
    assert visit.faults == []
