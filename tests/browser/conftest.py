"""The console in a real browser, against a server that is a process of its own with devices that report.

``CONSOLE_SLOW=4`` makes the processor of each page four times slower and the way to the server long: what passes then
does not depend on a quick machine.
"""

import inspect
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.browser.visit import AXE, SLOW, Site, Visit, running_browser
from tests.project_api import Certificate, ProjectApi
from tests.server_process import ServerProcess, init

FOLDER = Path(__file__).parent
HOSTILE = """<img src=x onerror="alert(1)">"><script>alert(2)</script>{{7*7}}"""
TYPE = {
    "name": "Thermometers",
    "attributes": [
        {"identifier": "temperature", "name": "Temperature", "data_type": "number", "attr_type": "report"},
        {"identifier": "fan", "name": "Fan", "data_type": "switch", "attr_type": "both"},
    ],
}


def missing() -> str | None:
    """What is not here of what these tests need."""
    try:
        import playwright  # noqa: F401 - an environment without it runs all other tests
    except ImportError:
        return "playwright"
    return None if AXE.exists() else f"{AXE.name} (script/console test fetches it)"


def pytest_runtest_setup(item: pytest.Item) -> None:
    lacking = missing()
    if lacking and os.environ.get("CI") == "true":
        pytest.fail(f"not installed: {lacking}", pytrace=False)
    if lacking:
        pytest.skip(f"not installed: {lacking}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Asynchronous tests here run in the event loop of the browser."""
    for item in items:
        if item.path.is_relative_to(FOLDER) and inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            if SLOW > 1:
                item.add_marker(pytest.mark.timeout(300 * SLOW), append=False)


@contextmanager
def opened(folder: Path, *, populated: bool = True) -> Iterator[Site]:
    """A server with a device that has reported, one whose every text is hostile, and one that is silent; or without."""
    credentials = init(folder)
    process = ServerProcess(folder).wait_until_serving()
    try:
        with ProjectApi(process.url, credentials) as api:
            yield Site(process, credentials, _populated(api, process.url) if populated else {})
    finally:
        process.kill()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server for the tests of a file."""
    with opened(tmp_path_factory.mktemp("site") / "data") as site:
        yield site


def report(url: str, device: Certificate, values: dict[str, Any]) -> None:
    """Reports attributes over HTTP."""
    answer: Any = httpx.post(
        f"{url}/device/v1/{device.access_token}/attributes",
        json=values,
        headers={"Project-Key": device.project_key},
        trust_env=False,
    ).json()
    assert answer.get("result") is not False, answer


def _populated(api: ProjectApi, url: str) -> dict[str, Certificate]:
    """Devices by what they are."""
    functions = {"functions": {"attributes": TYPE["attributes"]}}
    type_id = api.call("POST", "/device_type", json={"name": TYPE["name"]})["id"]
    api.call("PUT", f"/device_type/{type_id}/functions", json=functions)
    reporting = api.create_device(name="温室 Greenhouse 1", type=type_id, device_key="sensor-1")
    hostile = api.create_device(name=HOSTILE, device_key=HOSTILE[:100], descr=HOSTILE, tags={HOSTILE[:60]: HOSTILE})
    silent = api.create_device(name="Silent", type=type_id)
    report(url, reporting, {"temperature": 21.5, "fan": True})
    rule = {
        "name": HOSTILE,
        "devices": [hostile.device_id],
        "raise": {"attribute": "note", "op": "==", "value": HOSTILE},
    }
    api.call("POST", "/alarm_rule", json=rule)
    report(url, hostile, {"note": HOSTILE, "object": {HOSTILE: HOSTILE}})
    return {"reporting": reporting, "hostile": hostile, "silent": silent}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Any]:
    """One for all tests: to start it takes longer than many of them. Their contexts share nothing."""
    async with running_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def visit(site: Site, browser: Any) -> AsyncIterator[Visit]:
    """A browser, as somebody opens it who has not used it before."""
    async with Visit.begin(site, browser) as begun:
        yield begun
