"""Every page, in both languages and themes, at a desk and on a phone, is whole, ours alone, and readable for everyone.

A sample of the views runs each time; ``CONSOLE_VIEWS=all`` (``script/console test --all``) runs them all.
"""

import itertools
import os
import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.browser.visit import DESK, PHONE, PICTURES, ROOT, Site, View, Visit, complaints
from tests.project_api import ProjectApi

pytestmark = pytest.mark.external("chromium")

TABS = (
    "summary", "attributes", "events", "commands", "debug", "connection", "sub-devices", "alarms", "automation",
    "settings",
)  # fmt: skip
PAGES = (
    "/",
    "/start",
    "/devices",
    "/types",
    "/groups",
    "/customers",
    "/alarms",
    "/apps",
    "/people",
    "/audit",
    "/account",
    "/licenses",
    "/nowhere",
    "/alarm-rules",
    "/alarm-rules/new",
    "/message-rules",
    "/message-rules/new",
    "/forwarding",
    "/forwarding/new",
    "/notify",
    "/ota",
    "/ota/new",
    "/tasks",
    "/tasks/new",
)
SETTINGS = ("project", "keys", "retention", "server")
# Pages of one thing, beside the tabs of a device.
DETAILS = (
    "device/DevicePage", "type/TypePage", "customers/CustomerPage", "project/SettingsPage", "OtaRolloutPage",
    "LoginPage",
)  # fmt: skip
CUSTOMER = {"name": "Alice", "account": "alice", "password": "a long password"}
TYPE_PARTS = ("attributes", "events", "commands", "streams", "modbus", "settings")
SAMPLE = [View("zh", "light", DESK), View("en", "dark", PHONE)]
ALL = [View(*members) for members in itertools.product(("zh", "en"), ("light", "dark"), (DESK, PHONE))]
VIEWS = ALL if os.environ.get("CONSOLE_VIEWS") == "all" else SAMPLE


def paths(site: Site) -> list[str]:
    devices = [f"/devices/{site.devices['reporting'].device_id}/{tab}" for tab in TABS]
    silent = f"/devices/{site.devices['silent'].device_id}/summary"
    settings = [f"/settings/{part}" for part in SETTINGS]
    return [*PAGES, *settings, *devices, silent, "/devices/nobody00/summary", *details(site)]


def details(site: Site) -> list[str]:
    """The pages of the first of each kind of thing."""
    with ProjectApi(site.url, site.credentials) as api:
        type_id = api.call("GET", "/device_types")["items"][0]["id"]
        customers = api.call("GET", "/customers")["items"] or [api.call("POST", "/customer", json=CUSTOMER)]
    return [*(f"/types/{type_id}/{part}" for part in TYPE_PARTS), f"/customers/{customers[0]['id']}"]


def test_every_route_is_visited() -> None:
    router = (ROOT / "console" / "src" / "router.ts").read_text(encoding="utf-8")
    components = set(re.findall(r'import\("@/pages/([\w/]+)\.vue"\)', router))
    assert len(components) == len(TABS) + len(PAGES) + len(SETTINGS) + len(DETAILS)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("view", VIEWS, ids=str)
async def test_pages_are_whole(visit: Visit, view: View) -> None:
    page = await visit.page(view)
    await page.goto(f"{visit.site.url}/console/login")
    await page.wait_for_selector("input[name=username]")
    found = {"/login": await complaints(page, view)}
    await picture(page, view, "/login")
    await visit.log_in(page)
    for path in paths(visit.site):
        await visit.open(page, path)
        found[path] = await complaints(page, view)
        for name, device in visit.site.devices.items():
            path = path.replace(device.device_id, name)
        await picture(page, view, path)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}
    assert visit.faults == []


CLOCK = re.compile(r"\b\d\d:\d\d\b")


@pytest.mark.parametrize(("chosen", "zone"), [("browser", "America/St_Johns"), ("project", "Asia/Shanghai")])
async def test_every_instant_is_shown_in_the_zone_that_was_chosen(visit: Visit, chosen: str, zone: str) -> None:
    page = await visit.page(View(timezone="America/St_Johns"))
    await visit.log_in(page)
    await page.evaluate(
        """async () => {
          const headers = {"X-Thingstead": "1", "Content-Type": "application/json"}
          await fetch("/api/v1/project", {method: "PUT", headers, body: JSON.stringify({timezone: "Asia/Shanghai"})})
        }"""
    )
    await visit.prefer(page, zone=chosen)
    seen = 0
    for path in paths(visit.site):
        await visit.open(page, path)
        told: list[list[str]] = await page.evaluate(
            "[...document.querySelectorAll('time')].map(time => [time.dateTime, time.textContent, time.title])"
        )
        for instant, *texts in told:
            expected = datetime.fromisoformat(instant).astimezone(ZoneInfo(zone)).strftime("%H:%M")
            clocks = [clock for text in texts for clock in CLOCK.findall(text)]
            assert [clock for clock in clocks if clock != expected] == [], (path, instant, texts)
            seen += len(clocks)
    assert seen > 5


async def picture(page: object, view: View, path: str) -> None:
    """Keeps how a page looks, for people."""
    file: Path = PICTURES / f"{path.strip('/').replace('/', '-') or 'overview'}-{view}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=file)  # type: ignore[attr-defined]
