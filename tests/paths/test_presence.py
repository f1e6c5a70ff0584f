"""Online is a live session: over connect, takeover, a clean end, a lost network and a dead server."""

from paho.mqtt.enums import MQTTProtocolVersion

from tests.mqtt_device import MqttDevice
from tests.running import Running, eventually


def test_a_device_is_online_while_it_is_connected(running: Running) -> None:
    assert not running.online()
    with running.device():
        assert running.online()
    eventually(lambda: not running.online())
    assert running.api.device(running.device_id)["active"]["connect"] > 0


def test_a_takeover_ends_the_older_connection_and_the_device_stays_online(running: Running) -> None:
    older = MqttDevice(running.server.mqtt_port, running.certificate, version=MQTTProtocolVersion.MQTTv5)
    with older, running.device() as newer:
        assert older.disconnected.wait(10)
        assert older.reason == 0x8E
        newer.report({"x": 1})
        assert running.online()


def test_a_lost_connection_is_noticed(running: Running) -> None:
    with running.device() as device:
        device.break_off()
        eventually(lambda: not running.online())


def test_deleting_a_device_or_resetting_its_certificate_ends_its_connection(running: Running) -> None:
    with running.device() as device:
        running.api.call("POST", f"/device/{running.device_id}/certificate_reset")
        assert device.disconnected.wait(10)
    assert MqttDevice(running.server.mqtt_port, running.certificate).connect_and_close() != 0
    other = running.api.create_device()
    with MqttDevice(running.server.mqtt_port, other) as device:
        running.api.call("DELETE", f"/device/{other.device_id}")
        assert device.disconnected.wait(10)
    assert MqttDevice(running.server.mqtt_port, other).connect_and_close() != 0


def test_devices_stat_counts_who_is_online(running: Running) -> None:
    with running.device():
        stat = running.api.call("GET", "/devices_stat")
        assert (stat["device_total"], stat["online_device_total"], stat["active_device_total"]) == (1, 1, 1)
