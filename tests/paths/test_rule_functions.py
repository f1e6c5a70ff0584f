"""The paths of message rules with cloud functions, of rules about pushes, and of rules that start each other."""

from typing import Any

import pytest

from tests.paths.rules import add_rule, newest, outcomes, push, set_cloud
from tests.project_api import ProjectApi
from tests.running import Running, eventually
from tests.server_process import StartServer

HOT = {"attribute": "t", "op": ">", "value": 30}


def function(body: str, argument: str = "push_attributes") -> str:
    return f"module.exports = function ({argument}) {{ {body} }}"


def came_to(api: ProjectApi, rule_id: str) -> dict[str, int]:
    """Messages of a rule by what came of them, without those that do not concern it."""
    return {outcome: count for outcome, count in outcomes(api, rule_id).items() if outcome != "no_attribute"}


def test_what_is_pushed_is_changed_before_it_is_stored_and_sent_whoever_pushes(running: Running) -> None:
    other = running.api.create_device()
    doubled = function("return {power: push_attributes.power * 2}")
    before = add_rule(
        running, {"function": doubled}, on="before_push", **{"if": {"attribute": "power", "op": ">", "value": 0}}
    )
    after = add_rule(
        running,
        {"set": {"told": True}, "device": other.device_id},
        on="after_push",
        **{"if": {"attribute": "power", "op": ">=", "value": 10}},
    )
    add_rule(running, {"push": {"power": 6}}, on="event")
    with running.device() as device:
        push(running, {"power": 5})
        assert device.next("attributes/push") == {"power": 10}
        many = {"attributes": {"power": 7}, "devices": [running.device_id]}
        running.api.call("POST", "/control/devices/attributes", json=many)
        assert device.next("attributes/push") == {"power": 14}
        device.report({"method": "pressed", "params": {}}, "event/report/1")
        assert device.next("attributes/push") == {"power": 12}
        push(running, {"power": 0})
        assert device.next("attributes/push") == {"power": 0}
    assert running.api.series(running.device_id, "power") == [0, 12, 14, 10]
    eventually(lambda: outcomes(running.api, after) == {"acted": 3, "condition": 1})
    assert running.api.attributes(other.device_id) == {"told": True}
    assert outcomes(running.api, before) == {"acted": 3, "condition": 1}
    caused = [each["cause"] for each in running.api.call("GET", f"/message_rule/{after}/trace")["items"]]
    assert [len(each) for each in caused] == [0, 1, 0, 0]


def test_bytes_take_the_place_of_a_push(running: Running) -> None:
    plain = function('return push_attributes.on ? {type: "hex", msg: "01 32 14"} : null')
    add_rule(running, {"function": plain}, on="before_push")
    with running.device() as device:
        push(running, {"on": True})
        device_messages = [device.received.get(timeout=20)]
        assert device_messages == [("attributes/push", b"\x01\x32\x14")]
        push(running, {"on": False})
        assert device.next("attributes/push") == {"on": False}
    assert running.api.attributes(running.device_id) == {"on": False}
    other = running.api.create_device()
    named = {"function": function('return {type: "json", msg: {v: 1}}'), "identifier": "stream"}
    add_rule(running, named, on="before_push", devices=[other.device_id])
    with Running(running.server, running.credentials, running.api, other).device() as device:
        push(running, {"on": True}, other.device_id)
        assert device.next("data/stream/set") == {"v": 1}
    assert running.api.attributes(other.device_id) == {"on": True}


def test_functions_act_after_every_kind_of_message(running: Running) -> None:
    add_rule(running, {"function": function("return a.t > 30 ? {fan: true} : null", "a")})
    add_rule(running, {"function": function("return {hot: a.t > 30}", "a"), "result": "set"}, **{"if": HOT})
    add_rule(
        running,
        {"function": function('return {type: "hex", msg: Cloud.ModbusRTU.readHoldingRegisters(a.t, 1)}', "a"),
         "result": "data", "identifier": "rs485"},
        **{"if": {"attribute": "t", "op": "==", "value": 31}},
    )  # fmt: skip
    add_rule(
        running, {"function": function("return {method: 'beep', params: {times: event.params.n}}", "event")}, on="event"
    )
    parse = "return {level: data.readUInt16BE(0), name: identifier}"
    add_rule(running, {"function": function(parse, "identifier, data")}, on="data")
    with running.device() as device:
        device.report({"t": 31})
        assert device.next("attributes/push") == {"fan": True}
        assert device.received.get(timeout=20) == ("data/rs485/set", bytes.fromhex("0103001f0001b5cc"))
        device.report({"method": "pressed", "params": {"n": 3}}, "event/report/1")
        assert device.next("command/send/1000") == {"method": "beep", "params": {"times": 3}, "id": 1000}
        device.publish_bytes("data/meter", b"\x01\x02")
        eventually(lambda: running.api.attributes(running.device_id).get("level") == 0x102)
    assert running.api.attributes(running.device_id) == {
        "t": 31,
        "fan": True,
        "hot": True,
        "level": 0x102,
        "name": "meter",
    }


