"""Online is a live session: over connect, takeover, a clean end, a lost network and a dead server."""

import time
from contextlib import ExitStack

from paho.mqtt.enums import MQTTProtocolVersion

from tests.mqtt_device import MqttDevice
from tests.project_api import ProjectApi
from tests.raw_device import RawDevice
from tests.running import Running, eventually
from tests.server_process import StartServer


def test_a_device_is_online_while_it_is_connected(running: Running) -> None:
    assert not running.online()
    with running.device():
        assert running.online()
    eventually(lambda: not running.online())
    assert running.api.device(running.device_id)["active"]["connect"] > 0


def test_a_takeover_ends_the_older_connection_and_the_device_stays_online(running: Running) -> None:
    older = MqttDevice(running.server.mqtt_port, running.certificate, version=MQTTProtocolVersion.MQTTv5)
    with older, running.device() as newer:
        assert older.disconnected.wait(30)
        assert older.reason == 0x8E
        newer.report({"x": 1})
        assert running.online()


def test_a_lost_connection_is_noticed(running: Running) -> None:
    with running.device() as device:
        device.break_off()
        eventually(lambda: not running.online())


def test_a_silent_connection_is_noticed_within_one_and_a_half_keep_alives(running: Running) -> None:
    began = time.monotonic()
    with RawDevice(running.server.mqtt_port, running.certificate, keep_alive_s=1) as device:
        assert device.receive(1) == b""  # the server closes it, though the network is well
        assert 1.4 < time.monotonic() - began < 20  # a busy machine is late
    eventually(lambda: not running.online())


def test_clients_that_fight_over_one_certificate_are_named_in_log_and_detail(running: Running) -> None:
    def conflict() -> list[dict[str, str]]:
        """As the device's detail shows it."""
        named: list[dict[str, str]] = running.api.device(running.device_id).get("certificate_conflict", [])
        return named

    assert conflict() == []
    with ExitStack() as stack:
        for turn in range(6):
            client_id = f"client{turn % 2}"
            stack.enter_context(RawDevice(running.server.mqtt_port, running.certificate, client_id=client_id))
        eventually(lambda: len(conflict()) == 2)
        named = conflict()
    assert [client["client_id"] for client in named] == ["client0", "client1"]
    assert all(client["remote_address"].startswith("127.0.0.1:") for client in named)
    [warning] = running.server.logged("clients fight over one device certificate")
    assert {client["client_id"] for client in warning["clients"]} == {"client0", "client1"}


def test_deleting_a_device_or_resetting_its_certificate_ends_its_connection(running: Running) -> None:
    with running.device() as device:
        running.api.call("POST", f"/device/{running.device_id}/certificate_reset")
        assert device.disconnected.wait(30)
    assert MqttDevice(running.server.mqtt_port, running.certificate).connect_and_close() != 0
    other = running.api.create_device()
    with MqttDevice(running.server.mqtt_port, other) as device:
        running.api.call("DELETE", f"/device/{other.device_id}")
        assert device.disconnected.wait(30)
    assert MqttDevice(running.server.mqtt_port, other).connect_and_close() != 0


def test_devices_stat_counts_who_is_online(running: Running) -> None:
    with running.device():
        stat = running.api.call("GET", "/devices_stat")
        assert (stat["device_total"], stat["online_device_total"], stat["active_device_total"]) == (1, 1, 1)


def test_a_device_that_was_online_when_the_server_was_killed_is_offline_after_the_start(
    running: Running, start_server: StartServer
) -> None:
    with running.device():
        assert running.online()
        running.server.kill()
    started = start_server()
    with ProjectApi(started.url, running.credentials) as api:
        assert api.device(running.device_id)["online"] is False
        assert api.call("GET", "/devices_stat")["online_device_total"] == 0
