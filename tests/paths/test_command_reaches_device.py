"""The path down: API, store, bus, gateway, device; and the reply back."""

from tests.running import Running


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
