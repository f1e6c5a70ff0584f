"""The lines and programs that the console shows do what they say, as they stand. The pages and these tests use the same
texts: console/tests/snippets.test.ts writes snippets.json, and compares it with what the pages show."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.project_api import Certificate, ProjectApi
from tests.running import Running, eventually
from tests.server_process import ServerProcess, init

BOARDS = Path(__file__).resolve().parents[1] / "examples"
CONSOLE = Path(__file__).resolve().parents[2] / "console"
SNIPPETS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("snippets.json").read_text(encoding="utf-8"))
TIMEOUT_S = 30


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("snippets") / "data"
    credentials = init(folder)
    server = ServerProcess(folder)
    try:
        server.wait_until_serving()
        with ProjectApi(server.url, credentials) as api:
            yield Running(server, credentials, api, api.create_device())
    finally:
        server.kill()


@pytest.fixture
def device(running: Running) -> Certificate:
    """A new one, of a type with a stream that is bound to TCP."""
    streams = {"streams": [{"identifier": "stream", "format": "text", "tcp": True}]}
    kind = running.api.call("POST", "/device_type", json={"name": "modem", "functions": streams})["id"]
    return running.api.create_device(type=kind)


def shown(*kinds: str) -> pytest.MarkDecorator:
    """A test of each text of these kinds."""
    found = [one for one in SNIPPETS if one["kind"] in kinds]
    return pytest.mark.parametrize("snippet", found, ids=[f"{one['kind']}-{one['name']}" for one in found])


def filled(snippet: dict[str, Any], running: Running, device: Certificate) -> str:
    """The text as the page of the device would show it."""
    text: str = snippet["text"]
    for placeholder, real in {
        "server.example": "127.0.0.1",
        "18080": running.server.http_port,
        "11883": running.server.mqtt_port,
        "12880": running.server.ports["tcp_port"],
        "ACCESSTOKEN": device.access_token,
        "PROJECTKEY": device.project_key,
        "APPID": running.credentials.app_id,
        "ACCESSKEY": running.credentials.access_key,
        "SECRETKEY": running.credentials.secret_key,
        "VIEWKEY": running.credentials.view_key,
        "VIEWSECRET": running.credentials.view_secret,
    }.items():
        text = text.replace(placeholder, str(real))
    return text


def run(*command: str | Path, stdin: str = "") -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def has_reported(running: Running, device: Certificate, snippet: dict[str, Any]) -> None:
    eventually(lambda: running.api.attributes(device.device_id) == snippet["values"])


def reports_until_killed(running: Running, device: Certificate, snippet: dict[str, Any], *command: str | Path) -> None:
    """A program for a board never ends by itself."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        has_reported(running, device, snippet)
    finally:
        process.kill()
        process.wait()


@contextmanager
def listening(tmp_path: Path, *command: str | Path, **options: Any) -> Iterator[Path]:
    """A program that shows what comes until it is killed; the file is what it has written."""
    written = tmp_path / "written"
    with written.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stdin=subprocess.DEVNULL, **options)
    try:
        yield written
    finally:
        process.kill()
        process.wait()


def heard(written: Path, text: str, act: Callable[[], None]) -> None:
    """Waits until a program has written a text, and acts again and again, since it may listen only later."""

    def told() -> bool:
        act()
        return text in written.read_text(encoding="utf-8")

    eventually(told)


def report(running: Running, device: Certificate) -> None:
    headers = {"Project-Key": device.project_key}
    url = f"{running.server.url}/device/v1/{device.access_token}/attributes"
    httpx.post(url, json={"level": 7}, headers=headers, trust_env=False).raise_for_status()


def push(running: Running, device: Certificate) -> None:
    running.api.call("POST", f"/control/device/{device.device_id}/attributes", json={"level": 7})


@pytest.mark.external("sh", "mosquitto_pub")
@shown("mosquitto")
def test_mosquitto_pub(running: Running, device: Certificate, snippet: dict[str, Any]) -> None:
    run("sh", "-c", filled(snippet, running, device))
    has_reported(running, device, snippet)


@pytest.mark.external("sh", "mosquitto_sub")
@shown("mosquitto_sub")
def test_mosquitto_sub(running: Running, device: Certificate, snippet: dict[str, Any], tmp_path: Path) -> None:
    with listening(tmp_path, "sh", "-c", f"exec {filled(snippet, running, device)}") as written:
        if snippet["name"] == "application":
            heard(written, '"level":7', lambda: report(running, device))
        else:
            eventually(lambda: running.api.device(device.device_id)["online"])
            heard(written, 'attributes/push {"level":7}', lambda: push(running, device))


@pytest.mark.external("node")
@shown("javascript")
def test_javascript(running: Running, device: Certificate, snippet: dict[str, Any], tmp_path: Path) -> None:
    if not (CONSOLE / "node_modules" / "mqtt").exists():
        pytest.skip("mqtt is not here (script/console test fetches it)")
    program = ("node", "--input-type=module", "-e", filled(snippet, running, device))
    with listening(tmp_path, *program, cwd=CONSOLE) as written:
        heard(written, '"level":7', lambda: report(running, device))


@pytest.mark.external("sh", "curl")
@shown("application")
def test_the_first_call_of_an_application(running: Running, device: Certificate, snippet: dict[str, Any]) -> None:
    answer = json.loads(run("sh", "-c", filled(snippet, running, device)))
    assert device.device_id in [item["id"] for item in answer["info"]["items"]]


@pytest.mark.external("sh", "curl")
@shown("curl")
def test_curl(running: Running, device: Certificate, snippet: dict[str, Any]) -> None:
    assert json.loads(run("sh", "-c", filled(snippet, running, device))) == {"result": 1}
    has_reported(running, device, snippet)


@shown("python")
def test_python(running: Running, device: Certificate, snippet: dict[str, Any]) -> None:
    assert "reported" in run(sys.executable, "-c", filled(snippet, running, device), stdin="\n").splitlines()
    has_reported(running, device, snippet)


@pytest.mark.external("g++")
@shown("arduino")
def test_arduino(running: Running, device: Certificate, snippet: dict[str, Any], tmp_path: Path) -> None:
    sketch, program, stand_ins = tmp_path / "sketch.ino", tmp_path / "sketch", BOARDS / "arduino"
    sketch.write_text(filled(snippet, running, device), encoding="utf-8")
    run("g++", "-std=c++17", f"-I{stand_ins}", f'-DSKETCH="{sketch}"', stand_ins / "main.cpp", "-o", program)
    reports_until_killed(running, device, snippet, program)


@shown("micropython")
def test_micropython(running: Running, device: Certificate, snippet: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(filled(snippet, running, device), encoding="utf-8")
    board = BOARDS / "micropython" / "board.py"
    reports_until_killed(running, device, snippet, sys.executable, "-u", board, tmp_path)


@pytest.mark.external("sh", "nc")
@shown("tcp")
def test_raw_tcp(running: Running, device: Certificate, snippet: dict[str, Any]) -> None:
    run("sh", "-c", filled(snippet, running, device))
    (message,) = running.api.call("GET", f"/device/{device.device_id}/data_logs")["items"]
    assert (message["identifier"], message["payload"]) == ("stream", "hello")
