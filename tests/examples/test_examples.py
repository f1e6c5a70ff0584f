"""The examples do what they say, against a real server: also those for boards and browsers, on stand-ins for these."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from tests.project_api import ProjectApi
from tests.running import Running, eventually
from tests.server_process import StartServer, init
from thingstead.client import AppDevice, Certificate

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HERE = Path(__file__).resolve().parent
TIMEOUT_S = 30


class Program:
    """An example that runs; its lines can be waited for."""

    def __init__(self, *command: str | Path) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._lines: Queue[str | None] = Queue()
        self.seen: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip())
        self._lines.put(None)

    def until(self, text: str) -> str:
        """The next line with ``text``."""
        while True:
            try:
                line = self._lines.get(timeout=TIMEOUT_S)
            except Empty:
                line = None
            assert line is not None, f"no line with {text!r}: {self.seen}"
            self.seen.append(line)
            if text in line:
                return line

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()


Run = Callable[..., Program]


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts programs; what still runs is killed."""
    programs: list[Program] = []

    def start(*command: str | Path) -> Program:
        programs.append(Program(*command))
        return programs[-1]

    yield start
    for program in programs:
        program.kill()


@pytest.fixture
def running(start_server: StartServer, tmp_path: Path) -> Iterator[Running]:
    credentials = init(tmp_path / "data")
    server = start_server(tmp_path / "data")
    with ProjectApi(server.url, credentials) as api:
        yield Running(server, credentials, api, api.create_device())


def works_as_a_thermometer(running: Running, program: Program) -> None:
    """It reports, takes a push, and replies to commands."""
    api, device_id = running.api, running.device_id
    program.until("reported")
    eventually(lambda: api.attributes(device_id) == {"temperature": 21.5, "relay": False})
    api.call("POST", f"/control/device/{device_id}/attributes", json={"relay": True})
    program.until("pin 2 1")
    program.until("reported")
    certificate = Certificate(running.certificate.access_token, running.certificate.project_key)
    app = AppDevice(running.server.url, certificate)
    assert app.call("toggle", timeout_s=20).params == {"relay": False}
    program.until("pin 2 0")
    assert app.call("explode", timeout_s=20).params == {"ok": False}
    app.close()
    eventually(lambda: api.attributes(device_id)["relay"] is False)


