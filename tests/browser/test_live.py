"""Many values a second, a tab out of sight, what changes while a page opens, instants, days of other zones."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.browser.conftest import report
from tests.browser.visit import Visit
from tests.mqtt_device import MqttDevice
from tests.project_api import Certificate, ProjectApi

pytestmark = pytest.mark.external("chromium")

ATTRIBUTES, A_SECOND, SECONDS = 50, 20, 4
PAINTS_A_SECOND = 5
UNSUBSCRIBE = 0xA2
HIDE = """hidden => {
  Object.defineProperty(document, "hidden", {value: hidden, configurable: true})
  document.dispatchEvent(new Event("visibilitychange"))
}"""
# A fixed piece of work, beside which others are held.
CALIBRATE = """() => {
  for (let number = 0, text = ""; number < 300_000; number += 1) text = JSON.stringify([number, text.length])
}"""
COUNT_PAINTS = """() => {
  window.paints = 0
  new MutationObserver(() => (window.paints += 1))
    .observe(document.querySelector("tbody"), {subtree: true, childList: true, characterData: true})
}"""


@pytest.fixture
def device(visit: Visit) -> Certificate:
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        return api.create_device(name="Meter")


@contextmanager
def reporting(port: int, device: Certificate) -> Iterator[list[int]]:
    """Reports ``ATTRIBUTES`` values ``A_SECOND`` times a second; the numbers of the reports so far."""
    stop, sent = threading.Event(), [0]
    with MqttDevice(port, device) as connected:

        def send() -> None:
            while not stop.wait(1 / A_SECOND):
                sent.append(sent[-1] + 1)
                connected.publish("attributes", {f"a{each:02}": sent[-1] + each for each in range(ATTRIBUTES)})

        sender = threading.Thread(target=send)
        sender.start()
        try:
            yield sent
        finally:
            stop.set()
            sender.join()


async def metric(tools: Any, name: str) -> float:
    answer = await tools.send("Performance.getMetrics")
    return float(next(one["value"] for one in answer["metrics"] if one["name"] == name))


async def test_fifty_values_twenty_times_a_second_leave_the_page_idle_most_of_the_time(
    visit: Visit, device: Certificate
) -> None:
    report(visit.site.url, device, {f"a{each:02}": each for each in range(ATTRIBUTES)})
    page = await visit.page()
    await visit.log_in(page, f"/devices/{device.device_id}/attributes")
    await page.wait_for_selector(".indicator.live")
    tools = await page.context.new_cdp_session(page)
    await tools.send("Performance.enable")
    calibration = -await metric(tools, "ThreadTime")
    await page.evaluate(CALIBRATE)
    calibration += await metric(tools, "ThreadTime")
    with reporting(visit.site.process.mqtt_port, device) as sent:
        await page.wait_for_function("() => document.querySelector('tbody').innerText.includes('60')")
        begun = await metric(tools, "Timestamp")
        await page.evaluate(COUNT_PAINTS)
        busy = await metric(tools, "ThreadTime")  # of the page's thread alone, whatever else the machine does
        first = sent[-1]
        while await metric(tools, "Timestamp") < begun + SECONDS:
            await page.keyboard.press("Shift")  # somebody is there
        busy = await metric(tools, "ThreadTime") - busy
        came = sent[-1] - first
        paints: int = await page.evaluate("window.paints")
        took = await metric(tools, "Timestamp") - begun
    assert came > 0
    assert 0 < paints <= PAINTS_A_SECOND * took + ATTRIBUTES / 10 + 1
    assert busy / took < 24 * calibration, (busy, took, calibration)
    await page.wait_for_function("text => document.querySelector('tbody').innerText.includes(text)", arg=f"{sent[-1]}")
    assert visit.faults == []


async def test_a_tab_out_of_sight_stops_listening_and_shows_what_is_true_when_it_is_back(
    visit: Visit, device: Certificate
) -> None:
    report(visit.site.url, device, {"level": 1})
    page = await visit.page()
    await page.clock.install()
    async with page.expect_websocket() as opened:
        await visit.log_in(page, f"/devices/{device.device_id}/attributes")
    socket = await opened.value
    await page.wait_for_selector(".indicator.live")
    await page.wait_for_selector("td .now:text-is('1')")
    async with socket.expect_event("framesent", lambda frame: frame[0] == UNSUBSCRIBE):
        await page.evaluate(HIDE, arg=True)
        for _ in range(13):  # in steps, so that pings are answered between
            await page.clock.run_for(5_000)
            await page.evaluate("fetch('/api/v1/console')")
    report(visit.site.url, device, {"level": 2})
    assert await page.locator("td .now:text-is('1')").count() == 1
    await page.evaluate(HIDE, arg=False)
    await page.wait_for_selector("td .now:text-is('2')")
    report(visit.site.url, device, {"level": 3})
    await page.clock.run_for(1000)
    await page.wait_for_selector("td .now:text-is('3')")
    assert visit.faults == []


async def test_what_changes_between_the_reading_of_a_page_and_its_subscription_is_shown(
    visit: Visit, device: Certificate
) -> None:
    report(visit.site.url, device, {"level": 1})
    page = await visit.page()
    held = asyncio.Event()

    async def hold(socket: Any) -> None:
        server = socket.connect_to_server()

        async def later(message: bytes | str) -> None:
            await held.wait()
            server.send(message)

        socket.on_message(lambda message: asyncio.ensure_future(later(message)))

    await page.route_web_socket("**/mqtt", hold)
    await visit.log_in(page, f"/devices/{device.device_id}/attributes", settled=False)
    await page.wait_for_selector("td .now:text-is('1')")
    report(visit.site.url, device, {"level": 2})  # nobody follows it yet
    held.set()
    await page.wait_for_selector("td .now:text-is('2')")
    assert visit.faults == []


async def test_an_instant_of_the_past_shows_its_values_and_a_fixed_range_stays(
    visit: Visit, device: Certificate
) -> None:
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        report(visit.site.url, device, {"level": 1})
        then = api.call("GET", f"/device/{device.device_id}/attributes")[0]["ts"]
    report(visit.site.url, device, {"level": 2})
    page = await visit.page()
    await visit.log_in(page, f"/devices/{device.device_id}/attributes")
    await page.wait_for_selector("td .now:text-is('2')")
    await visit.open(page, f"/devices/{device.device_id}/attributes?at={then}")
    await page.wait_for_selector("h2:has-text('Values at')")
    assert await page.locator("td .now:text-is('1')").count() == 1
    await page.click("text=Back to now")
    await page.wait_for_selector("td .now:text-is('2')")
    await page.keyboard.press("t")
    await page.keyboard.press("a")
    await page.wait_for_url("**from=*to=*")
    fixed = page.url
    await page.reload()
    await visit.settled(page)
    assert page.url == fixed
    assert visit.faults == []


@pytest.mark.parametrize(
    ("day", "after", "hours"), [("2026-03-08", "2026-03-09", 23), ("2026-11-01", "2026-11-02", 25)]
)
async def test_a_day_in_which_the_clock_is_moved_has_its_own_length(
    visit: Visit, device: Certificate, day: str, after: str, hours: int
) -> None:
    page = await visit.page()
    await visit.log_in(page)
    await visit.prefer(page, zone="America/St_Johns")
    await visit.open(page, f"/devices/{device.device_id}/attributes?chart=level")
    report(visit.site.url, device, {"level": 1})
    await page.wait_for_selector("tbody tr")
    await page.click("main button:has-text('Custom')")
    await page.wait_for_selector("dialog :text('St_Johns')")
    for place, text in enumerate((day, after)):
        await page.locator("dialog input[type=datetime-local]").nth(place).fill(f"{text}T00:00:00")
    await page.click("dialog button[type=submit]")
    await page.wait_for_url("**from=*to=*")
    query = httpx.URL(page.url).params
    assert int(query["to"]) - int(query["from"]) == hours * 3_600_000
    assert visit.faults == []
