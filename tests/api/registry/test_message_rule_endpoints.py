"""Message rules through the API: kept, refused, changed, tried out."""

import asyncio
from typing import Any

import pytest

from tests.api.registry.house import Api, House
from thingstead.model.message_rules.outgoing import OutgoingMessage

HOT = {"attribute": "temperature", "op": ">", "value": 30}
FUNCTIONS = {"attributes": [{"identifier": "temperature", "data_type": "number", "data_options": {"max": 125}}]}


@pytest.fixture
async def type_id(api: Api) -> str:
    return await api.new_type(functions=FUNCTIONS)


def smallest(type_id: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "Fan",
        "on": "after_report",
        "type": type_id,
        "if": HOT,
        "actions": [{"push": {"fan": True}}],
        **more,
    }


async def test_a_rule_is_shown_as_it_was_given_and_changes_keep_the_rest(api: Api, type_id: str) -> None:
    rule_id = (await api.call("POST", "message_rule", smallest(type_id)))["id"]
    shown = await api.get(f"message_rule/{rule_id}")
    assert {name: shown[name] for name in ("name", "on", "type", "if", "actions")} == smallest(type_id)
    assert (shown["devices"], shown["enabled"], shown["version"]) == ([], True, 1)
    assert (await api.get("message_rules", on="after_report"))["items"] == [shown]
    assert (await api.get("message_rules", on="event"))["items"] == []

    device_id = await api.new_device(name="d")
    changed = await api.call("PUT", f"message_rule/{rule_id}", {"devices": [device_id], "if": None, "version": 1})
    assert (changed["type"], changed["devices"], changed["version"]) == ("", [device_id], 2)
    assert "if" not in changed
    assert changed["actions"] == [{"push": {"fan": True}}]
    await api.call("DELETE", f"message_rule/{rule_id}")
    assert (await api.get("message_rules"))["total"] == 0


@pytest.mark.parametrize(
    ("more", "fields"),
    [
        ({"on": "before_push"}, ["actions[0]"]),
        ({"actions": [{"push": {"a": 1}, "result": "push"}]}, ["actions[0].result"]),
        ({"actions": [{"function": "f", "identifier": "a b"}]}, ["actions[0].identifier"]),
        ({"on": "before_push", "actions": [{"function": "f", "result": "set"}]}, ["actions[0].result"]),
        ({"on": "before_report", "actions": [{"function": "f", "identifier": "s"}]}, ["actions[0].identifier"]),
        ({"actions": [{"report": {"attributes": {}}}]}, ["actions[0].report.attributes"]),
        ({"identifier": "opened"}, ["identifier"]),
        ({"if": {"attribute": "temperature", "op": ">", "value": 200}}, ["if.value"]),
        ({"if": {"attribute": "temperature", "op": "==", "value": "hot"}}, ["if.value"]),
        ({"actions": [{"push": {}}]}, ["actions[0].push"]),
        ({"actions": [{"push": {"a": 1}, "set": {"a": 1}}]}, ["actions[0]"]),
        ({"actions": [{"delay_ms": 5}]}, ["actions[0]"]),
        ({"actions": [{"command": {"method": "no spaces"}}]}, ["actions[0].command.method"]),
        ({"actions": [{"data": {"identifier": "s", "format": "hex", "body": "0"}}]}, ["actions[0].data.body"]),
        ({"actions": [{"set": {"a": 1}, "device": "nowhere"}]}, ["actions[0].device"]),
        ({"actions": [{"function": "module.exports = 5"}]}, ["actions[0].function"]),
        ({"on": "before_report"}, ["actions[0]"]),
        ({"on": "before_report", "actions": [{"function": "f("}]}, ["actions[0].function"]),
        ({"on": "before_report", "actions": [{"function": "f", "delay_ms": 1}]}, ["actions[0]"]),
        ({"on": "data"}, ["if"]),
        ({"devices": ["nowhere"]}, ["type"]),
        ({"type": "nowhere"}, ["type"]),
        ({"actions": [{"url": "ftp://example.com"}]}, ["actions[0].url"]),
        ({"actions": [{"url": "http://example.com", "secret": "***"}]}, ["actions[0].secret"]),
        ({"actions": [{"mqtt": {"url": "mqtt://u@h", "topic": "t"}}]}, ["actions[0].mqtt.url"]),
        ({"actions": [{"mqtt": {"url": "mqtt://h", "topic": "t/{no}"}}]}, ["actions[0].mqtt.topic"]),
        ({"actions": [{"mqtt": {"url": "mqtt://h", "topic": "t", "ca": "x"}}]}, ["actions[0].mqtt.ca"]),
        ({"actions": [{"ota_check": {}}]}, ["actions[0].ota_check"]),
        ({"actions": [{"push": {"a": 1}, "secret": "s"}]}, ["actions[0].secret"]),
    ],
)
async def test_a_rule_that_could_never_act_is_refused_by_the_name_of_the_part(
    api: Api, type_id: str, more: dict[str, Any], fields: list[str]
) -> None:
    refusal = await api.refusal("POST", "message_rule", smallest(type_id, **more))
    assert refusal.errcode == 400
    assert list(refusal.fields) == fields