@pytest.mark.external("g++")
def test_the_arduino_sketch(running: Running, run: Run, tmp_path: Path) -> None:
    settings = {
        "SKETCH": EXAMPLES / "esp32" / "esp32.ino",
        "WIFI_SSID": "network",
        "WIFI_PASSWORD": "password",
        "SERVER_HOST": "127.0.0.1",
        "ACCESS_TOKEN": running.certificate.access_token,
        "PROJECT_KEY": running.certificate.project_key,
    }
    defined = [f'-D{name}="{value}"' for name, value in settings.items()]
    defined += [f"-DSERVER_PORT={running.server.mqtt_port}", "-DREPORT_INTERVAL_MS=60000"]
    program = tmp_path / "esp32"
    stand_ins = HERE / "arduino"
    built = subprocess.run(
        ["g++", "-std=c++17", "-Wall", "-Werror", f"-I{stand_ins}", *defined, stand_ins / "main.cpp", "-o", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    works_as_a_thermometer(running, run(program))


@pytest.mark.external("g++")
def test_the_arduino_sketch_names_a_wrong_certificate(running: Running, run: Run, tmp_path: Path) -> None:
    wrong = running.certificate.access_token[::-1]
    source = (EXAMPLES / "esp32" / "esp32.ino").read_text(encoding="utf-8")
    sketch = tmp_path / "esp32.ino"
    sketch.write_text(
        source.replace('SERVER_HOST "192.168.1.10"', 'SERVER_HOST "127.0.0.1"')
        .replace("SERVER_PORT 1883", f"SERVER_PORT {running.server.mqtt_port}")
        .replace('ACCESS_TOKEN "access_token of GET /api/v1/device/<id>/certificate"', f'ACCESS_TOKEN "{wrong}"')
        .replace('PROJECT_KEY "project_key of the same answer"', f'PROJECT_KEY "{running.credentials.project_key}"'),
        encoding="utf-8",
    )
    assert "192.168.1.10" not in sketch.read_text(encoding="utf-8")
    stand_ins, program = HERE / "arduino", tmp_path / "esp32"
    subprocess.run(
        ["g++", "-std=c++17", f"-I{stand_ins}", f'-DSKETCH="{sketch}"', stand_ins / "main.cpp", "-o", program],
        check=True,
    )
    run(program).until("not connected, state 4")


def micropython(running: Running, folder: Path, access_token: str) -> tuple[str | Path, ...]:
    """The command that runs the MicroPython example with a configuration."""
    folder.mkdir()
    (folder / "main.py").write_bytes((EXAMPLES / "esp32_micropython" / "main.py").read_bytes())
    example = (EXAMPLES / "esp32_micropython" / "config.example.py").read_text(encoding="utf-8")
    chosen = {
        "HOST": "127.0.0.1",
        "PORT": running.server.mqtt_port,
        "ACCESS_TOKEN": access_token,
        "PROJECT_KEY": running.certificate.project_key,
    }
    lines = [example, *(f"{name} = {value!r}" for name, value in chosen.items())]
    (folder / "config.py").write_text("\n".join(lines), encoding="utf-8")
    return sys.executable, "-u", HERE / "micropython" / "board.py", folder


def test_the_micropython_program(running: Running, run: Run, tmp_path: Path) -> None:
    command = micropython(running, tmp_path / "board", running.certificate.access_token)
    works_as_a_thermometer(running, run(*command))


def test_the_micropython_program_comes_back(
    running: Running, run: Run, tmp_path: Path, start_server: StartServer
) -> None:
    program = run(*micropython(running, tmp_path / "board", running.certificate.access_token))
    program.until("reported")
    port = running.server.mqtt_port
    running.server.stop()
    program.until("connection lost")
    start_server(tmp_path / "data", "--mqtt-port", str(port))
    program.until("reported")


def test_the_micropython_program_names_a_wrong_certificate(running: Running, run: Run, tmp_path: Path) -> None:
    program = run(*micropython(running, tmp_path / "board", "0123456789abcdef"))
    program.until("connection lost: 4")


def test_the_gateway(running: Running, run: Run) -> None:
    api = running.api
    types = [
        api.call("POST", "/device_type", json={"name": n, "conn_type": c})["id"] for n, c in (("g", "3"), ("m", "2"))
    ]
    gateway = api.create_device(type=types[0])
    meters = [
        api.create_device(type=types[1], gateway=gateway.device_id, sub_address=address).device_id
        for address in ("1", "2")
    ]
    program = run(
        sys.executable, EXAMPLES / "gateway.py", "--host", "127.0.0.1", "--port", str(running.server.mqtt_port),
        "--access-token", gateway.access_token, "--project-key", gateway.project_key, "--interval", "0.1",
    )  # fmt: skip
    program.until("reported 1")
    assert [api.attributes(meter)["relay"] for meter in meters] == [True, True]
    api.call("POST", f"/control/device/{meters[1]}/command", json={"method": "disconnect"})
    program.until("2 disconnect {}")
    eventually(lambda: api.attributes(meters[1])["relay"] is False)
    assert api.attributes(meters[0])["relay"] is True


@pytest.mark.external("node")
def test_the_page(running: Running, run: Run) -> None:
    credentials = running.credentials
    program = run(
        "node", "--experimental-websocket", "--no-warnings", HERE / "panel.js", EXAMPLES / "panel", running.server.url,
        running.certificate.access_token, running.certificate.project_key,
        credentials.view_key, credentials.view_secret,
    )  # fmt: skip
    note = "温" * 200
    for what, value in (
        ("state", "subscribed"),
        ("told", ["attributes", {"relay": True, "note": note}]),
        ("values", {"note": note, "relay": True}),
        ("refused", "404: the device is offline"),
    ):
        assert json.loads(program.until(f'["{what}"')) == [what, value]


def test_the_page_loads_nothing_from_elsewhere() -> None:
    page = (EXAMPLES / "panel" / "index.html").read_text(encoding="utf-8")
    for name in ("device.js", "mqtt.js", "panel.js"):
        assert f'<script src="{name}">' in page
        assert (EXAMPLES / "panel" / name).exists()
    assert page.count("src=") == 3
    assert "//" not in page.replace("http://localhost:8080", "")
