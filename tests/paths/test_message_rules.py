"""The path of a message rule: a message over MQTT, its effects on MQTT and in the API, and what a killed server leaves
behind."""

import json
from contextlib import ExitStack
from typing import Any

import pytest

from tests.paths.rules import add_rule, effects, newest
from tests.project_api import ProjectApi
from tests.raw_device import RawDevice, puback_packet, publish_packet
from tests.running import Running, disk_held, eventually
from tests.server_process import StartServer

HOT = {"attribute": "t", "op": ">", "value": 30}
DEVICES = 8
SET_BY_FUNCTION = {"function": "module.exports = (event) => ({heard: 1})", "result": "set"}
EVENTS = b"".join(publish_packet(n, b'{"method":"counted","params":{}}', f"event/report/{n}") for n in range(1, 6))


def test_a_report_that_meets_the_condition_has_every_kind_of_effect(running: Running) -> None:
    other = running.api.create_device()
    rule_id = add_rule(
        running,
        {"push": {"fan": True}},
        {"set": {"alerts": 1}, "device": other.device_id},
        {"command": {"method": "beep", "params": {"times": 2}}},
        {"data": {"identifier": "stream", "format": "json", "body": {"on": 1}}},
        **{"if": HOT},
    )
    with running.device() as device:
        device.report({"t": 20})
        device.report({"t": 31})
        assert device.next("attributes/push") == {"fan": True}
        assert device.next("command/send/1000") == {"method": "beep", "params": {"times": 2}, "id": 1000}
        assert device.next("data/stream/set") == {"on": 1}
    assert running.api.attributes(running.device_id) == {"t": 31, "fan": True}
    assert running.api.attributes(other.device_id) == {"alerts": 1}
    evaluations = running.api.call("GET", f"/message_rule/{rule_id}/trace")["items"]
    assert [(each["outcome"], each["values"]) for each in evaluations] == [
        ("acted", {"t": 31}),
        ("condition", {"t": 20}),
    ]
    assert [effect["action"] for effect in evaluations[0]["effects"]] == ["push", "set", "command", "data"]
    statistics = running.api.call("GET", f"/message_rule/{rule_id}/statistics")
    assert (statistics["seen"], statistics["matched"], statistics["effects"]) == (2, 1, 4)
    assert statistics["outcomes"] == {"acted": 1, "condition": 1}


def test_events_and_custom_data_have_effects(running: Running) -> None:
    opened = {"attribute": "by", "op": "!=", "value": "owner"}
    add_rule(running, {"push": {"door": "open"}}, on="event", identifier="opened", **{"if": opened})
    add_rule(running, {"push": {"heard": True}}, on="data", identifier="stream")
    with running.device() as device:
        device.report({"method": "closed", "params": {"by": "guest"}}, "event/report/1")
        device.report({"method": "opened", "params": {"by": "owner"}}, "event/report/2")
        device.report({"method": "opened", "params": {"by": "guest"}}, "event/report/3")
        assert device.next("attributes/push") == {"door": "open"}
        device.report("hello", "data/stream")
        assert device.next("attributes/push") == {"heard": True}
        assert device.received.empty() or "attributes/push" not in dict(device.received.queue)


def test_a_rule_acts_on_a_device_ten_times_a_second(running: Running) -> None:
    rule_id = add_rule(running, {"set": {"seen": True}})
    with RawDevice(running.server.mqtt_port, running.certificate) as device:
        device.send(b"".join(publish_packet(number, b'{"n":1}') for number in range(1, 201)))
        for _ in range(200):
            device.receive_packet()
    path = f"/message_rule/{rule_id}/statistics"
    messages = ("acted", "rate")  # each effect is a message, too, which leads to `loop`
    eventually(lambda: sum(running.api.call("GET", path)["outcomes"].get(name, 0) for name in messages) == 200)
    statistics = running.api.call("GET", path)
    assert statistics["outcomes"]["rate"] > 100
    assert statistics["effects"] == statistics["outcomes"]["acted"] > 0


def test_a_device_for_which_a_rule_is_disabled_is_left_alone(running: Running) -> None:
    rule_id = add_rule(running, {"push": {"fan": True}})
    switch = f"/message_rule/{rule_id}/device/{running.device_id}"
    running.api.call("PUT", switch, json={"enabled": False})
    with running.device() as device:
        device.report({"t": 1})
        assert running.api.call("GET", f"/message_rule/{rule_id}/statistics")["seen"] == 0
        running.api.call("PUT", switch, json={"enabled": True})
        device.report({"t": 2})
        assert device.next("attributes/push") == {"fan": True}


def test_custom_data_for_a_device_without_a_connection_waits_for_it(running: Running) -> None:
    absent = running.api.create_device()
    rule_id = add_rule(running, {"data": {"identifier": "stream", "body": {"late": True}}, "device": absent.device_id})
    with running.device() as device:
        device.report({"t": 1})
    assert effects(running.api, rule_id) == 0
    with Running(running.server, running.credentials, running.api, absent).device() as device:
        assert device.next("data/stream/set") == {"late": True}


