"""The path of a report: client, ingest, append, commit, acknowledgement; and the ways in which it fails."""

import socket
import sqlite3
from contextlib import closing

import httpx
import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from tests.mqtt_device import MqttDevice
from tests.project_api import Certificate, ProjectApi
from tests.raw_device import PINGREQ, PINGRESP, RawDevice, puback_packet, publish_packet
from tests.running import Running, disk_held, eventually
from tests.server_process import StartServer


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
def test_what_was_acknowledged_is_read_at_once(running: Running, version: MQTTProtocolVersion) -> None:
    path, ever = f"/device/{running.device_id}", {"start_time": 0, "end_time": 4_102_444_800_000}
    with MqttDevice(running.server.mqtt_port, running.certificate, version=version) as device:
        for count, value in enumerate((21.5, "warm", True, [1, "a"], {"lat": 1.0, "lng": 2.0}), 1):
            device.report({"x": value})
            assert running.api.attributes(running.device_id)["x"] == value
            series = running.api.series(running.device_id, "x")
            assert (series[0], len(series)) == (value, count)
            [bucket] = running.api.call(
                "GET", f"{path}/attribute/x/aggregate", params={**ever, "interval": ever["end_time"], "fn": "last"}
            )
            assert (bucket["value"], bucket["count"]) == (value, count)
            [chart] = running.api.call("GET", f"{path}/history", params={**ever, "identifiers": "x"})
            assert (chart["values"][-1], chart["total"]) == (value, count)
            [now] = running.api.call("GET", f"{path}/attributes", params={"at": ever["end_time"]})
            assert now["value"] == value


def test_puback_waits_until_the_report_is_on_disk(running: Running) -> None:
    with RawDevice(running.server.mqtt_port, running.certificate) as device:
        with disk_held(running.server.data_dir):
            device.send(publish_packet(7, b'{"x":1}') + PINGREQ)
            assert device.receive(len(PINGRESP)) == PINGRESP  # the answer that needs no disk comes, the other does not
        assert device.receive(4) == puback_packet(7)
    assert running.api.attributes(running.device_id) == {"x": 1}


def test_a_server_that_dies_before_the_commit_has_acknowledged_nothing(
    running: Running, start_server: StartServer
) -> None:
    with RawDevice(running.server.mqtt_port, running.certificate) as device, disk_held(running.server.data_dir):
        device.send(b"".join(publish_packet(number, b'{"x":%d}' % number) for number in range(1, 21)) + PINGREQ)
        assert device.receive(len(PINGRESP)) == PINGRESP
        running.server.kill()
        assert device.receive(1) == b""
    with ProjectApi(start_server(running.server.data_dir).url, running.credentials) as api:
        assert api.attributes(running.device_id) == {}


@pytest.mark.embedded
def test_a_disk_that_does_not_take_it_is_said_and_nothing_acknowledged_until_it_does(running: Running) -> None:
    def healthz() -> int:
        return httpx.get(f"{running.server.url}/healthz").status_code

    with RawDevice(running.server.mqtt_port, running.certificate) as device, disk_held(running.server.data_dir):
        device.send(publish_packet(7, b'{"x":1}'))
        assert device.receive(1) == b""  # the connection ends without a PUBACK, for the device to try again
        assert healthz() == 503
    eventually(lambda: healthz() == 200)  # by itself: nobody writes
    with RawDevice(running.server.mqtt_port, running.certificate) as device:
        device.send(publish_packet(7, b'{"x":1}'))
        assert device.receive(4) == puback_packet(7)
    assert running.api.series(running.device_id, "x") == [1]


@pytest.mark.embedded
def test_damage_is_said_while_the_rest_is_served(running: Running, start_server: StartServer) -> None:
    with running.device() as device:
        for value in range(3):
            device.report({"x": value})
    running.server.kill()
    with closing(sqlite3.connect(running.server.data_dir / "thingstead.sqlite")) as connection, connection:
        (middle,) = connection.execute("SELECT seq FROM report_log WHERE instr(entries, x'a17801')").fetchone()  # x: 1
        connection.execute("UPDATE report_log SET entries = CAST(x'00' || entries AS BLOB) WHERE seq = ?", (middle,))
    again = start_server(running.server.data_dir)
    with ProjectApi(again.url, running.credentials) as api:
        assert api.series(running.device_id, "x") == [2, 0]
    answer = httpx.get(f"{again.url}/healthz")
    said = {
        "status": "ok",
        "warnings": [
            {
                "code": "rows_set_aside",
                "message": "1 rows of the history were moved to the quarantine",
                "args": {"rows": 1},
            }
        ],
    }
    assert (answer.status_code, answer.json()) == (200, said)
    assert "thingstead_history_quarantined_rows 1" in httpx.get(f"{again.url}/metrics").text