def test_a_rule_reports_for_the_sub_devices_of_a_gateway(running: Running) -> None:
    gateway_type = running.api.call("POST", "/device_type", json={"name": "Gateway", "conn_type": "3"})["id"]
    sub_type = running.api.call("POST", "/device_type", json={"name": "Meter", "conn_type": "2"})["id"]
    gateway = running.api.create_device(type=gateway_type)
    meters = [running.api.create_device(type=sub_type, gateway=gateway.device_id, sub_address=str(n)) for n in (1, 2)]
    hot = add_rule(
        running,
        {"push": {"fan": True}},
        devices=[meters[1].device_id],
        **{"if": {"attribute": "t", "op": ">", "value": 30}},
    )
    add_rule(running, {"report": {"sub_address": "1", "attributes": {"seen": True}}}, devices=[gateway.device_id])
    split = "return Object.keys(a).map(k => ({sub_address: k.slice(1), attributes: {t: a[k]}}))"
    by_function = add_rule(running, {"function": function(split, "a"), "result": "report"}, devices=[gateway.device_id])
    with Running(running.server, running.credentials, running.api, gateway).device() as device:
        device.report({"m1": 20, "m2": 31, "m3": 5})
        eventually(lambda: running.api.attributes(meters[1].device_id).get("fan") is True)
    assert running.api.attributes(meters[0].device_id) == {"seen": True, "t": 20}
    assert running.api.attributes(meters[1].device_id) == {"t": 31, "fan": True}
    assert [effect["outcome"] for effect in newest(running.api, by_function)["effects"]] == [
        "target_gone",
        "acted",
        "acted",
    ]
    assert newest(running.api, hot)["cause"] == [by_function]


def test_rules_that_set_what_each_other_watch_end(running: Running) -> None:
    def watching(name: str, action: Any, **more: Any) -> str:
        return add_rule(running, action, **{"if": {"attribute": name, "op": ">=", "value": 0}}, **more)

    other = running.api.create_device()
    one = watching("a", {"set": {"b": 1}})
    two = watching("b", {"set": {"a": 2}})
    itself = watching("c", {"push": {"d": 1}, "delay_ms": 1}, on="after_report")
    pushed = watching("d", {"set": {"c": 1}}, on="after_push")
    there = watching("x", {"set": {"x": 1}, "device": other.device_id})
    back = watching("x", {"set": {"x": 2}, "device": running.device_id}, devices=[other.device_id])
    with running.device() as device:
        device.report({"a": 1})
        device.report({"c": 1})
        device.report({"x": 0})
        rules = (one, two, itself, pushed, there, back)
        ends = [{"acted": 1, "loop": 1}, {"acted": 1}] * 3
        eventually(lambda: [came_to(running.api, rule_id) for rule_id in rules] == ends)
    assert running.api.attributes(running.device_id) == {"a": 2, "b": 1, "c": 1, "d": 1, "x": 2}
    loop = newest(running.api, one)
    assert (loop["outcome"], loop["cause"]) == ("loop", [one, two])


def test_a_chain_of_rules_ends_at_its_depth(running: Running) -> None:
    rules = [
        add_rule(running, {"set": {f"v{n + 1}": n}}, **{"if": {"attribute": f"v{n}", "op": ">=", "value": 0}})
        for n in range(10)
    ]
    with running.device() as device:
        device.report({"v0": 0})
        eventually(lambda: "depth" in outcomes(running.api, rules[8]))
    eventually(lambda: sorted(running.api.attributes(running.device_id)) == [f"v{n}" for n in range(9)])
    assert newest(running.api, rules[8])["cause"] == rules[:8]
    set_cloud(running, {"v5": 1})
    eventually(lambda: "v10" in running.api.attributes(running.device_id))


@pytest.mark.parametrize(
    ("body", "outcome", "code"),
    [
        ("for (;;) {}", "function_time", ""),
        ("return 5", "function_error", "function_no_object"),
        ("return {}", "empty", ""),
        ("return {'a b': 1}", "refused", "bad_attribute_name"),
    ],
)
def test_the_trace_says_why_a_function_had_no_effect(running: Running, body: str, outcome: str, code: str) -> None:
    rule_id = add_rule(running, {"function": function("console.log('seen'); " + body, "a")})
    with running.device() as device:
        device.report({"t": 1})
    eventually(lambda: newest(running.api, rule_id)["outcome"] == outcome)
    [effect] = newest(running.api, rule_id)["effects"]
    assert effect.get("code", "") == code
    assert running.api.attributes(running.device_id) == {"t": 1}


