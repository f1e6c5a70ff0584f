"""Automation in the console: message rules and tasks are written, tried, saved, and tell what came of them."""

from hashlib import sha256
from typing import Any

import pytest

from tests.browser.conftest import report
from tests.browser.visit import View, Visit
from tests.project_api import ProjectApi

pytestmark = pytest.mark.external("chromium")


async def choose(page: Any, picker: str, text: str) -> None:
    """Chooses what is found by a text in the picker of this label."""
    await page.get_by_label(picker, exact=True).first.click()
    await page.get_by_role("option", name=text).first.click()


async def test_a_message_rule_is_written_tried_and_saved_and_tells_why_it_acted(visit: Visit) -> None:
    device = visit.site.devices["reporting"]
    page = await visit.page(View("en"))
    await visit.log_in(page, f"/message-rules/new?device={device.device_id}")
    await page.get_by_label("Name", exact=True).fill("Warm")
    await page.get_by_text("On a condition").click()
    await page.get_by_label("Value", exact=True).first.fill("20")
    await page.get_by_role("button", name="Add an attribute").click()
    await page.get_by_role("button", name="Run the test").click()
    await page.wait_for_selector("section[aria-labelledby=test-run] >> text=Push attributes")
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.wait_for_selector("#evaluations")
    evaluations = page.locator("section[aria-labelledby=evaluations]")
    await evaluations.get_by_text("None yet").wait_for()
    report(visit.site.url, device, {"temperature": 25})
    report(visit.site.url, device, {"temperature": 5})
    while not await evaluations.get_by_text("temperature = 25").count():  # is written after the report was answered
        await page.reload()
        await visit.settled(page)
    await evaluations.get_by_text("temperature = 25").wait_for()
    await page.goto(f"{visit.site.url}/console/devices/{device.device_id}/automation")
    await page.get_by_label("Switch Warm on for this device").click()
    await page.wait_for_selector("text=Warm was switched off for this device")
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        (rule,) = api.call("GET", "/message_rules")["items"]
    assert rule["disabled_devices"] == [device.device_id]
    assert visit.faults == []


async def test_a_function_is_written_with_tabs_and_its_error_marks_the_line(visit: Visit) -> None:
    device = visit.site.devices["reporting"]
    page = await visit.page(View("zh"))
    await visit.log_in(page, f"/message-rules/new?device={device.device_id}")
    await page.get_by_label("监听", exact=True).select_option("before_report")
    code = page.get_by_label("函数（JavaScript）")
    await code.fill("module.exports = function (report_attributes) {")
    await code.press("Enter")
    await page.keyboard.type("console.log(1)")
    await code.press("Enter")
    await page.keyboard.type("throw new Error('no')")
    await code.press("Enter")
    await code.press("Shift+Tab")
    await page.keyboard.type("}")
    assert await code.input_value() == (
        "module.exports = function (report_attributes) {\n  console.log(1)\n  throw new Error('no')\n}"
    )
    await page.get_by_role("button", name="运行测试").click()
    await page.wait_for_selector(".gutter .wrong >> text=3")
    await code.press("Escape")
    await code.press("Tab")
    assert await code.evaluate("one => one !== document.activeElement")
    assert visit.faults == []


async def test_a_message_rule_keeps_its_secrets_and_a_copy_leaves_them_out(visit: Visit) -> None:
    device = visit.site.devices["silent"]
    rule = {"name": "Told", "on": "after_push", "devices": [device.device_id]}
    secrets = [{"url": "https://example.com/in", "secret": "hidden-key"}]
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        rule_id = api.call("POST", "/message_rule", json={**rule, "actions": secrets})["id"]
    page = await visit.page(View("en"))
    await visit.log_in(page, f"/message-rules/{rule_id}")
    await page.wait_for_selector("text=Stored; empty leaves it as it is.")
    assert await page.get_by_label("Secret that signs").input_value() == ""
    await page.get_by_label("URL", exact=True).fill("")
    assert await page.get_by_label("URL", exact=True).is_visible()
    await page.get_by_label("URL", exact=True).fill("https://example.com/in")
    await page.get_by_role("link", name="Duplicate").click()
    await page.wait_for_selector("text=Secrets and passwords are not copied")
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.wait_for_selector("#evaluations")
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        stored = [one for one in api.call("GET", "/message_rules")["items"] if one["name"].startswith("Told")]
        for one in stored:
            api.call("DELETE", f"/message_rule/{one['id']}")
    rules = {one["name"]: one["actions"] for one in stored}
    assert rules["Told (copy)"] == [{"url": "https://example.com/in"}]
    assert rules["Told"] == [{"url": "https://example.com/in", "secret": "***"}]
    assert visit.faults == []


