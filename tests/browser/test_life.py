"""What happens to an open page: log-ins, sessions that end, a server that is away, values that come, hostile texts."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.conftest import HOSTILE, opened, report
from tests.browser.visit import PHONE, Site, View, Visit
from tests.project_api import ProjectApi
from tests.server_process import ServerProcess

pytestmark = pytest.mark.external("chromium")


def session_of(site: Site, cookies: dict[str, str]) -> Any:
    """What the server answers to who brings these cookies."""
    url = f"{site.url}/api/v1/console/session"
    return httpx.get(url, headers={"X-Thingstead": "1"}, cookies=cookies, trust_env=False).json()


async def test_the_log_in_leads_to_the_page_that_was_asked_for(visit: Visit) -> None:
    page = await visit.page()
    await page.goto(f"{visit.site.url}/console/devices?online=1")
    await page.fill("input[name=username]", visit.site.credentials.admin_account)
    await page.fill("input[name=password]", "not the password")
    await page.click("button[type=submit]")
    assert "wrong" in await page.inner_text("[role=alert]")
    assert await page.input_value("input[name=username]") == visit.site.credentials.admin_account
    await page.fill("input[name=password]", visit.site.credentials.admin_password)
    await page.click("button[type=submit]")
    await page.wait_for_url("**/console/devices?online=1")
    await page.wait_for_function("() => document.activeElement.tagName === 'H1'")
    cookies = await page.context.cookies()
    assert [(cookie["httpOnly"], cookie["sameSite"]) for cookie in cookies] == [(True, "Strict")]
    assert await page.evaluate("document.cookie") == ""


async def test_nobody_is_led_to_another_site_by_the_log_in(visit: Visit) -> None:
    page = await visit.page()
    for wanted in ("//example.com/", "https://example.com/", "/\\example.com"):
        await page.goto(f"{visit.site.url}/console/login?then={wanted}")
        if not await page.context.cookies():
            await visit.fill_log_in(page)
        await page.wait_for_selector("#main h1")
        assert page.url.startswith(f"{visit.site.url}/console/")
    assert visit.faults == []


async def test_a_session_that_ends_leaves_the_page_and_the_log_in_stands_over_it(visit: Visit) -> None:
    page = await visit.page()
    await visit.log_in(page, f"/devices/{visit.site.devices['reporting'].device_id}/summary")
    await page.wait_for_selector(".indicator.live")
    await page.evaluate(
        """async () => {
          const headers = {"X-Thingstead": "1"}
          const {info} = await (await fetch("/api/v1/console/session", {headers})).json()
          await fetch(`/api/v1/console/sessions/${info.id}`, {method: "DELETE", headers})
        }"""
    )
    await page.wait_for_selector("dialog[open] input[name=password]")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await page.wait_for_selector("dialog[open] input[name=password]")
    await visit.fill_log_in(page, "dialog")
    await page.wait_for_selector("dialog", state="detached")
    await page.wait_for_selector(".indicator.live")
    assert page.url.endswith("/summary")
    assert visit.faults == []


async def test_logging_out_ends_the_session_on_the_server(visit: Visit) -> None:
    page = await visit.page()
    await visit.log_in(page)
    before = {cookie["name"]: cookie["value"] for cookie in await page.context.cookies()}
    await page.click("header [aria-haspopup=menu]")
    await page.click("text=Log out")
    await page.wait_for_selector("input[name=username]")
    assert session_of(visit.site, before)["errcode"] == 401


async def test_a_server_that_is_away_is_told_and_its_return_needs_no_reload(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as site:
        async with Visit.begin(site) as visit:
            page = await visit.page()
            await visit.log_in(page, f"/devices/{site.devices['reporting'].device_id}/summary")
            await page.wait_for_selector(".indicator.live")
            await page.evaluate("window.untouched = true")
            await asyncio.to_thread(site.process.kill)
            await page.wait_for_selector(".banner")
            assert await page.locator(".state.online").count() == 0
            await page.click("nav >> text=Overview")
            await page.wait_for_selector(".toast.failed")
            with serving_again(site):
                await page.wait_for_selector(".banner", state="detached", timeout=60_000)
                assert await page.evaluate("window.untouched")
                await page.click("nav >> text=Overview")
                await page.wait_for_url("**/console/")


@contextmanager
def serving_again(site: Site) -> Iterator[None]:
    """The server of a site, started anew on its port."""
    process = ServerProcess(site.process.data_dir, "--http-port", str(site.process.http_port)).wait_until_serving()
    try:
        yield
    finally:
        process.kill()


async def test_a_report_is_on_the_page_without_a_reload(visit: Visit) -> None:
    page = await visit.page(View(size=PHONE))
    device = visit.site.devices["reporting"]
    await visit.log_in(page, f"/devices/{device.device_id}/summary")
    report(visit.site.url, device, {"temperature": 37.25})
    await page.wait_for_selector("text=37.25")
    assert visit.faults == []


async def test_hostile_texts_stay_texts_on_every_page(visit: Visit) -> None:
    page = await visit.page()
    page.on("dialog", lambda dialog: visit.faults.append(f"ran {dialog.message}"))
    device = visit.site.devices["hostile"].device_id
    await visit.log_in(page, "/devices")
    await visit.settled(page)
    for tab in ("summary", "attributes", "connection", "settings"):
        await visit.open(page, f"/devices/{device}/{tab}")
        assert HOSTILE in await page.inner_text("h1")
        assert await page.locator("img[src=x]").count() == 0
    assert HOSTILE in await page.title()
    await visit.open(page, f"/devices?keyword={HOSTILE}&tag={HOSTILE}&sort={HOSTILE}")
    assert visit.faults == []


async def test_the_chip_of_an_alarm_comes_and_goes_in_the_list_without_a_reload(visit: Visit) -> None:
    device = visit.site.devices["reporting"]
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        rule = {"name": "hot", "devices": [device.device_id], "level": 3}
        api.call("POST", "/alarm_rule", json={**rule, "raise": {"attribute": "temperature", "op": ">", "value": 70}})
    page = await visit.page()
    await visit.log_in(page, "/devices")
    row = page.locator("[role=row]", has=page.locator(f"a[href$='/devices/{device.device_id}/summary']"))
    for values, shown in (({"temperature": 80}, True), ({"temperature": 20}, False)):
        report(visit.site.url, device, values)
        await row.locator(".level").first.wait_for(state="visible" if shown else "detached")
    assert visit.faults == []
