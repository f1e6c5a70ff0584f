"""What the page about the MQTT server tells to type works."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.server_process import StartServer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mqtt.md"


@pytest.mark.external("bash", "mosquitto_pub", "mosquitto_sub")
def test_the_open_port_does_what_the_page_shows(tmp_path: Path, start_server: StartServer) -> None:
    port = start_server(tmp_path / "data", "--open-mqtt-port", "0").ports["open_mqtt_port"]
    [script] = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert script.count("-p 1884") == 7
    done = subprocess.run(
        ["bash", "-euc", script.replace("-p 1884", f"-h 127.0.0.1 -p {port}")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["21.5", "plant/7/state running", "line/8/alarm hot"]