async def test_a_task_is_written_with_a_preview_and_run_at_once(visit: Visit) -> None:
    page = await visit.page(View("en"))
    await visit.log_in(page, "/tasks/new")
    await page.get_by_label("Name", exact=True).fill("Fans")
    await page.get_by_label("Cron expression").fill("30 8 * * 1-5")
    await page.wait_for_selector("section[aria-labelledby=preview] li >> nth=9")
    await page.get_by_label("Time zone", exact=True).fill("Asia/Kathmandu")
    await page.get_by_label("Time zone", exact=True).blur()
    await page.wait_for_selector("section[aria-labelledby=preview] >> text=Time zone: Asia/Kathmandu")
    preview = page.locator("section[aria-labelledby=preview] li")
    assert [text.split(", ")[1] for text in await preview.all_inner_texts()] == ["08:30:00"] * 10
    await choose(page, "Device type", "Thermometers")
    await page.wait_for_selector("text=2 devices match now")
    await page.get_by_role("button", name="Add an attribute").click()
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.get_by_role("button", name="Run now").click()
    await page.locator("dialog").get_by_role("button", name="Run now").click()
    await page.wait_for_selector("section[aria-labelledby=runs] >> text=2 done, 0 refused, of 2")
    await page.get_by_role("button", name="Results").click()
    await page.wait_for_selector("dialog.drawer >> text=Silent")
    assert visit.faults == []


async def test_a_forwarding_target_is_tried_saved_and_shows_its_secret_once(visit: Visit) -> None:
    page = await visit.page(View("en"))
    await visit.log_in(page, "/forwarding/new")
    await page.get_by_label("Name", exact=True).fill("Desk")
    await page.get_by_label("Address").fill("http://127.0.0.1:9/in")
    await page.get_by_role("button", name="Send a test message").click()
    await page.wait_for_selector("text=Not delivered")
    await page.get_by_role("button", name="Save", exact=True).click()
    secret = (await page.locator("dialog .secret").inner_text()).split()[0]
    await page.locator("dialog").get_by_role("button", name="Close").last.click()
    report(visit.site.url, visit.site.devices["reporting"], {"temperature": 22})
    await page.wait_for_selector("section[aria-labelledby=status] >> text=waits to try again")
    await page.reload()
    await page.wait_for_selector("text=Stored; empty leaves it as it is.")
    assert secret not in await page.content()
    assert await page.evaluate("secret => JSON.stringify({...sessionStorage}).includes(secret)", secret) is False
    assert visit.faults == []


async def test_registers_are_tried_on_bytes_before_they_are_saved(visit: Visit) -> None:
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        type_id = api.call("GET", "/device_types")["items"][0]["id"]
    page = await visit.page(View("en"))
    await visit.log_in(page, f"/types/{type_id}/modbus")
    await page.get_by_role("button", name="Add a stream").click()
    await page.get_by_label("Count", exact=True).fill("1")
    await page.get_by_role("button", name="Add a register").click()
    await page.get_by_label("Scale", exact=True).fill("0.1")
    await page.get_by_label("Bytes (hex)").fill("01 03 02 00 d7 f8 1a")
    await page.get_by_role("button", name="Read them").click()
    await page.wait_for_selector("section[aria-labelledby=modbus-test] >> text=21.5")
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.wait_for_selector(".toast.done:has-text('Saved')")
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        (stream,) = api.call("GET", f"/device_type/{type_id}/modbus")["streams"]
        register = {"attribute": "temperature", "scale": 0.1}
        assert {name: stream["groups"][0]["registers"][0][name] for name in register} == register
        api.call("PUT", f"/device_type/{type_id}/modbus", json={"streams": []})
    assert visit.faults == []


async def test_a_firmware_is_uploaded_and_rolled_out(visit: Visit) -> None:
    page = await visit.page(View("en"))
    await visit.log_in(page, "/ota/new")
    await page.get_by_label("Name", exact=True).fill("Firmware")
    await page.get_by_label("Version", exact=True).fill("1.1.5")
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.locator("input[type=file]").set_input_files(
        {"name": "fw.bin", "mimeType": "application/octet-stream", "buffer": b"x" * 70_000}
    )
    await page.get_by_role("button", name="Upload", exact=True).click()
    await page.wait_for_selector(f"text={sha256(b'x' * 70_000).hexdigest()}")
    await page.get_by_role("button", name="New rollout").click()
    await page.get_by_role("button", name="Create the rollout").click()
    await page.get_by_role("button", name="Pause", exact=True).click()
    await page.wait_for_selector("text=paused by somebody")
    await page.get_by_role("link", name="Silent").wait_for()
    await page.get_by_role("button", name="End", exact=True).click()
    await page.locator("dialog").get_by_role("button", name="End", exact=True).click()
    await page.wait_for_selector("h1 ~ .chip >> text=ended")
    assert visit.faults == []
