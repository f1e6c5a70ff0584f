"""Alarm messages of a project and of a device."""

from typing import Any

import pytest

from tests.api.registry.house import Api, House, administrator
from thingstead.model.alarms.alarm import AlarmLog


async def record(house: House, api: Api, device_id: str, number: int, **members: Any) -> str:
    """Records an alarm message, one ms after the one before; returns its id. One of status 0 clears the alarm that the
    one before raised."""
    defaults: dict[str, Any] = {"rule_id": "rule1", "alarm_status": 1, "alarm_level": 1}
    members = defaults | members
    now = house.clock.now_ms()
    alarm = AlarmLog(
        id=f"alarm{number:03}",
        alarm_id=f"alarm{number if members['alarm_status'] else number - 1:03}",
        project_id=api.project_id,
        device_id=device_id,
        ts=now,
        create_time=now,
        **members,
    )
    await house.record(alarm)
    house.clock.advance(1)
    return alarm.id


async def test_an_alarm_message_is_shown_with_its_device(api: Api, house: House, stranger: Api) -> None:
    device_id = await api.new_device(name="boiler")
    info = {"rule_id": "rule1", "rule_name": "Too hot", "conditions": [], "attributes": {"t": 81}}
    at = house.clock.now_ms()
    alarm_id = await record(house, api, device_id, 1, alarm_level=2, alarm_info=info)
    item = {
        "id": alarm_id,
        "device_id": device_id,
        "alarm_status": 1,
        "alarm_level": 2,
        "alarm_info": info,
        "create_time": at,
        "notify_logs": [],
        "device": {"id": device_id, "name": "boiler"},
        "alarm_id": alarm_id,
        "ts": at,
    }
    await house.reopen()
    assert await api.get("alarm_logs") == {"items": [item], "total": 1, "page_total": 1}
    assert await api.get(f"device/{device_id}/alarm_logs") == {"items": [item], "total": 1, "page_total": 1}
    assert await stranger.get("alarm_logs") == {"items": [], "total": 0, "page_total": 0}


async def test_messages_are_paged_from_the_newest(api: Api, house: House) -> None:
    device_id = await api.new_device()
    ids = [await record(house, api, device_id, number, alarm_status=1 - number % 2) for number in range(25)]
    for path in ("alarm_logs", f"device/{device_id}/alarm_logs"):
        page = await api.get(path)
        assert ([item["id"] for item in page["items"]], page["total"], page["page_total"]) == (ids[:4:-1], 25, 2)
        assert [item["id"] for item in (await api.get(path, page=2))["items"]] == ids[4::-1]
        assert len((await api.get(path, page_records=100))["items"]) == 25


async def test_messages_are_narrowed(api: Api, house: House, stranger: Api) -> None:
    start = house.clock.now_ms()
    first, second = await api.new_device(), await api.new_device()
    await record(house, api, first, 0, alarm_level=1)
    await record(house, api, first, 1, alarm_level=3, rule_id="rule3")
    await record(house, api, second, 2, alarm_level=3)
    await record(house, api, second, 3, alarm_level=3, alarm_status=0)

    async def numbers(path: str = "alarm_logs", caller: Api = api, **query: Any) -> list[int]:
        return [int(item["id"][-3:]) for item in (await caller.get(path, **query))["items"]]

    assert await numbers(level=3) == [3, 2, 1]
    assert await numbers(status=0) == [3]
    assert await numbers(status=1, level=3) == [2, 1]
    assert await numbers(device=first) == [1, 0]
    assert await numbers(device="nosuch00") == []
    assert await numbers(start=start + 1, end=start + 2) == [2, 1]
    assert await numbers(start_time=start + 1, end_time=start + 2, start=start + 2) == [2, 1]
    assert await numbers(path=f"device/{second}/alarm_logs", status=1) == [2]
    assert await numbers(caller=stranger, device=first) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"level": 4}, "level"),
        ({"level": "x"}, "level"),
        ({"status": 2}, "status"),
        ({"start": -1}, "start"),
        ({"end": 1e20}, "end"),
        ({"start_time": -1}, "start_time"),
        ({"page": 0}, "page"),
        ({"page_records": 101}, "page_records"),
    ],
)
async def test_an_impossible_query_is_refused_by_its_field(api: Api, query: dict[str, Any], field: str) -> None:
    for path in ("alarm_logs", f"device/{await api.new_device()}/alarm_logs"):
        refusal = await api.refusal("GET", path, **query)
        assert (refusal.errcode, refusal.fields) == (400, {field})


