"""Clients that are not ours, from outside of Python where they are: what a newcomer and his firmware use."""

import json
import subprocess
from pathlib import Path

import aiomqtt
import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from tests.mqtt_device import MqttDevice
from tests.running import Running
from tests.server_process import StartServer


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def mosquitto(program: str, running: Running, *arguments: str) -> list[str]:
    certificate = running.certificate
    where = ("-h", "127.0.0.1", "-p", str(running.server.mqtt_port))
    return [program, *where, "-u", certificate.access_token, "-P", certificate.project_key, *arguments]


@pytest.mark.external("bash", "curl")
def test_the_lines_that_a_first_start_prints_work_when_pasted(tmp_path: Path, start_server: StartServer) -> None:
    server = start_server(tmp_path / "empty", "--print-credentials")
    assert server.printed("$DEVICE/attributes")  # the last of them
    lines = [line for line in server.output if line.startswith(("TOKEN=", "DEVICE=", "ACCESS_TOKEN=", "curl"))]
    kept, answer = (json.loads(line) for line in output("bash", "-euc", "".join(lines)).splitlines())
    assert kept == {"result": 1}
    assert [(item["identifier"], item["value"]) for item in answer["info"]] == [("temperature", 21.5)]


@pytest.mark.external("mosquitto_pub")
@pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "mqttv5"])
@pytest.mark.parametrize("qos", ["0", "1", "2"])
def test_mosquitto_pub_reports_in_every_version_and_at_every_qos(running: Running, version: str, qos: str) -> None:
    output(*mosquitto("mosquitto_pub", running, "-V", version, "-q", qos, "-t", "attributes", "-m", '{"x": 1}'))
    if qos != "0":
        assert running.api.attributes(running.device_id) == {"x": 1}


@pytest.mark.external("mosquitto_sub")
@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_mosquitto_sub_receives_a_push(running: Running, version: str) -> None:
    command = mosquitto(
        "mosquitto_sub", running, "-V", version, "-q", "1", "-t", "attributes/push", "-C", "1", "-W", "20"
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as subscriber:
        while subscriber.poll() is None:  # those before its SUBACK are not for it
            running.api.call("POST", f"/control/device/{running.device_id}/attributes", json={"relay": True})
        assert subscriber.stdout is not None
        assert json.loads(subscriber.stdout.read()) == {"relay": True}


async def test_aiomqtt_reports_and_gets_its_answer(running: Running) -> None:
    certificate = running.certificate
    async with aiomqtt.Client(
        "127.0.0.1", running.server.mqtt_port, username=certificate.access_token, password=certificate.project_key
    ) as client:
        await client.subscribe("attributes/response")
        await client.publish("attributes", '{"x": 1}', qos=1)
        message = await anext(client.messages)
        assert (str(message.topic), message.payload) == ("attributes/response", b'{"result":1}')


@pytest.mark.external("curl")
def test_curl_reads_a_device(running: Running) -> None:
    keys = {name: getattr(running.credentials, name) for name in ("app_id", "access_key", "secret_key")}
    api = f"{running.server.url}/api/v1"
    body = ("-H", "Content-Type: application/json", "-d", json.dumps(keys))
    token = json.loads(output("curl", "-s", f"{api}/access_token", *body))["info"]["access_token"]
    shown = json.loads(
        output("curl", "-s", f"{api}/device/{running.device_id}", "-H", f"Authorization: Bearer {token}")
    )
    assert (shown["result"], shown["info"]["id"]) == (True, running.device_id)


@pytest.mark.parametrize(
    "version", [MQTTProtocolVersion.MQTTv31, MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5]
)
def test_paho_reports_and_receives_over_websocket(running: Running, version: MQTTProtocolVersion) -> None:
    port = running.server.http_port
    with MqttDevice(port, running.certificate, version=version, transport="websockets") as device:
        device.report({"n": 1})
        assert device.next("attributes/response") == {"result": 1}
        running.api.call("POST", f"/control/device/{running.device_id}/attributes", json={"relay": True})
        assert device.next("attributes/push") == {"relay": True}


@pytest.mark.external("mosquitto_sub")
def test_mosquitto_sub_is_told_what_devices_report(running: Running) -> None:
    view_key = running.credentials.view_key
    where = ("-h", "127.0.0.1", "-p", str(running.server.mqtt_port))
    who = ("-u", view_key, "-P", running.credentials.view_secret)
    command = ["mosquitto_sub", *where, *who, "-t", f"{view_key}/+/attributes", "-C", "1", "-W", "20"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as subscriber, running.device() as device:
        while subscriber.poll() is None:  # those before its SUBACK are not for it
            device.report({"n": 1})
        assert subscriber.stdout is not None
        assert json.loads(subscriber.stdout.read())["attributes"] == {"n": 1}