def test_what_a_rule_came_to_is_left_after_a_restart(running: Running, start_server: StartServer) -> None:
    failing = add_rule(running, {"function": function("throw new Error('no')", "a")}, **{"if": HOT})
    acting = add_rule(running, {"set": {"seen": True}}, **{"if": HOT})
    with running.device() as device:
        for t in (20, 31, 32, 33):
            device.report({"t": t})
        shown = f"/message_rule/{failing}"
        eventually(lambda: running.api.call("GET", shown)["functions_off"] != [])
        device.report({"t": 34})
        eventually(lambda: came_to(running.api, failing) == {"condition": 1, "function_error": 3, "function_off": 1})
        eventually(lambda: came_to(running.api, acting) == {"condition": 1, "acted": 4})
    before = [came_to(running.api, failing), came_to(running.api, acting), running.api.call("GET", shown)]
    assert running.server.stop() == 0
    server = start_server()
    with ProjectApi(server.url, running.credentials) as api:
        assert [came_to(api, failing), came_to(api, acting), api.call("GET", shown)] == before
        [off] = api.call("GET", shown)["functions_off"]
        assert (off["action"], "3 failures in a row" in off["reason"]) == (0, True)
        trace = api.call("GET", f"/message_rule/{failing}/trace")["items"]
        assert [each["outcome"] for each in trace] == ["function_off"] + ["function_error"] * 3
        assert "no" in trace[1]["effects"][0]["reason"]
        again = Running(server, running.credentials, api, running.certificate)
        with again.device() as device:
            device.report({"t": 35})
            eventually(lambda: came_to(api, failing)["function_off"] == 2)
            api.call("PUT", shown, json={"name": "Mended"})
            assert api.call("GET", shown)["functions_off"] == []
            device.report({"t": 36})
            eventually(lambda: came_to(api, failing)["function_error"] == 4)
    assert server.stop() == 0


def test_no_rule_acts_on_a_server_whose_rules_are_off(running: Running, start_server: StartServer) -> None:
    rule_id = add_rule(running, {"set": {"seen": True}, "delay_ms": 1})
    changed = add_rule(running, {"function": function("return {t: 5}")}, on="before_report")
    assert running.server.stop() == 0
    server = start_server(running.server.data_dir, "--rules-off")
    with ProjectApi(server.url, running.credentials) as api:
        again = Running(server, running.credentials, api, running.certificate)
        with again.device() as device:
            device.report({"t": 1})
        assert api.attributes(running.device_id) == {"t": 1}
        api.call("PUT", f"/message_rule/{changed}", json={"enabled": False})
    assert server.stop() == 0
    server = start_server()
    with ProjectApi(server.url, running.credentials) as api:
        with Running(server, running.credentials, api, running.certificate).device() as device:
            device.report({"t": 2})
            eventually(lambda: api.attributes(running.device_id) == {"t": 2, "seen": True})
        assert outcomes(api, rule_id)["acted"] == 1
    assert server.stop() == 0


def test_what_a_function_returns_is_checked_and_what_is_refused_is_in_the_log(running: Running) -> None:
    definition = {"attributes": [{"identifier": "t", "data_type": "number", "data_options": {"max": 100}}]}
    type_id = running.api.call("POST", "/device_type", json={"name": "Thermometer", "functions": definition})["id"]
    device = running.api.create_device(type=type_id)
    body = "const n = Cloud.getCurrentAttributes().n || 0; return a.t > 50 ? {t: 500} : {t: a.t * 10, n: n + 1}"
    rule_id = add_rule(running, {"function": function(body, "a")}, on="before_report", devices=[device.device_id])
    with Running(running.server, running.credentials, running.api, device).device() as connected:
        for t in (5, 20, 60, 7):
            connected.report({"t": t})
    assert running.api.series(device.device_id, "t") == [70, 60, 50]  # 60 as it came, 200 not at all
    assert running.api.series(device.device_id, "n") == [3, 2, 1]
    refused = running.api.call("GET", f"/device/{device.device_id}/rejected_logs")["items"]
    assert [(each["topic"], each["errors"][0]["code"]) for each in refused] == [("attributes", "above_maximum")] * 2
    assert outcomes(running.api, rule_id) == {"acted": 3, "refused": 1}