# What people do about alarms


async def alarmed(house: House, api: Api) -> tuple[str, str]:
    """The ids of a device and of its open alarm."""
    device_id = await api.new_device(name="boiler")
    rule = {"name": "Too hot", "devices": [device_id], "raise": {"attribute": "t", "op": ">", "value": 80}}
    await api.call("POST", "alarm_rule", rule)
    await house.settle()
    await house.send(api.project_id, device_id, t=81)
    return device_id, str((await api.get("alarm_logs"))["items"][0]["id"])


async def test_an_alarm_is_acknowledged_with_and_without_a_body(api: Api, house: House) -> None:
    _, alarm_id = await alarmed(house, api)
    now = house.clock.now_ms()
    response = await api.client.post(f"/api/v1/alarm/{alarm_id}/acknowledge")
    assert response.json()["info"]["acknowledged_at"] == now
    assert (await api.refusal("POST", f"alarm/{alarm_id}/acknowledge", {})).errcode == 409
    commented = await api.call("POST", f"alarm/{alarm_id}/comment", {"comment": "on my way", "by": "alice"})
    assert commented["comments"] == [{"by": "alice", "text": "on my way", "ts": now}]
    await house.reopen()
    shown = await api.get(f"alarm/{alarm_id}")
    assert shown == commented
    assert (shown["alarm_status"], shown["device"]["name"], shown["rule_name"]) == (1, "boiler", "Too hot")


async def test_an_alarm_is_cleared_by_hand_and_by_any_of_its_messages(api: Api, house: House) -> None:
    device_id, alarm_id = await alarmed(house, api)
    house.clock.advance(1)
    cleared = await api.call("POST", f"alarm/{alarm_id}/clear", {"by": "alice", "comment": "a test"})
    assert (cleared["alarm_status"], cleared["clear_reason"]) == (0, "cleared by alice")
    assert (await api.get(f"device/{device_id}"))["alarm"] == {}
    message = (await api.get("alarm_logs", status=0))["items"][0]
    assert (message["alarm_id"], message["alarm_info"]["reason"]) == (alarm_id, "cleared by alice")
    assert await api.get(f"alarm/{message['id']}") == cleared
    assert (await api.refusal("POST", f"alarm/{alarm_id}/clear", {})).errcode == 409
    await house.send(api.project_id, device_id, t=82)
    assert (await api.get(f"device/{device_id}"))["alarm"]["alarm_level"] == 1


async def test_an_alarm_is_shelved_with_an_end(api: Api, house: House) -> None:
    _, alarm_id = await alarmed(house, api)
    now = house.clock.now_ms()
    shelved = await api.call("POST", f"alarm/{alarm_id}/shelve", {"for_ms": 1000})
    assert shelved["shelved_until"] == now + 1000
    shelved = await api.call("POST", f"alarm/{alarm_id}/shelve", {"until": now + 5000})
    assert shelved["shelved_until"] == now + 5000
    assert "shelved_until" not in await api.call("POST", f"alarm/{alarm_id}/unshelve", {})
    for body in ({}, {"until": now}, {"until": now + 5, "for_ms": 5}, {"for_ms": 10**12}):
        assert (await api.refusal("POST", f"alarm/{alarm_id}/shelve", body)).fields == {"until"}