def test_a_subscriber_of_the_answer_gets_one_for_each_report(running: Running) -> None:
    with running.device() as device:
        for qos in (0, 1):
            device.publish("attributes", {"x": 1}, qos)
            assert device.next("attributes/response") == {"result": 1}


def test_a_report_that_is_no_object_is_refused_and_the_connection_stays(running: Running) -> None:
    with running.device() as device:
        for nonsense in ([1], "x", 3, None):
            device.publish("attributes", nonsense)
            answer = device.next("attributes/response")
            assert (answer["result"], answer["errcode"]) == (0, 400)
        device.report({"x": 1})
    assert running.api.attributes(running.device_id) == {"x": 1}


def test_an_attribute_that_breaks_its_definition_is_left_out_and_the_others_are_kept(running: Running) -> None:
    functions = {"attributes": [{"identifier": "level", "data_options": {"min": 0, "max": 100}}]}
    type_id = running.api.call("POST", "/device_type", json={"name": "tank", "functions": functions})["id"]
    certificate = running.api.create_device(type=type_id)
    with MqttDevice(running.server.mqtt_port, certificate) as device:
        device.publish("attributes", {"level": 101, "note": "full"})
        partly = device.next("attributes/response")
        assert (partly["result"], partly["refused"][0].split(":")[0]) == (1, "level")
        device.publish("attributes", {"level": 101})
        wholly = device.next("attributes/response")
        assert (wholly["result"], wholly["errcode"]) == (0, 400)
        device.report({"level": 99})
    assert running.api.attributes(certificate.device_id) == {"level": 99, "note": "full"}


def test_late_data_enters_history_and_leaves_the_current_value(running: Running) -> None:
    with running.device() as device:
        device.report({"x": "new"})
        device.report({"ts": 1_700_000_000_000, "attributes": {"x": "old"}}, topic="attributes/series")
    assert running.api.attributes(running.device_id) == {"x": "new"}
    assert running.api.series(running.device_id, "x") == ["new", "old"]


def test_a_device_reads_its_cloud_attributes(running: Running) -> None:
    with running.device() as device:
        device.report({"a": 1, "b": 2})
        device.publish("attributes/get/7", {})
        assert device.next("attributes/get/response/7") == {"result": 1, "attributes": {"a": 1, "b": 2}}
        device.publish("attributes/get/8", {"keys": ["b", "unknown"]})
        assert device.next("attributes/get/response/8") == {"result": 1, "attributes": {"b": 2}}


def test_an_event_is_answered_and_counts_as_an_uplink(running: Running) -> None:
    with running.device() as device:
        device.publish("event/report/5", {"method": "doorOpened", "params": {"by": "key"}})
        assert device.next("event/response/5") == {"result": 1}
    assert "event" in running.api.device(running.device_id)["active"]


@pytest.mark.parametrize(
    ("access_token", "project_key"), [("wrong", None), (None, "wrong"), ("", ""), ("a" * 8_000, "b" * 8_000)]
)
def test_a_wrong_certificate_is_refused_whichever_half_is_wrong(
    running: Running, access_token: str | None, project_key: str | None
) -> None:
    right = running.certificate
    wrong = Certificate(
        right.device_id,
        right.access_token if access_token is None else access_token,
        right.project_key if project_key is None else project_key,
    )
    device = MqttDevice(running.server.mqtt_port, wrong)
    # paho gives codes 4 and 5 of MQTT 3.1.1 as the reason codes of MQTT 5.0 that mean the same.
    assert device.connect() in {0x86, 0x87}
    device.close()
    assert running.api.device(right.device_id)["online"] is False


def test_bytes_that_are_no_mqtt_end_their_connection_and_no_other(running: Running) -> None:
    with running.device() as device:
        for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 5_000, b"\xff" * 5_000, b"\x10\xff\xff\xff\xff\x7f"):
            with socket.create_connection(("127.0.0.1", running.server.mqtt_port), timeout=10) as stranger:
                stranger.sendall(nonsense)
                assert stranger.recv(100)[:1] in {b"", b"\x20"}  # closed, at most after a CONNACK
        device.report({"x": 1})
    assert running.server.logged("a connection failed") == []


@pytest.mark.embedded
def test_a_report_is_refused_before_the_disk_is_full_and_reads_go_on(
    running: Running, start_server: StartServer
) -> None:
    with MqttDevice(running.server.mqtt_port, running.certificate) as device:
        device.report({"x": 1})
    running.server.stop()
    low = start_server(running.server.data_dir, THINGSTEAD_STORAGE_LOW_DISK_BYTES=str(2**60))
    answer = httpx.get(f"{low.url}/healthz")
    assert (answer.status_code, "reports are refused below" in answer.text) == (503, True)
    with RawDevice(low.mqtt_port, running.certificate) as device:
        device.send(publish_packet(7, b'{"x":2}'))
        assert device.receive(1) == b""  # no PUBACK
    with ProjectApi(low.url, running.credentials) as api:
        assert api.series(running.device_id, "x") == [1]
