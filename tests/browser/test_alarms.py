"""A rule is written and tried, raises an alarm, is acknowledged, and somebody was told: all by the pages alone."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import httpx
import pytest

from tests.browser.conftest import TYPE, report
from tests.browser.visit import View, Visit
from tests.project_api import Certificate, ProjectApi

pytestmark = pytest.mark.external("chromium")

WORDS = {
    "en": {
        "find": "Find a device type",
        "template": "Above a limit",
        "value": "Value",
        "name": "Name",
        "tried": re.compile(r"^3 alarms"),
        "whole": "nothing was left out",
        "save": "Save and switch on",
        "attention": re.compile(r"\d+ alarms? needs? attention"),
        "acknowledge": "Acknowledge",
        "acknowledged": "acknowledged by admin",
        "sent": "sent",
        "why": "Why no alarm?",
        "open": "an alarm is open",
        "comment": "Comment",
    },
    "zh": {
        "find": "查找设备类型",
        "template": "超过上限",
        "value": "比较值",
        "name": "名称",
        "tried": re.compile(r"^3 条告警"),
        "whole": "没有遗漏",
        "save": "保存并启用",
        "attention": re.compile(r"\d+ 条告警需要处理"),
        "acknowledge": "确认",
        "acknowledged": "admin 已确认",
        "sent": "已发送",
        "why": "为何没有触发？",
        "open": "告警未恢复",
        "comment": "备注",
    },
}


class Receiver(NamedTuple):
    """Where notices go."""

    url: str
    told: threading.Event


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    told = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()
            told.set()

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Receiver(f"http://127.0.0.1:{server.server_port}/", told)
        finally:
            server.shutdown()
            thread.join()


def report_history(url: str, device: Certificate, values: list[float]) -> None:
    """Reports values of the last hours, ten minutes apart."""
    begin = int(time.time() * 1000) - len(values) * 600_000
    points = [{"ts": begin + 600_000 * n, "attributes": {"temperature": value}} for n, value in enumerate(values)]
    answer: Any = httpx.post(
        f"{url}/device/v1/{device.access_token}/attributes/series",
        json=points,
        headers={"Project-Key": device.project_key},
        trust_env=False,
    ).json()
    assert answer.get("result") is not False, answer


@pytest.mark.timeout(120)
@pytest.mark.parametrize("language", WORDS)
async def test_a_rule_is_tried_raises_is_acknowledged_and_told(visit: Visit, receiver: Receiver, language: str) -> None:
    words: dict[str, Any] = WORDS[language]
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        type_id = api.call("POST", "/device_type", json={"name": f"Ovens {language}"})["id"]
        api.call("PUT", f"/device_type/{type_id}/functions", json={"functions": {"attributes": TYPE["attributes"]}})
        device = api.create_device(name=f"Oven {language}", type=type_id)
        group = {"name": f"Night shift {language}", "channels": [{"webhook": receiver.url, "secret": "shh"}]}
        api.call("POST", "/notify_group", json=group)
    report_history(visit.site.url, device, [20.0, 70.0, 20.0, 75.0, 20.0, 80.0, 20.0])
    page = await visit.page(View(language))
    await visit.log_in(page)

    await visit.open(page, "/alarm-rules/new")
    await page.get_by_placeholder(words["find"]).click()
    await page.get_by_role("option", name=f"Ovens {language}").click()
    await page.get_by_role("button", name=words["template"]).click()
    limits = page.get_by_label(words["value"], exact=True)
    await limits.first.fill("60")
    await limits.last.fill("55")
    await page.get_by_text(words["tried"]).wait_for()
    assert words["whole"] in await page.inner_text("main")
    name = f"Too hot {language}"
    await page.get_by_label(words["name"], exact=True).fill(name)
    await page.get_by_label(f"Night shift {language}").check()
    await page.get_by_role("button", name=words["save"]).click()
    await page.wait_for_url(re.compile(r"/alarm-rules/(?!new)\w+$"))

    report(visit.site.url, device, {"temperature": 90})
    await page.get_by_role("link", name=words["attention"]).click()
    await page.get_by_role("link", name=name).first.click()
    drawer = page.get_by_role("dialog", name=name)
    await drawer.get_by_label(words["comment"]).fill("on my way")
    await page.reload()  # loses nothing that was typed, and what is done takes it along
    await drawer.get_by_role("button", name=words["acknowledge"]).click()
    await drawer.get_by_text(words["acknowledged"]).first.wait_for()
    await drawer.get_by_text("on my way").wait_for()
    await drawer.get_by_label(words["comment"]).fill("closed the door")
    await page.keyboard.press("Enter")
    await drawer.get_by_text("closed the door").wait_for()
    assert await asyncio.to_thread(receiver.told.wait, 60)
    sent = drawer.get_by_text(words["sent"], exact=True)
    while not await sent.count():  # the log of the attempt is written when its answer has come
        await page.reload()
        await drawer.get_by_text("on my way").wait_for()
        await visit.settled(page)

    await visit.open(page, f"/devices/{device.device_id}/alarms")
    rule = page.get_by_role("listitem").filter(has=page.get_by_role("switch")).filter(has_text=name)
    await rule.get_by_role("button", name=words["why"]).click()
    await page.get_by_text(words["open"]).first.wait_for()
    assert visit.faults == []


async def test_many_alarms_are_acknowledged_at_once_and_leave_the_view_when_they_are_cleared(visit: Visit) -> None:
    device = visit.site.devices["reporting"]
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        for number in range(3):
            condition = {"attribute": "temperature", "op": ">", "value": 40 + number}
            rule = {"name": f"Bulk {number}", "devices": [device.device_id], "raise": condition}
            api.call("POST", "/alarm_rule", json=rule)
    page = await visit.page()
    await visit.log_in(page)
    await visit.open(page, "/alarms?keyword=Bulk")
    report(visit.site.url, device, {"temperature": 50})
    await page.get_by_role("link", name="Bulk").first.wait_for()
    await page.reload()
    for number in range(3):
        await page.get_by_role("link", name=f"Bulk {number}").wait_for()
    await page.get_by_label("Select all on screen").check()
    await page.get_by_role("region", name="3 selected").get_by_role("button", name="Acknowledge").click()
    await page.get_by_role("dialog", name="Acknowledge 3 alarms?").get_by_role("button", name="Cancel").click()
    await page.keyboard.press("Control+k")
    await page.wait_for_selector("[role=combobox]:focus")
    await page.keyboard.type("acknowledge all")
    await page.keyboard.press("Enter")
    asked = page.get_by_role("dialog", name="Acknowledge 3 alarms?")
    assert "cannot be taken back" in await asked.inner_text()
    await asked.get_by_role("button", name="Acknowledge", exact=True).click()
    await page.get_by_text("3 alarms were acknowledged.").wait_for()
    report(visit.site.url, device, {"temperature": 20})
    await page.get_by_text("No alarm matches").wait_for()
    assert visit.faults == []
