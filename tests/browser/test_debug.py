"""A refused report, a silent device and a stuck command are each explained by the console alone."""

import asyncio
from typing import Any

import pytest

from tests.browser.conftest import report
from tests.browser.test_device import call
from tests.browser.test_journeys import Language, word
from tests.browser.visit import View, Visit
from tests.mqtt_device import MqttDevice
from tests.project_api import Certificate, ProjectApi

pytestmark = pytest.mark.external("chromium")


@pytest.fixture
def device(visit: Visit) -> Certificate:
    """A new device of the type that the site has."""
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        return api.create_device(name="Boiler", type=api.call("GET", "/device_types")["items"][0]["id"])


async def opened(visit: Visit, device: Certificate, tab: str, language: Any = "en") -> Any:
    page = await visit.page(View(language))
    await visit.log_in(page, f"/devices/{device.device_id}/{tab}")
    return page


async def diagnosed(page: Any) -> Any:
    await page.click("header .actions button")
    await page.wait_for_selector("dialog .checks li")
    return page.locator("dialog")


async def test_a_refused_report_is_shown_with_its_payload_and_its_reason(visit: Visit, device: Certificate) -> None:
    page = await opened(visit, device, "debug", "zh")
    await page.wait_for_selector("text=正在监听")
    with MqttDevice(visit.site.process.mqtt_port, device) as connected:
        connected.publish("attributes", {"temperature": "hot"})
        refused = page.locator(".live > li.bad", has_text="temperature")
        await refused.wait_for()
        assert "必须是数字" in await refused.inner_text()
        await refused.locator(".line").click()
        assert '"hot"' in await refused.locator("pre").inner_text()
        await page.click("button:has-text('暂停')")
        connected.publish("attributes", {"temperature": 21})
        await page.wait_for_function("() => /继续（[1-9]/.test(document.body.innerText)")
        assert await page.locator(".live", has_text='"temperature": 21').count() == 0
        await page.keyboard.press("p")
        await page.wait_for_selector(".live >> text='{\"temperature\": 21}'")
        await page.click("button.choice:has-text('已拒收')")
        await page.wait_for_selector(".live > li:not(.bad)", state="detached")
        assert await page.locator(".live > li.bad").count() > 0
        drawer = await diagnosed(page)
        assert "拒收" in await drawer.inner_text()
    assert visit.faults == []


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_silent_device_is_explained(visit: Visit, device: Certificate, language: Language) -> None:
    wrong = Certificate(device.device_id, device.access_token, "wrong")
    assert await asyncio.to_thread(MqttDevice(visit.site.process.mqtt_port, wrong).connect_and_close) != 0
    page = await opened(visit, device, "summary", language)
    drawer = await diagnosed(page)
    said, reason = {
        "en": ("Its last log-in was refused", "the ProjectKey is wrong"),
        "zh": ("最近一次登录于", "ProjectKey 错误"),
    }[language]
    certificate = drawer.locator("li.bad", has_text=said)
    assert reason in await certificate.inner_text()
    await certificate.locator("a").click()
    await page.wait_for_url("**/connection")
    report(visit.site.url, device, {"temperature": 20})
    drawer = await diagnosed(page)
    assert await drawer.locator("li.bad", has_text=said).count() == 0
    assert visit.faults == []


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_command_that_does_not_arrive_is_explained(
    visit: Visit, device: Certificate, language: Language
) -> None:
    page = await opened(visit, device, "debug", language)
    await page.click(f"label:has-text('{word('debug.command', language)}')")
    await page.fill("form input", "restart")
    await page.click("form button[type=submit]")
    await page.wait_for_selector(f".live .chip:has-text('{word('debug.noSession', language)}')")
    assert ("offline" if language == "en" else "离线") in await page.inner_text(".live .why")
    await page.locator("form select").last.select_option(label=word("commands.wait5m", language))
    await page.click("form button[type=submit]")
    await page.wait_for_function("() => document.querySelectorAll('.live > li').length > 1")
    drawer = await diagnosed(page)
    waits = {"en": "that wait: 1", "zh": "有 1 条命令在等待"}[language]
    assert waits in await drawer.locator("li.warn", has_text=word("checks.commands", language)).inner_text()
    with MqttDevice(visit.site.process.mqtt_port, device) as connected:
        await asyncio.to_thread(connected.next, "command/send/1000")
        await page.wait_for_selector(f".live .chip:has-text('{word('debug.delivered', language)}')")
        await page.wait_for_selector(f"dialog li.ok:has-text('{word('checks.subscriptions', language)}')")
    assert visit.faults == []


async def test_custom_data_is_sent_as_hex_and_seen(visit: Visit, device: Certificate) -> None:
    page = await opened(visit, device, "debug")
    with MqttDevice(visit.site.process.mqtt_port, device):
        await page.wait_for_selector(".live > li")
        await page.click("label:has-text('Custom data')")
        await page.fill("form input", "raw")
        await page.click("form label:has-text('HEX')")
        await page.fill("form textarea", "01ff")
        await page.click("form button[type=submit]")
        sent = page.locator(".live > li", has_text="data/raw/set")
        await sent.wait_for()
        assert "delivered" in await sent.inner_text()
    assert visit.faults == []


async def test_a_viewer_sees_what_happened_and_not_what_passes(visit: Visit, device: Certificate) -> None:
    with MqttDevice(visit.site.process.mqtt_port, device) as connected:
        connected.publish("attributes", {"temperature": "hot"})
    page = await visit.page()
    await visit.log_in(page)
    account = {"account": device.device_id, "password": "long-password"}
    await call(page, "POST", "/admin", {**account, "role": "viewer"})
    page = await visit.page()
    await page.goto(f"{visit.site.url}/console/login?then=/devices/{device.device_id}/debug")
    await page.fill("input[name=username]", account["account"])
    await page.fill("input[name=password]", account["password"])
    await page.click("button[type=submit]")
    await page.wait_for_selector("text=must be a number")
    assert "needs the role" in (await page.inner_text("#main")).lower()
    assert await page.locator("form button[type=submit]").is_disabled()
    assert visit.faults == []
