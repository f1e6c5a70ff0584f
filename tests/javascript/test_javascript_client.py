"""The JavaScript client as npm packs it: against a server, in Node.js and in a browser; its retries and its types."""

import asyncio
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.browser.visit import BROWSERS
from tests.generators.test_generated_clients import INSTALL
from tests.project_api import Certificate, ProjectApi
from tests.server_process import ServerProcess, init
from thingstead import __version__

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
START_MS = 1_767_225_600_000
DAY_MS = 86_400_000
SAME = 1_100  # points of one instant: more than two pages
TIMEOUT_S = 30
SEEN: dict[str, Any] = {
    "name": "pump",
    "listed": ["pump", "other"],
    "points": [2, 1],
    "same": [SAME, SAME],
    "offline": [True, True, 404, "device_offline"],
    "unknown": [False, 404],
    "nobody": True,
    "uploaded": [3, 2, 4],
    "events": [
        ["connecting"],
        ["live"],
        ["attributes", {"t": 1}],
        ["lost"],
        ["connecting"],
        ["live"],
        ["gap"],
        ["attributes", {"t": 2}],
        ["closed"],
    ],
    "made": 2,
    "value": 2,
    "outside": 403,
    "refused": "the server refused the credentials with code 4",
}

pytestmark = pytest.mark.external("bash", "node", "npm")


class Site(NamedTuple):
    """A server with two devices; what `use` in use.mjs is given."""

    server: ServerProcess
    origin: str  # of pages beside it
    device: Certificate
    arguments: dict[str, Any]


def run_node(folder: Path, *arguments: str) -> str:
    """Node.js has a WebSocket from 22 on, and some before that by an option."""
    has_one = run(folder, "node", "-p", "typeof WebSocket").strip() == "function"
    return run(folder, "node", *([] if has_one else ["--experimental-websocket", "--no-warnings"]), *arguments)


def run(folder: Path, *command: str | Path) -> str:
    environ = {**os.environ, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program's folder, with the client installed from its package and the programs of these tests."""
    folder = tmp_path_factory.mktemp("program")
    run(ROOT, ROOT / "script" / "javascript", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    package = folder / f"thingstead-client-{__version__}.tgz"
    run(folder, "npm", "install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", package)
    for name in ("use.mjs", "node.mjs", "retries.mjs", "types.ts"):
        shutil.copy(HERE / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def origin(folder: Path) -> Iterator[str]:
    """A web server of the program's folder."""

    class Pages(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    pages = ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, directory=str(folder)))
    thread = threading.Thread(target=pages.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{pages.server_port}"
    pages.shutdown()
    thread.join()
    pages.server_close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, origin: str) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("site") / "data"
    credentials = init(data_dir)
    server = ServerProcess(data_dir, THINGSTEAD_HTTP_CORS_ORIGINS=origin).wait_until_serving()
    try:
        with ProjectApi(server.url, credentials) as api:
            device = api.create_device()
            api.create_device(name="other")
            report(
                server.url,
                device,
                [{"ts": START_MS + days * DAY_MS, "attributes": {"past": n}} for n, days in ((1, 5), (2, 80))],
            )
            for begin in range(0, SAME, 100):
                report(
                    server.url,
                    device,
                    [{"ts": START_MS, "attributes": {"same": n}} for n in range(begin, begin + 100)],
                )
            names = {"appId": "app_id", "accessKey": "access_key", "secretKey": "secret_key"}
            keys = {name: getattr(credentials, member) for name, member in names.items()}
            yield Site(server, origin, device, {"url": server.url, "keys": keys, "deviceId": device.device_id})
    finally:
        server.kill()


def report(url: str, device: Certificate, body: Any) -> None:
    path = "attributes/series" if isinstance(body, list) else "attributes"
    answer: Any = httpx.post(
        f"{url}/device/v1/{device.access_token}/{path}",
        json=body,
        headers={"Project-Key": device.project_key},
        trust_env=False,
    ).json()
    assert answer["result"] == 1, answer


def test_in_node(folder: Path, site: Site) -> None:
    device = {"access_token": site.device.access_token, "project_key": site.device.project_key}
    seen = json.loads(run_node(folder, "node.mjs", json.dumps({**site.arguments, "device": device})))
    assert seen == SEEN


@pytest.mark.external("chromium")
async def test_in_a_browser_on_a_page_of_another_origin(folder: Path, site: Site) -> None:
    playwright_api = pytest.importorskip("playwright.async_api")
    imports = json.dumps({"imports": {"thingstead-client": "/node_modules/thingstead-client/index.js"}})
    (folder / "page.html").write_text(f'<!doctype html><script type="importmap">{imports}</script>')
    program = next(path for name in BROWSERS if (path := shutil.which(name)))
    async with playwright_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = await browser.new_page()
        await page.expose_function("report", lambda values: report(site.server.url, site.device, values))
        await page.goto(f"{site.origin}/page.html")
        script = 'async (given) => (await import("/use.mjs")).use({ ...given, report: window.report })'
        try:
            async with asyncio.timeout(TIMEOUT_S):
                seen = await page.evaluate(script, site.arguments)
        finally:
            await browser.close()
    assert seen == SEEN


def test_what_the_server_refuses_for_now_is_sent_again_where_that_is_safe(folder: Path) -> None:
    assert json.loads(run_node(folder, "retries.mjs")) == {
        "a POST after 503 of the server": ["ok", 2],
        "a POST after 429": ["ok", 2],
        "a POST after 503 of a proxy": ["503", 1],
        "a GET after 503 of a proxy": ["ok", 2],
        "a GET after 500": ["500", 1],
        "too often": ["503", 3],
        "too long": ["429 60", 1],
    }


def test_the_package_holds_the_client_and_its_types_and_needs_no_other(folder: Path) -> None:
    package = folder / "node_modules" / "thingstead-client"
    described = json.loads((package / "package.json").read_text())
    assert described["version"] == __version__
    assert not described.keys() & {"dependencies", "peerDependencies", "scripts"}
    sources = {"client.js", "errors.js", "index.js", "live.js", "packets.js", "index.d.ts", "api.d.ts", "packets.d.ts"}
    assert {file.name for file in package.iterdir()} == sources | {"package.json", "README.md", "LICENSE"}


def test_compilers_know_the_operations_and_their_answers(folder: Path) -> None:
    done = subprocess.run([INSTALL], capture_output=True, text=True, timeout=110, check=False)
    if done.returncode and os.environ.get("CI") != "true":
        pytest.skip("TypeScript could not be installed")
    compiler = Path(done.stdout.strip()) / "node_modules" / "typescript" / "bin" / "tsc"
    options = ("--strict", "--noEmit", "--module", "nodenext", "--target", "es2022")
    run(folder, "node", compiler, *options, "--lib", "es2023,dom,dom.iterable", "types.ts")


def test_devices_that_cannot_be_reached_are_known_by_the_same_codes_as_in_python() -> None:
    from thingstead.client.answers import OFFLINE_CODES

    source = (ROOT / "clients" / "javascript" / "errors.js").read_text()
    listed = source.split("new Set([", 1)[1].split("]", 1)[0]
    assert {line.strip(' ",') for line in listed.split("\n") if line.strip()} == OFFLINE_CODES