def test_a_delayed_action_is_done_once_after_a_kill(running: Running, start_server: StartServer) -> None:
    rule_id = add_rule(running, {"set": {"later": True}, "delay_ms": 1_500})
    with running.device() as device:
        device.report({"t": 1})
    eventually(lambda: newest(running.api, rule_id)["outcome"] == "acted")
    assert newest(running.api, rule_id)["effects"][0]["outcome"] == "delayed"
    running.server.kill()
    server = start_server()
    with ProjectApi(server.url, running.credentials) as api:
        eventually(lambda: effects(api, rule_id) == 1)
        assert api.attributes(running.device_id) == {"t": 1, "later": True}
    assert server.stop() == 0


@pytest.mark.parametrize(("held", "chained"), [(True, False), (True, True), (False, True)])
def test_every_stored_event_has_its_effects_once_across_kills(
    running: Running, start_server: StartServer, held: bool, chained: bool
) -> None:
    """Killed anywhere between the event and its effects, also where these lead to others by way of a function; and
    while the store cannot write."""
    devices = [running.certificate, *(running.api.create_device() for _ in range(DEVICES - 1))]
    ids = [device.device_id for device in devices]
    count = {"command": {"method": "count", "wait_ms": 600_000}}
    rules = [add_rule(running, SET_BY_FUNCTION if chained else count, on="event", devices=ids)]
    if chained:
        rules.append(add_rule(running, count, devices=ids, **{"if": {"attribute": "heard", "op": "==", "value": 1}}))
    server = running.server
    for _ in range(2):
        with ExitStack() as stack:
            connected = [stack.enter_context(RawDevice(server.mqtt_port, each)) for each in devices]
            if held:
                stack.enter_context(disk_held(server.data_dir))
            for device in connected:
                device.send(EVENTS)
            if not held:
                connected[-1].receive_packet()  # the others are anywhere
            server.kill()
        server = start_server()
    with ProjectApi(server.url, running.credentials) as api:
        stored = [len(rows(api, f"/device/{each}/event_logs")) for each in ids]
        assert held or sum(stored) > 0
        eventually(lambda: all(effects(api, rule_id) >= sum(stored) for rule_id in rules))
        assert [effects(api, rule_id) for rule_id in rules] == [sum(stored)] * len(rules)
        assert [len(rows(api, f"/device/{each}/command_logs")) for each in ids] == stored
    assert server.stop() == 0


def rows(api: ProjectApi, path: str) -> list[Any]:
    found: list[Any] = api.call("GET", f"{path}?page_records=100")["items"]
    return found


def test_the_fahrenheit_example_works_as_written(running: Running) -> None:
    type_id = running.api.call("POST", "/device_type", json={"name": "Thermometer"})["id"]
    thermometer = running.api.create_device(type=type_id)
    rule = json.loads(
        '{"name": "Fahrenheit", "on": "before_report", "type": "<type id>", '
        '"if": {"attribute": "temperature", "op": ">", "value": 100}, "actions": [{"function": "module.exports = '
        'function (report_attributes) { return {temperature: (report_attributes.temperature - 32) / 1.8} }"}]}'.replace(
            "<type id>", type_id
        )
    )
    tested = running.api.call("POST", "/message_rule_test", json={"rule": rule, "attributes": {"temperature": 212}})
    assert tested["items"][0]["result"] == {"temperature": 100}
    rule_id = running.api.call("POST", "/message_rule", json=rule)["id"]
    with Running(running.server, running.credentials, running.api, thermometer).device() as device:
        device.report({"temperature": 212, "humidity": 40})
        assert running.api.attributes(thermometer.device_id) == {"temperature": 100}
        device.report({"temperature": 20})
        assert running.api.attributes(thermometer.device_id) == {"temperature": 20}
    evaluations = running.api.call("GET", f"/message_rule/{rule_id}/trace")["items"]
    assert [each["outcome"] for each in evaluations] == ["condition", "acted"]


def test_reports_that_a_function_changes_keep_their_order_and_are_on_disk_when_acknowledged(
    running: Running, start_server: StartServer
) -> None:
    source = "module.exports = function (a) { return {n: a.n, twice: a.n * 2} }"
    running.api.call(
        "POST",
        "/message_rule",
        json={
            "name": "Twice",
            "on": "before_report",
            "devices": [running.device_id],
            "if": {"attribute": "n", "op": "!=", "value": 7},
            "actions": [{"function": source}],
        },
    )
    with RawDevice(running.server.mqtt_port, running.certificate) as device:
        device.send(b"".join(publish_packet(n, b'{"n":%d}' % n) for n in range(1, 16)))
        assert [device.receive_packet() for _ in range(15)] == [puback_packet(n) for n in range(1, 16)]
        running.server.kill()
    server = start_server()
    with ProjectApi(server.url, running.credentials) as api:
        assert api.series(running.device_id, "n") == list(range(15, 0, -1))
        assert api.attributes(running.device_id) == {"n": 15, "twice": 30}
        assert len(api.series(running.device_id, "twice")) == 14
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("source", "outcome"),
    [
        ("module.exports = function (a) { for (;;) {} }", "function_time"),
        ("module.exports = function (a) { return a.missing.member }", "function_error"),
        ("module.exports = function (a) { return null }", "empty"),
        ("module.exports = function (a) { return 5 }", "function_error"),
    ],
)
def test_a_report_is_kept_as_it_came_if_a_function_fails(running: Running, source: str, outcome: str) -> None:
    rule_id = add_rule(running, {"function": source}, on="before_report")
    with running.device() as device:
        device.report({"t": 1})
    assert running.api.attributes(running.device_id) == {"t": 1}
    assert newest(running.api, rule_id)["outcome"] == outcome
