"""The page of a device: why it is silent, pushes that are confirmed, commands that wait, credentials, two who edit at
once, roles."""

import asyncio
import json
from typing import Any

import pytest

from tests.browser.conftest import report
from tests.browser.visit import View, Visit
from tests.mqtt_device import MqttDevice
from tests.project_api import Certificate, ProjectApi

pytestmark = pytest.mark.external("chromium")
MASK = "••••••••"


@pytest.fixture
def device(visit: Visit) -> Certificate:
    """A new device of the type that the site has."""
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        type_id = api.call("GET", "/device_types")["items"][0]["id"]
        return api.create_device(name="Boiler", type=type_id)


async def call(page: Any, method: str, path: str, body: dict[str, Any]) -> Any:
    """A call of the API by the session of the page, as from another window."""
    request = [method, path, json.dumps(body)]
    return await page.evaluate(
        """async ([method, path, body]) => {
          const headers = {"X-Thingstead": "1", "Content-Type": "application/json"}
          return await (await fetch(`/api/v1${path}`, {method, headers, body})).json()
        }""",
        request,
    )


async def test_the_summary_says_why_a_device_sends_nothing_and_what_to_do(visit: Visit, device: Certificate) -> None:
    page = await visit.page(View("zh"))
    await visit.log_in(page, f"/devices/{device.device_id}/summary")
    await page.wait_for_selector("text=设备从未连接，也从未上报数据")
    wrong = Certificate(device.device_id, device.access_token, "wrong")
    assert await asyncio.to_thread(MqttDevice(visit.site.process.mqtt_port, wrong).connect_and_close) != 0
    await page.wait_for_selector("text=登录被拒绝")  # without a reload
    await page.click(".health .findings a")
    await page.wait_for_url("**/connection#refused")
    assert "AccessToken" in await page.inner_text("#refused .why")
    report(visit.site.url, device, {"temperature": 20})
    await visit.open(page, f"/devices/{device.device_id}/summary")
    assert await page.locator(".findings .bad").count() == 0
    assert visit.faults == []


async def test_a_push_is_not_confirmed_until_the_device_reports(visit: Visit, device: Certificate) -> None:
    report(visit.site.url, device, {"fan": False})
    page = await visit.page()
    await visit.log_in(page, f"/devices/{device.device_id}/attributes")
    await page.click("[aria-label='Push Fan']")
    await page.click("dialog label:text-is('on')")
    await page.click("dialog button[type=submit]")
    await page.wait_for_selector("text=pushed, not confirmed by the device")
    assert "the device last reported off" in await page.inner_text("tr:has-text('Fan')")
    report(visit.site.url, device, {"fan": True})
    await page.wait_for_selector("text=pushed, not confirmed by the device", state="detached")
    assert visit.faults == []


async def test_a_command_waits_for_its_device_and_its_reply_is_shown(visit: Visit, device: Certificate) -> None:
    page = await visit.page()
    await visit.log_in(page, f"/devices/{device.device_id}/commands")
    await page.fill("form input", "restart")
    await page.click("form button[type=submit]")
    await page.wait_for_selector("[role=alert]:has-text('offline')")
    await page.locator("form select").last.select_option(label="5 minutes")
    await page.click("form button[type=submit]")
    await page.wait_for_selector(".details .chip:has-text('waiting')")
    with MqttDevice(visit.site.process.mqtt_port, device) as connected:
        command = await asyncio.to_thread(connected.next, "command/send/1000")
        connected.publish("command/reply/1000", {**command, "params": {"took": "3 s"}})
        await page.wait_for_selector(".details .chip:has-text('replied')")
        await page.wait_for_selector(".details:has-text('3 s')")  # is read after the state was told
    assert visit.faults == []


async def test_credentials_are_hidden_until_somebody_asks_and_end_with_a_reset(
    visit: Visit, device: Certificate
) -> None:
    page = await visit.page()
    await visit.log_in(page, f"/devices/{device.device_id}/connection")
    example = page.locator("pre.code-block").first
    await example.wait_for()
    assert MASK in await example.inner_text()
    assert device.access_token not in await page.content()
    await page.click("button:has-text('Show')")
    shown = await example.inner_text()
    assert device.access_token in shown
    assert f"-p {visit.site.process.mqtt_port}" in shown
    await page.click("section:has-text('leaked') button.danger")
    assert "Boiler" in await page.inner_text("dialog h2")
    await page.click("dialog button[type=submit]")
    await page.wait_for_function("old => !document.body.innerText.includes(old)", arg=device.access_token)
    assert await asyncio.to_thread(MqttDevice(visit.site.process.mqtt_port, device).connect_and_close) != 0
    assert visit.faults == []


async def test_who_was_slower_sees_what_changed_and_keeps_what_was_typed(visit: Visit, device: Certificate) -> None:
    page = await visit.page()
    await visit.log_in(page, f"/devices/{device.device_id}/settings")
    await page.fill("textarea", "mine")
    await call(page, "PUT", f"/device/{device.device_id}/tags", {"tags": {"site": "north"}})
    await page.reload()
    await visit.settled(page)
    assert await page.input_value("textarea") == "mine"
    await call(page, "PUT", f"/device/{device.device_id}/info", {"descr": "theirs"})
    save = page.locator("section:has(textarea) button[type=submit]")
    await save.click()
    await page.wait_for_selector(".conflict:has-text('theirs')")
    assert await page.input_value("textarea") == "mine"
    await page.click("text=Save mine")
    await page.wait_for_selector(".conflict", state="detached")
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        assert api.device(device.device_id)["descr"] == "mine"
    assert visit.faults == []


async def test_a_device_is_removed_by_who_types_its_name(visit: Visit, device: Certificate) -> None:
    page = await visit.page()
    await visit.log_in(page, f"/devices/{device.device_id}/settings")
    await page.click("section:has(h2:text-is('Remove this device')) button.danger")
    await page.fill("dialog input", "Boile")
    assert await page.locator("dialog button[type=submit]").is_disabled()
    await page.fill("dialog input", "Boiler")
    await page.click("dialog button[type=submit]")
    await page.wait_for_url("**/console/devices")
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        assert api.answer("GET", f"/device/{device.device_id}")["errcode"] == 404


async def test_a_viewer_sees_the_device_and_may_change_nothing(visit: Visit, device: Certificate) -> None:
    page = await visit.page()
    await visit.log_in(page)
    account = {"account": device.device_id, "password": "long-password"}
    await call(page, "POST", "/admin", {**account, "role": "viewer"})
    page = await visit.page()
    await page.goto(f"{visit.site.url}/console/login?then=/devices/{device.device_id}/connection")
    await page.fill("input[name=username]", account["account"])
    await page.fill("input[name=password]", account["password"])
    await page.click("button[type=submit]")
    await page.wait_for_selector("text=Your role may not see credentials")
    for tab, button in (("commands", "Send"), ("settings", "Save"), ("settings", "Remove this device")):
        await visit.open(page, f"/devices/{device.device_id}/{tab}")
        found = page.locator(f"button:text-is('{button}')").first
        await found.wait_for()
        assert await found.is_disabled()
    assert "needs the role" in (await page.inner_text("#main")).lower()
    assert visit.faults == []