async def test_a_test_run_says_what_a_rule_would_do(api: Api, type_id: str) -> None:
    async def tested(**body: Any) -> Any:
        [item] = (await api.call("POST", "message_rule_test", {"rule": smallest(type_id), **body}))["items"]
        return item["holds"], item["outcome"], item["actions"]

    assert await tested(attributes={"temperature": 31}) == (True, "acted", [{"push": {"fan": True}}])
    assert await tested(attributes={"temperature": 30}) == (False, "condition", [])
    assert await tested(attributes={"humidity": 30}) == (None, "no_attribute", [])
    refusal = await api.refusal("POST", "message_rule_test", {"rule": smallest(type_id)})
    assert list(refusal.fields) == ["device"]


@pytest.mark.parametrize(
    ("on", "action", "message", "expected"),
    [
        (
            "after_report",
            {"function": "(a) => ({fan: a.t > 30})"},
            {"attributes": {"t": 31}},
            [{"push": {"fan": True}}],
        ),
        ("after_push", {"function": "(a) => null"}, {"attributes": {"t": 31}}, []),
        (
            "event",
            {"function": "(e) => ({method: 'beep', params: e.params})"},
            {"method": "pressed", "params": {"n": 1}},
            [{"command": {"method": "beep", "params": {"n": 1}}}],
        ),
        (
            "data",
            {"function": "(name, data) => ({level: data[1]})"},
            {"data": {"identifier": "meter", "format": "hex", "body": "01 02"}},
            [{"report": {"attributes": {"level": 2}}}],
        ),
        (
            "data",
            {"function": "(name, data) => ({type: 'hex', msg: data.toString('hex')})", "result": "data"},
            {"data": {"identifier": "meter", "format": "text", "body": "ab"}},
            [{"data": {"identifier": "meter", "format": "hex", "body": "6162"}}],
        ),
    ],
)
async def test_a_test_run_shows_what_functions_lead_to(
    api: Api, on: str, action: dict[str, Any], message: dict[str, Any], expected: Any
) -> None:
    action = {**action, "function": f"module.exports = {action['function']}"}
    rule = {"name": "f", "on": on, "devices": [await api.new_device(name="d")], "actions": [action]}
    [item] = (await api.call("POST", "message_rule_test", {"rule": rule, **message}))["items"]
    assert item["actions"] == expected
    assert item["outcome"] == ("acted" if expected else "empty")


async def test_a_test_run_shows_what_is_sent_in_place_of_a_push(api: Api) -> None:
    action = {"function": "module.exports = (a) => ({type: 'hex', msg: '01 0' + a.n})"}
    rule = {"name": "f", "on": "before_push", "devices": [await api.new_device(name="d")], "actions": [action]}
    [item] = (await api.call("POST", "message_rule_test", {"rule": rule, "attributes": {"n": 5}}))["items"]
    assert (item["sent"], item["result"]) == ("01 05", {"n": 5})


async def test_a_deleted_rule_gives_the_room_of_its_messages_back_at_once(
    api: Api, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thingstead.services.message_rules.outside.outbox.FIRST_WAIT_S", 3_600.0)
    monkeypatch.setattr("thingstead.services.message_rules.outside.outbox.LONGEST_WAIT_S", 3_600.0)
    device_id = await api.new_device(name="d")
    rule = {"name": "r", "on": "event", "devices": [device_id], "actions": [{"url": "http://127.0.0.1:1/"}]}
    rule_id = (await api.call("POST", "message_rule", rule))["id"]
    outbox = house.platform.message_rules.outbox
    await outbox.start()
    try:
        message = OutgoingMessage(
            number=outbox.next_number(), id="m", project_id=api.project_id, rule_id=rule_id, action=0,
            device_id=device_id, kind="event", names={}, create_time=house.clock.now_ms(), body=b"{}",
        )  # fmt: skip
        assert outbox.append(message)
        async with asyncio.timeout(30):
            while not outbox.outcomes["retrying"]:  # noqa: ASYNC110 - of another part
                await asyncio.sleep(0.005)
            assert outbox.waiting == 1
            await api.call("DELETE", f"message_rule/{rule_id}")
            while outbox.waiting:  # noqa: ASYNC110 - of another part
                await asyncio.sleep(0.005)
    finally:
        await outbox.close()
