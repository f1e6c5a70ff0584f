"""The examples do what they say, against a real server: also those for boards and browsers, on stand-ins for these."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.program import Program, Run
from tests.running import Running, eventually
from tests.server_process import StartServer
from thingstead.client import AppDevice, Certificate

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HERE = Path(__file__).resolve().parent


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


def test_the_micropython_program_starts_anew_when_the_server_hangs(running: Running, run: Run, tmp_path: Path) -> None:
    command = micropython(running, tmp_path / "board", running.certificate.access_token)
    with (tmp_path / "board" / "config.py").open("a", encoding="utf-8") as config:
        config.write("\nREPORT_INTERVAL_MS = 200\nWATCHDOG_MS = 1500\n")
    program = run(*command)
    program.until("reported")
    running.server.process.send_signal(signal.SIGSTOP)
    try:
        program.until("watchdog")
    finally:
        running.server.process.send_signal(signal.SIGCONT)
    program.until("connected")
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
