"""The path down: API, store, bus, gateway, device; and the reply back."""

from tests.mqtt_device import MqttDevice
from tests.project_api import ProjectApi
from tests.raw_device import RawDevice, string
from tests.running import Running
from tests.server_process import StartServer


def test_a_command_carries_method_params_and_id_and_its_reply_is_answered(running: Running) -> None:
    with running.device() as device:
        running.api.call(
            "POST",
            f"/control/device/{running.device_id}/command",
            json={"method": "reboot", "params": {"delay": 3}, "id": 77},
        )
        assert device.next("command/send/77") == {"method": "reboot", "params": {"delay": 3}, "id": 77}
        device.publish("command/reply/77", {"method": "reboot", "params": {"ok": True}})
        assert device.next("command/reply/response/77") == {"result": 1}
    assert "command_reply" in running.api.device(running.device_id)["active"]


def test_a_command_without_params_and_id_gets_both(running: Running) -> None:
    with running.device() as device:
        running.api.call("POST", f"/control/device/{running.device_id}/command", json={"method": "reboot"})
        assert device.next("command/send/1000") == {"method": "reboot", "params": {}, "id": 1000}


def test_a_command_to_an_offline_device_is_refused(running: Running) -> None:
    answer = running.api.answer("POST", f"/control/device/{running.device_id}/command", json={"method": "reboot"})
    assert (answer["result"], answer["errcode"]) == (False, 404)


def test_commands_survive_a_dead_server_and_reach_the_device_in_order(
    running: Running, start_server: StartServer
) -> None:
    path = f"/control/device/{running.device_id}/command"
    for number in (1, 2):
        running.api.call("POST", path, json={"method": "m", "id": number, "wait_ms": 600_000})
    running.server.kill()
    server = start_server()
    with MqttDevice(server.mqtt_port, running.certificate) as device:
        for number in (1, 2):
            assert device.next(f"command/send/{number}")["id"] == number


def test_a_command_that_a_dead_device_never_acknowledged_comes_again_after_a_restart_of_both(
    running: Running, start_server: StartServer
) -> None:
    subscribe = b"\x82\x13\x00\x01" + string("command/send/+") + b"\x01"
    with RawDevice(running.server.mqtt_port, running.certificate) as dying:
        dying.send(subscribe)
        assert dying.receive(5) == b"\x90\x03\x00\x01\x01"
        path = f"/control/device/{running.device_id}/command"
        sent = running.api.call("POST", path, json={"method": "open", "id": 7, "wait_ms": 600_000})
        assert sent["state"] == "sent"
        running.server.kill()
    server = start_server()
    with MqttDevice(server.mqtt_port, running.certificate) as device:
        assert device.next("command/send/7") == {"method": "open", "params": {}, "id": 7}
        with ProjectApi(server.url, running.credentials) as api:
            device.publish("command/reply/7", {"method": "open", "params": {"ok": True}})
            device.next("command/reply/response/7")
            logs = api.call("GET", f"/device/{running.device_id}/command_logs")["items"]
            assert [item["state"] for item in logs] == ["replied"]


def test_a_push_is_stored_and_reaches_the_device(running: Running) -> None:
    with running.device() as device:
        running.api.call("POST", f"/control/device/{running.device_id}/attributes", json={"relay": True})
        assert device.next("attributes/push") == {"relay": True}
    assert running.api.attributes(running.device_id) == {"relay": True}


def test_a_push_to_an_offline_device_is_there_when_it_asks(running: Running) -> None:
    running.api.call("POST", f"/control/device/{running.device_id}/attributes", json={"relay": True})
    with running.device() as device:
        device.publish("attributes/get/1", {"keys": ["relay"]})
        assert device.next("attributes/get/response/1") == {"result": 1, "attributes": {"relay": True}}


def test_a_cloud_attribute_is_not_sent_to_the_device(running: Running) -> None:
    with running.device() as device:
        running.api.call("PUT", f"/control/device/{running.device_id}/attributes", json={"site": "north"})
        running.api.call("POST", f"/control/device/{running.device_id}/attributes", json={"relay": True})
        assert device.next("attributes/push") == {"relay": True}  # the first push, so nothing was sent before it
    assert running.api.attributes(running.device_id) == {"site": "north", "relay": True}
