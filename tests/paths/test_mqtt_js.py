"""MQTT.js, as browsers and Node.js use it, over TCP and WebSocket: as a device, as an application, and at
the open port."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.project_api import ProjectApi
from tests.running import Running
from tests.server_process import ServerProcess, init

HERE = Path(__file__).resolve().parent
INSTALL = HERE.parents[1] / "script" / "node-clients"
VERSIONS: dict[str, dict[str, Any]] = {
    "3.1": {"protocolId": "MQIsdp", "protocolVersion": 3},
    "3.1.1": {},
    "5.0": {"protocolVersion": 5},
}

pytestmark = pytest.mark.external("bash", "node", "npm")


@pytest.fixture(scope="session")
def node_path() -> str:
    """Where Node.js finds MQTT.js."""
    done = subprocess.run([INSTALL], capture_output=True, text=True, timeout=110, check=False)
    if done.returncode and os.environ.get("CI") != "true":
        pytest.skip(f"MQTT.js could not be installed: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip() + "/node_modules"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all of them."""
    folder = tmp_path_factory.mktemp("mqtt_js") / "data"
    credentials = init(folder)
    server = ServerProcess(folder, "--open-mqtt-port", "0").wait_until_serving()
    with ProjectApi(server.url, credentials) as api:
        yield Running(server, credentials, api, api.create_device())
    server.kill()


class MqttJs:
    """One run of the client."""

    def __init__(
        self, node_path: str, address: str, options: dict[str, Any], filters: list[str], messages: Any, count: int
    ) -> None:
        parts = [json.dumps(part) for part in (options, filters, messages)]
        self._process = subprocess.Popen(
            ["node", HERE / "mqtt_js.cjs", address, *parts, str(count)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NODE_PATH": node_path},
        )

    def wait_until_subscribed(self) -> None:
        assert self._process.stderr is not None
        assert self._process.stderr.readline() == "subscribed\n"

    def result(self) -> Any:
        """What was granted, and what was received."""
        output, errors = self._process.communicate(timeout=30)
        assert self._process.returncode == 0, errors
        return json.loads(output)


def addresses(running: Running) -> dict[str, str]:
    return {
        "tcp": f"mqtt://127.0.0.1:{running.server.mqtt_port}",
        "websocket": f"ws://127.0.0.1:{running.server.http_port}/mqtt",
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transport", ["tcp", "websocket"])
def test_a_device_reports_and_is_answered(running: Running, node_path: str, transport: str, version: str) -> None:
    certificate = running.certificate
    options: dict[str, Any] = {
        "username": certificate.access_token,
        "password": certificate.project_key,
        **VERSIONS[version],
    }
    if version == "3.1" and transport == "websocket":
        options["wsOptions"] = {"protocol": "mqttv3.1"}
    reports = [["attributes", '{"n":1}'], ["event/report/7", '{"method":"booted","params":{}}']]
    filters = ["attributes/response", "event/response/+"]
    client = MqttJs(node_path, addresses(running)[transport], options, filters, reports, 2)
    result = client.result()
    assert result["granted"] == [["attributes/response", 1], ["event/response/+", 1]]
    assert sorted(result["received"]) == [["attributes/response", '{"result":1}'], ["event/response/7", '{"result":1}']]
    assert running.api.attributes(running.device_id) == {"n": 1}


@pytest.mark.parametrize("version", ["3.1.1", "5.0"])
@pytest.mark.parametrize("transport", ["tcp", "websocket"])
def test_an_application_is_told_what_a_device_reports(
    running: Running, node_path: str, transport: str, version: str
) -> None:
    view_key = running.credentials.view_key
    options = {"username": view_key, "password": running.credentials.view_secret, **VERSIONS[version]}
    filters = [f"{view_key}/+/attributes", f"{view_key}/+/event/report"]
    client = MqttJs(node_path, addresses(running)[transport], options, filters, [], 2)
    client.wait_until_subscribed()
    with running.device() as device:
        device.report({"n": 1})
        device.report({"method": "opened", "params": {}}, "event/report/1")
    result = client.result()
    assert [qos for _, qos in result["granted"]] == [0, 0]
    bodies = [json.loads(payload) for _, payload in result["received"]]
    assert (bodies[0]["attributes"], bodies[1]["event"]["method"]) == ({"n": 1}, "opened")
    assert [body["device"]["id"] for body in bodies] == [running.device_id] * 2


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_hears_itself_at_the_open_port(running: Running, node_path: str, version: str) -> None:
    address = f"mqtt://127.0.0.1:{running.server.ports['open_mqtt_port']}"
    messages = [[f"js/{version}/a/b", "one"], [f"js/{version}", "two"]]
    filters = [f"js/{version}/#", "$share/group/js/+"]
    client = MqttJs(node_path, address, {"clientId": f"js-{version}", **VERSIONS[version]}, filters, messages, 3)
    result = client.result()
    assert result["granted"] == [[topic_filter, 1] for topic_filter in filters]
    assert sorted(result["received"]) == sorted([*messages, messages[1]])