async def test_alarms_are_listed(api: Api, stranger: Api, house: House) -> None:
    device_id, alarm_id = await alarmed(house, api)
    await api.call("POST", f"alarm/{alarm_id}/acknowledge", {})
    shown = await api.get(f"alarm/{alarm_id}")
    for query in ({}, {"status": 1}, {"level": 1}, {"acknowledged": 1}, {"device": device_id}):
        assert await api.get("alarms", **query) == {"items": [shown], "total": 1, "page_total": 1}
    for query in ({"status": 0}, {"level": 2}, {"acknowledged": 0}, {"device": "nosuch00"}, {"rule": "nosuch00"}):
        assert (await api.get("alarms", **query))["total"] == 0
    assert (await stranger.get("alarms"))["total"] == 0
    for path in ("acknowledge", "clear", "unshelve"):
        assert (await stranger.refusal("POST", f"alarm/{alarm_id}/{path}", {})).errcode == 404


# Many alarms


async def two_alarms(house: House, api: Api) -> tuple[str, str, str]:
    """The ids of a device and of its two open alarms, the newest first."""
    device_id = await api.new_device(name="boiler 7")
    for name, attribute in (("Too hot", "t"), ("Too wet", "h")):
        rule = {"name": name, "devices": [device_id], "raise": {"attribute": attribute, "op": ">", "value": 80}}
        await api.call("POST", "alarm_rule", rule)
    await house.settle()
    await house.send(api.project_id, device_id, t=81)
    house.clock.advance(1)
    await house.send(api.project_id, device_id, h=90)
    second, first = (item["id"] for item in (await api.get("alarms"))["items"])
    return device_id, second, first


async def test_an_alarm_shows_the_values_that_raised_it_and_its_messages(api: Api, house: House) -> None:
    _, alarm_id = await alarmed(house, api)
    await house.send(api.project_id, (await api.get(f"alarm/{alarm_id}"))["device_id"], t=2)
    shown = await api.get(f"alarm/{alarm_id}")
    assert shown["alarm_info"]["attributes"] == {"t": 81}
    assert [item["alarm_status"] for item in (await api.get("alarm_logs", alarm=alarm_id))["items"]] == [0, 1]
    assert (await api.get("alarm_logs", alarm="nosuch00"))["total"] == 0


