"""What examples/README.md says to type, as it stands there, against a server."""

import os
import re
import shutil
from pathlib import Path

import pytest

from bench.process import free_port
from tests.browser.visit import BROWSERS
from tests.examples.program import Program, Run
from tests.project_api import ProjectApi
from tests.running import Running, eventually
from tests.server_process import StartServer, init

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
BIN = ROOT / ".venv" / "bin"


def commands(program: str) -> list[str]:
    """The commands of the block that starts a program, without what has to be filled in or installed."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    [block] = [block for block in blocks if f"python examples/{program}" in block]
    lines = [line.strip().removeprefix("$ ") for line in block.strip().splitlines()]
    return [line for line in lines if "…" not in line and not line.startswith("pip ")]


@pytest.fixture
def environ(running: Running) -> dict[str, str]:
    """What a reader has exported."""
    keys = running.credentials
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "THINGSTEAD": running.server.url,
        "MQTT_PORT": str(running.server.mqtt_port),
        "APP_ID": keys.app_id,
        "ACCESS_KEY": keys.access_key,
        "SECRET_KEY": keys.secret_key,
        "ACCESS_TOKEN": running.certificate.access_token,
        "PROJECT_KEY": running.certificate.project_key,
    }


def typed(run: Run, folder: Path, environ: dict[str, str], lines: list[str]) -> Program:
    """A shell in which these lines were typed, in a folder that has the examples."""
    for name in ("examples", "clients"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return run("bash", "-ec", "\n".join([*lines[:-1], f"exec {lines[-1]}"]), cwd=folder, env=environ)


def test_the_thermometer(running: Running, run: Run, tmp_path: Path, environ: dict[str, str]) -> None:
    typed(run, tmp_path, environ, commands("device.py"))
    eventually(lambda: "temperature" in running.api.attributes(running.device_id))


def test_the_gateway_and_its_meters_are_set_up_once_however_often_that_is_done(
    running: Running, run: Run, tmp_path: Path, environ: dict[str, str]
) -> None:
    lines = commands("gateway.py")
    assert len(lines) == 3
    del environ["ACCESS_TOKEN"], environ["PROJECT_KEY"]
    typed(run, tmp_path, environ, [lines[0], lines[0].split(" > ")[0]]).until("METER_TYPE=")
    typed(run, tmp_path, environ, lines).until("reported 1")
    api = running.api
    devices = {each["name"]: each for each in api.call("GET", "/devices?page_records=100")["items"]}
    types = {each["name"]: each for each in api.call("GET", "/device_types")["items"]}
    assert (types["Meter gateway"]["device_count"], types["Electricity meter"]["device_count"]) == (1, 2)
    meters = [each for each in devices.values() if each.get("gateway") == devices["Meter gateway"]["id"]]
    assert len(meters) == 2
    assert all(api.attributes(meter["id"])["power"] > 0 for meter in meters)
    assert api.call("GET", "/alarm_rules")["total"] == 1


def test_the_back_end(running: Running, run: Run, tmp_path: Path, environ: dict[str, str]) -> None:
    first, *others = commands("backend.py")
    typed(run, tmp_path, environ, [first]).until(running.device_id)
    offline = others[-1].replace("abcd1234", running.device_id)
    typed(run, tmp_path, environ, [offline]).until("DeviceOffline")


@pytest.mark.external("chromium")
async def test_the_page_has_no_secret_of_the_project_and_shows_its_device(
    start_server: StartServer, run: Run, tmp_path: Path
) -> None:
    playwright_api = pytest.importorskip("playwright.async_api")
    credentials = init(tmp_path / "data")
    port = free_port()
    server = start_server(tmp_path / "data", THINGSTEAD_HTTP_CORS_ORIGINS=f"http://localhost:{port}")
    with ProjectApi(server.url, credentials) as api:
        device = api.create_device()
        other = api.create_device(name="other")
        names = {"APP_ID": "app_id", "ACCESS_KEY": "access_key", "SECRET_KEY": "secret_key"}
        environ = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        environ |= {"THINGSTEAD": server.url, "PORT": str(port)}
        environ |= {name: getattr(credentials, member) for name, member in names.items()}
        [line] = commands("page/backend.py")
        backend = typed(run, tmp_path, environ, [line.replace("abcd1234", device.device_id)])
        address = backend.until("http://").split()[-1]
        program = next(path for name in BROWSERS if (path := shutil.which(name)))
        async with playwright_api.async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            page = await browser.new_page()
            received: list[str] = []

            async def keep(response: object) -> None:
                received.append(await response.text())  # type: ignore[attr-defined]

            page.on("response", keep)
            await page.goto(address)
            await page.wait_for_function("document.getElementById('state').textContent === 'live'")
            api.call("POST", f"/control/device/{other.device_id}/attributes", json={"theirs": 1})
            api.call("POST", f"/control/device/{device.device_id}/attributes", json={"t": 21.5})
            await page.click("#on")
            await page.wait_for_function("document.getElementById('values').rows.length === 2")
            await page.wait_for_function("document.getElementById('values').innerText.includes('true')")
            assert sorted((await page.inner_text("#values")).split()) == ["21.5", "relay", "t", "true"]
            await browser.close()
    seen = "\n".join(received)
    secrets = (credentials.secret_key, credentials.access_key, credentials.view_secret, credentials.project_key)
    assert [secret for secret in (*secrets, device.access_token) if secret in seen] == []
    assert "st." in seen
