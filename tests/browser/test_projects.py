"""Somebody whose account opens two projects chooses one at the log-in, and changes to the other from the top bar."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.browser.visit import Site, Visit
from tests.project_api import ProjectApi
from tests.server_process import ServerProcess, init, thingstead
from thingstead.services.registry.projects import Credentials

pytestmark = pytest.mark.external("chromium")
ANN = {"account": "ann", "password": "a long password"}


async def log_in_to(page: Any, project: str, within: str = "") -> None:
    """Fills the form of the log-in and, when it asks, chooses the project."""
    await page.fill(f"{within} input[name=username]", ANN["account"])
    await page.fill(f"{within} input[name=password]", ANN["password"])
    await page.click(f"{within} button[type=submit]")
    await page.locator(f"{within} form select").select_option(label=project)
    await page.click(f"{within} button[type=submit]")


async def test_the_project_is_chosen_and_changed_in_every_tab(tmp_path: Path) -> None:
    first = init(tmp_path / "data")
    made = thingstead("project", "create", "--name", "Second", "--data-dir", tmp_path / "data", "--json")
    second = msgspec.json.decode(made.stdout, type=Credentials)
    server = ServerProcess(tmp_path / "data").wait_until_serving()
    try:
        for credentials in (first, second):
            with ProjectApi(server.url, credentials) as api:
                person = {"account": credentials.admin_account, "password": credentials.admin_password}
                token = api.call("POST", "/admin_login", json={"app_id": credentials.app_id, **person})
                api.log_in_with(token["access_token"])
                api.call("POST", "/admin", json=ANN)
        with ProjectApi(server.url, second) as api:
            api.create_device(name="Only there")
        async with Visit.begin(Site(server, first, {})) as visit:
            page = await visit.page()
            await page.goto(f"{server.url}/console/")
            await log_in_to(page, "Thingstead")
            name = "header .project button:has-text('{}')"
            await page.wait_for_selector(name.format("Thingstead"))
            other = await page.context.new_page()
            await visit.open(other, "/devices")
            await page.click("header .project button")
            await log_in_to(page, "Second", "dialog")
            await page.wait_for_selector(name.format("Second"))
            await other.wait_for_selector(name.format("Second"))
            await visit.open(other, "/devices")
            await other.wait_for_selector("text=Only there")
            assert visit.faults == []
    finally:
        server.kill()