async def test_alarms_are_found_by_what_their_devices_and_rules_are_called(
    api: Api, house: House, stranger: Api
) -> None:
    device_id, second, first = await two_alarms(house, api)
    type_id = (await api.call("POST", "device_type", {"name": "Boiler"}))["id"]
    group_id = (await api.call("POST", "device_group", {"name": "Hall"}))["id"]
    await api.call("POST", f"device_group/{group_id}/devices", {"devices": [device_id]})

    async def found(caller: Api = api, **query: Any) -> list[str]:
        return [item["id"] for item in (await caller.get("alarms", **query))["items"]]

    assert await found(keyword="BOILER 7") == [second, first]
    assert await found(keyword="wet") == [second]
    assert await found(keyword="nowhere") == []
    assert await found(group=group_id) == [second, first]
    assert await found(type=type_id) == []
    assert await found(stranger, keyword="wet") == []
    await api.call("POST", f"alarm/{second}/clear", {})
    now = house.clock.now_ms()
    assert await found(cleared_start=now, cleared_end=now) == [second]
    assert await found(cleared_start=now + 1) == []
    assert await found(attention=1) == [second, first]
    await api.call("POST", f"alarm/{second}/acknowledge", {})
    assert await found(attention=1) == [first]
    assert await found(attention=0) == [second]
    stat = await api.get("alarms_stat")
    assert (stat["open"]["total"], stat["unacknowledged"]["alarm_1_total"], stat["attention_total"]) == (1, 1, 1)
    assert [hour["total"] for hour in stat["raised"]][-1:] == [2]
    assert (len(stat["raised"]), stat["raised"][-1]["ts"]) == (24, now // 3_600_000 * 3_600_000)
    assert (await stranger.get("alarms_stat"))["attention_total"] == 0


async def test_many_alarms_are_changed_each_by_itself(api: Api, house: House, stranger: Api) -> None:
    _, second, first = await two_alarms(house, api)
    await api.call("POST", f"alarm/{first}/acknowledge", {})
    many = await api.call("POST", "alarms_acknowledge", {"ids": [first, second, "nosuch00"], "comment": "seen"})
    assert [(item["id"], item["result"]) for item in many["items"]] == [
        (first, "unchanged"),
        (second, "done"),
        ("nosuch00", "refused"),
    ]
    assert many["items"][2]["code"] == "no_such_alarm"
    assert (many["done"], many["unchanged"], many["refused"], many["remaining"]) == (1, 1, 1, 0)
    assert [comment["text"] for comment in (await api.get(f"alarm/{second}"))["comments"]] == ["seen"]
    other = await stranger.call("POST", "alarms_clear", {"ids": [first]})
    assert other["items"][0]["code"] == "no_such_alarm"
    for body, field in (
        ({}, "ids"),
        ({"ids": [first], "filter": {}}, "ids"),
        ({"ids": []}, "ids"),
        ({"filter": {"colour": 1}}, "filter"),
        ({"ids": ["a"] * 1001}, "ids"),
    ):
        assert {each.split(".")[0] for each in (await api.refusal("POST", "alarms_clear", body)).fields} == {field}


async def test_a_filter_changes_only_so_many_and_tells_how_many_are_left(
    api: Api, house: House, stranger: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thingstead.services.alarms.alarms.ALARMS_PER_CALL", 1)
    _, second, first = await two_alarms(house, api)
    assert (await stranger.call("POST", "alarms_clear", {"filter": {}}))["done"] == 0
    shelved = await api.call("POST", "alarms_shelve", {"filter": {"status": 1}, "for_ms": 60_000})
    assert (shelved["items"], shelved["remaining"]) == ([{"id": second, "result": "done"}], 1)
    again = {"filter": {"status": 1}, "until": shelved["until"]}
    house.clock.advance(5)
    rest = await api.call("POST", "alarms_shelve", again)
    assert (rest["items"][0]["id"], rest["unchanged"], rest["remaining"]) == (first, 1, 0)
    assert await api.call("POST", "alarms_shelve", again) == {
        "done": 0,
        "unchanged": 2,
        "refused": 0,
        "remaining": 0,
        "items": [],
        "until": shelved["until"],
    }
    assert (await api.call("POST", "alarms_unshelve", {"ids": [second]}))["done"] == 1
    cleared = await api.call("POST", "alarms_clear", {"filter": {}, "by": "alice", "comment": "all well"})
    assert (cleared["done"], cleared["remaining"]) == (1, 1)
    shown = await api.get(f"alarm/{second}")
    assert (shown["clear_reason"], shown["comments"][0]["text"]) == ("cleared by alice", "all well")


async def test_rules_tell_how_many_alarms_they_have(api: Api, house: House) -> None:
    await two_alarms(house, api)
    (hot,) = (await api.get("alarm_rules", keyword="HOT", statistics=1))["items"]
    assert (hot["name"], hot["open_total"], hot["raised_last_day"]) == ("Too hot", 1, 1)
    assert "open_total" not in (await api.get("alarm_rules"))["items"][0]


async def test_an_administrator_is_named_by_the_account_whatever_the_body_says(api: Api, house: House) -> None:
    _, alarm_id = await alarmed(house, api)
    headers = await administrator(api, house)
    for path, body in (
        (f"alarm/{alarm_id}/acknowledge", {"by": "somebody else"}),
        ("alarms_clear", {"ids": [alarm_id], "by": "somebody else"}),
    ):
        answer = await api.client.post(f"/api/v1/{path}", json=body, headers=headers)
        assert answer.json()["result"] is True
    shown = await api.get(f"alarm/{alarm_id}")
    assert (shown["acknowledged_by"], shown["clear_reason"]) == ("admin", "cleared by admin")
