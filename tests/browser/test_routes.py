"""Every page, in both languages and themes, at a desk and on a phone, is whole, ours alone, and readable for everyone.

A sample of the views runs each time; ``CONSOLE_VIEWS=all`` (``script/console test --all``) runs them all.
"""

import itertools
import os
import re
from pathlib import Path

import pytest

from tests.browser.visit import DESK, PHONE, PICTURES, ROOT, Site, View, Visit, complaints

pytestmark = pytest.mark.external("chromium")

TABS = ("summary", "attributes", "events", "commands", "connection", "sub-devices", "alarms", "settings")
PAGES = ("/", "/start", "/devices", "/account", "/licenses", "/nowhere")
SAMPLE = [View("zh", "light", DESK), View("en", "dark", PHONE)]
ALL = [View(*members) for members in itertools.product(("zh", "en"), ("light", "dark"), (DESK, PHONE))]
VIEWS = ALL if os.environ.get("CONSOLE_VIEWS") == "all" else SAMPLE


def paths(site: Site) -> list[str]:
    devices = [f"/devices/{site.devices['reporting'].device_id}/{tab}" for tab in TABS]
    return [*PAGES, *devices, f"/devices/{site.devices['silent'].device_id}/summary", "/devices/nobody00/summary"]


def test_every_route_is_visited() -> None:
    router = (ROOT / "console" / "src" / "router.ts").read_text(encoding="utf-8")
    components = set(re.findall(r'import\("@/pages/([\w/]+)\.vue"\)', router))
    assert len(components) == len(TABS) + len(PAGES) + 2  # the frame of the device, and the log-in


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
        await picture(page, view, path.replace(visit.site.devices["reporting"].device_id, "reporting"))
    assert {path: wrong for path, wrong in found.items() if wrong} == {}
    assert visit.faults == []


async def picture(page: object, view: View, path: str) -> None:
    """Keeps how a page looks, for people."""
    file: Path = PICTURES / f"{path.strip('/').replace('/', '-') or 'overview'}-{view}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=file)  # type: ignore[attr-defined]
