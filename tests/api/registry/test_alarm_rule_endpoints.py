"""Alarm rules through the API: kept, refused, changed, explained, tried out."""

from typing import Any

import pytest

from tests.api.registry.house import Api, House

HOT = {"attribute": "temperature", "op": ">", "value": 80}
COOL = {"attribute": "temperature", "op": "<", "value": 75}
FUNCTIONS = {
    "attributes": [
        {"identifier": "temperature", "data_type": "number", "data_options": {"max": 125}},
        {"identifier": "mode", "data_type": "enum", "data_options": {"items": [{"value": "on", "name": ""}]}},
    ]
}


@pytest.fixture
async def type_id(api: Api) -> str:
    return await api.new_type(functions=FUNCTIONS)


def smallest(type_id: str, **more: Any) -> dict[str, Any]:
    """The rule as the documentation has it."""
    return {
        "name": "Too hot",
        "type": type_id,
        "level": 2,
        "raise": HOT,
        "clear": COOL,
        "raise_delay_ms": 0,
        "clear_delay_ms": 0,
        "notify": [{"webhook": "http://host.example/path", "secret": "shared"}],
        **more,
    }


async def new_rule(api: Api, house: House, body: dict[str, Any]) -> str:
    rule_id = str((await api.call("POST", "alarm_rule", body))["id"])
    await house.settle()
    return rule_id


async def test_the_smallest_rule_works_as_written(api: Api, house: House, type_id: str) -> None:
    created = await api.call("POST", "alarm_rule", smallest(type_id))
    assert [warning["attribute"] for warning in created.pop("warnings")] == ["temperature"]  # nobody reported it yet
    assert created == {"id": created["id"], "name": "Too hot"}
    await house.settle()
    device_id = await api.new_device(type=type_id, name="boiler")

    await house.send(api.project_id, device_id, temperature=81)
    assert (await api.get(f"device/{device_id}"))["alarm"] == {
        "alarm_status": 1, "alarm_level": 2, "ts": house.clock.now_ms(),
    }  # fmt: skip
    assert (await api.get("devices_alarm_stat"))["alarm_2_total"] == 1
    assert (await api.get("devices_stat"))["alarm_device_total"] == 1
    await house.send(api.project_id, device_id, temperature=76)
    (raised,) = (await api.get("alarm_logs"))["items"]
    assert raised["alarm_info"] == {
        "rule_id": created["id"], "rule_name": "Too hot", "conditions": [HOT], "attributes": {"temperature": 81},
    }  # fmt: skip
    assert raised["device"] == {"id": device_id, "name": "boiler"}

    house.clock.advance(1)
    await house.send(api.project_id, device_id, temperature=74)
    assert (await api.get(f"device/{device_id}"))["alarm"] == {}
    assert [item["alarm_status"] for item in (await api.get(f"device/{device_id}/alarm_logs"))["items"]] == [0, 1]


async def test_a_rule_is_shown_as_it_was_given_without_its_secrets(api: Api, house: House, type_id: str) -> None:
    rule_id = await new_rule(api, house, smallest(type_id))
    await house.reopen()
    shown = await api.get(f"alarm_rule/{rule_id}")
    now = house.clock.now_ms()
    assert shown == {
        "id": rule_id,
        **smallest(type_id),
        "descr": "",
        "devices": [],
        "enabled": True,
        "disabled_devices": [],
        "raise_count": 1,
        "clear_count": 1,
        "cool_down_ms": 0,
        "notify": [{"webhook": "http://host.example/path", "secret": "***"}],
        "failing": "",
        "failing_code": "",
        "failing_args": {},
        "create_time": now,
        "version": 1,
        "update_time": now,
    }
    listed = await api.get("alarm_rules")
    assert listed == {"items": [shown], "total": 1, "page_total": 1}


async def test_several_levels_a_schedule_and_devices_come_back(api: Api, house: House, type_id: str) -> None:
    device_id = await api.new_device(type=type_id)
    levels = [{"level": 1, "raise": {**HOT, "deadband": 5}}, {"level": 3, "raise": {"or": [HOT, {"offline_ms": 5}]}}]
    schedule = {"timezone": "Asia/Shanghai", "hours": [{"days": [1], "from": "22:00", "to": "06:00"}]}
    body = {"name": "r", "devices": [device_id], "levels": levels, "schedule": schedule, "cool_down_ms": 5}
    rule_id = await new_rule(api, house, body)
    shown = await api.get(f"alarm_rule/{rule_id}")
    assert shown["levels"] == levels
    assert shown["schedule"] == schedule
    assert (shown["type"], shown["devices"]) == ("", [device_id])
    assert "raise" not in shown
    assert "level" not in shown


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": ""}, {"name"}),
        ({"type": "nosuch00"}, {"type"}),
        ({"type": None}, {"type"}),
        ({"devices": ["nosuch00"], "type": None}, {"devices[0]"}),
        ({"devices": ["x"]}, {"type"}),
        ({"level": 4}, {"level"}),
        ({"raise": None}, {"raise"}),
        ({"raise": {"attribute": "temperature"}}, {"raise.op"}),
        ({"raise": {**HOT, "value": 200}}, {"raise.value"}),
        ({"raise": {**HOT, "op": "=>"}}, {"raise.op"}),
        ({"raise": {**HOT, "valeu": 1}}, {"raise.valeu"}),
        ({"raise": {"and": [HOT, {"attribute": "mode", "op": ">", "value": 1}]}}, {"raise.and[1].op"}),
        ({"clear": {**HOT, "value": 90}}, {"clear"}),
        ({"levels": [{"level": 1, "raise": HOT}]}, {"levels"}),
        ({"raise_delay_ms": -1}, {"raise_delay_ms"}),
        ({"raise_count": 0}, {"raise_count"}),
        ({"schedule": {"hours": []}}, {"schedule.hours"}),
        ({"schedule": {"hours": [{"from": "8:00", "to": "09:00"}]}}, {"schedule.hours[0].from"}),
        ({"schedule": {"hours": [{"from": "08:00", "to": "09:00"}], "timezone": "Mars"}}, {"schedule.timezone"}),
        ({"notify": [{}]}, {"notify[0]"}),
        ({"notify": [{"webhook": "ftp://host/"}]}, {"notify[0].webhook"}),
        ({"notify": [{"webhook": "http://user@host/"}]}, {"notify[0].webhook"}),
        ({"notify": [{"webhook": "http://host/\r\nX: y"}]}, {"notify[0].webhook"}),
        ({"notify": [{"email": ["a@b.example\nBcc: c@d.example"]}]}, {"notify[0].email[0]"}),
        ({"notify": [{"email": []}]}, {"notify[0].email"}),
        ({"notify": [{"wecom": "http://host/", "secret": "x"}]}, {"notify[0].secret"}),
        ({"notify": [{"webhook": "http://host/", "wecom": "http://host/"}]}, {"notify[0]"}),
        ({"notify": [{"group": "nosuch00"}]}, {"notify"}),
    ],
)
async def test_an_impossible_rule_is_refused_by_its_part(
    api: Api, house: House, type_id: str, change: dict[str, Any], fields: set[str]
) -> None:
    body = {name: value for name, value in smallest(type_id, **change).items() if value is not None}
    refusal = await api.refusal("POST", "alarm_rule", body)
    assert (refusal.errcode, refusal.fields) == (400, fields)
    assert (await api.get("alarm_rules"))["total"] == 0


async def test_all_bad_parts_are_named_at_once(api: Api, type_id: str) -> None:
    body = smallest(type_id, **{"raise": {**HOT, "value": 200}, "notify": [{}], "name": " "})
    assert (await api.refusal("POST", "alarm_rule", body)).fields == {"name", "notify[0]", "raise.value"}


async def test_a_change_leaves_alone_what_it_does_not_name(api: Api, house: House, type_id: str) -> None:
    rule_id = await new_rule(api, house, smallest(type_id, schedule={"hours": [{"from": "00:00", "to": "24:00"}]}))
    before = await api.get(f"alarm_rule/{rule_id}")
    house.clock.advance(1)

    changed = await api.call("PUT", f"alarm_rule/{rule_id}", {"name": "Hotter", "raise": {**HOT, "value": 90}})
    assert [warning["attribute"] for warning in changed.pop("warnings")] == ["temperature"]
    new = {"name": "Hotter", "raise": {**HOT, "value": 90}, "update_time": house.clock.now_ms(), "version": 2}
    assert changed == before | new
    assert await api.get(f"alarm_rule/{rule_id}") == changed
    kept = await house.store.alarm_rules.get(api.project_id, rule_id)
    assert kept.channels[0].channel.secret == "shared"

    changed = await api.call("PUT", f"alarm_rule/{rule_id}", {"clear": None, "schedule": None, "notify": None})
    assert not changed.keys() & {"clear", "schedule"}
    assert changed["notify"] == []
    levels = [{"level": 1, "raise": HOT}, {"level": 2, "raise": {**HOT, "value": 90}}]
    changed = await api.call("PUT", f"alarm_rule/{rule_id}", {"levels": levels})
    assert changed["levels"] == levels
    changed = await api.call("PUT", f"alarm_rule/{rule_id}", {"raise": HOT, "level": 3})
    assert (changed["raise"], changed["level"], "levels" in changed) == (HOT, 3, False)
    device_id = await api.new_device()
    changed = await api.call("PUT", f"alarm_rule/{rule_id}", {"devices": [device_id]})
    assert (changed["type"], changed["devices"]) == ("", [device_id])
    assert (await api.refusal("PUT", f"alarm_rule/{rule_id}", {"raise": {"attribute": "x"}})).fields == {"raise.op"}


async def test_a_rule_read_can_be_written_back(api: Api, house: House, type_id: str) -> None:
    rule_id = await new_rule(api, house, smallest(type_id))
    shown = await api.get(f"alarm_rule/{rule_id}")
    written = await api.call("PUT", f"alarm_rule/{rule_id}", shown)
    assert [warning["attribute"] for warning in written.pop("warnings")] == ["temperature"]  # nobody reported it yet
    assert written == shown | {"version": 2}
    assert (await house.store.alarm_rules.get(api.project_id, rule_id)).channels[0].channel.secret == "shared"


async def test_a_rule_is_removed(api: Api, house: House, type_id: str) -> None:
    rule_id = await new_rule(api, house, smallest(type_id))
    await api.call("DELETE", f"alarm_rule/{rule_id}")
    assert (await api.refusal("GET", f"alarm_rule/{rule_id}")).errcode == 404
    assert (await api.refusal("DELETE", f"alarm_rule/{rule_id}")).errcode == 404
    await house.reopen()
    assert (await api.get("alarm_rules"))["total"] == 0


async def test_another_project_sees_nothing_of_a_rule(api: Api, stranger: Api, house: House, type_id: str) -> None:
    rule_id = await new_rule(api, house, smallest(type_id))
    device_id = await api.new_device(type=type_id)
    for method, path, body in (
        ("GET", f"alarm_rule/{rule_id}", None),
        ("PUT", f"alarm_rule/{rule_id}", {"name": "x"}),
        ("DELETE", f"alarm_rule/{rule_id}", None),
        ("GET", f"alarm_rule/{rule_id}/statistics", None),
        ("GET", f"alarm_rule/{rule_id}/trace", None),
        ("PUT", f"alarm_rule/{rule_id}/device/{device_id}", {"enabled": False}),
        ("POST", "alarm_rule_test", {"rule_id": rule_id}),
    ):
        assert (await stranger.refusal(method, path, body)).errcode == 404, path
    assert (await stranger.refusal("POST", "alarm_rule", smallest(type_id))).fields == {"type"}
    assert (await stranger.get("alarm_rules"))["total"] == 0


async def test_rules_are_narrowed(api: Api, house: House, type_id: str) -> None:
    device_id = await api.new_device(type=type_id)
    by_type = await new_rule(api, house, smallest(type_id))
    house.clock.advance(1)
    off = await new_rule(api, house, {"name": "off", "devices": [device_id], "raise": HOT, "enabled": False})

    async def ids(**query: Any) -> list[str]:
        return [item["id"] for item in (await api.get("alarm_rules", **query))["items"]]

    assert await ids() == [by_type, off]
    assert await ids(type=type_id) == [by_type]
    assert await ids(device=device_id) == [by_type, off]
    assert await ids(enabled=0) == [off]
    assert await ids(failing=1) == []
    assert await ids(page=2, page_records=1) == [off]


async def test_a_rule_is_switched_off_for_one_device(api: Api, house: House, type_id: str) -> None:
    rule_id = await new_rule(api, house, smallest(type_id))
    device_id = await api.new_device(type=type_id)
    await house.send(api.project_id, device_id, temperature=81)
    await api.call("PUT", f"alarm_rule/{rule_id}/device/{device_id}", {"enabled": False})
    await house.settle()
    assert (await api.get(f"device/{device_id}"))["alarm"] == {}
    assert (await api.get(f"alarm_rule/{rule_id}"))["disabled_devices"] == [device_id]
    await api.call("PUT", f"alarm_rule/{rule_id}/device/{device_id}", {"enabled": True})
    await house.settle()
    assert (await api.get(f"device/{device_id}"))["alarm"]["alarm_level"] == 2
    other = await api.new_device()
    assert (await api.refusal("PUT", f"alarm_rule/{rule_id}/device/{other}", {"enabled": False})).errcode == 404


async def test_a_rule_whose_attribute_changed_its_type_is_shown_as_failing(api: Api, house: House) -> None:
    device_id = await api.new_device()
    rule_id = await new_rule(api, house, {"name": "r", "devices": [device_id], "raise": {**HOT, "attribute": "x"}})
    await house.send(api.project_id, device_id, x="text")
    await house.settle()
    assert "x is compared as number" in (await api.get(f"alarm_rule/{rule_id}"))["failing"]
    assert (await api.get("alarm_rules", failing=1))["total"] == 1


async def test_statistics_add_up(api: Api, house: House, type_id: str) -> None:
    rule_id = await new_rule(api, house, smallest(type_id))
    device_id = await api.new_device(type=type_id)
    start = house.clock.now_ms()
    for temperature in (81, 70, 82):
        await house.send(api.project_id, device_id, temperature=temperature)
        house.clock.advance(1000)
    statistics = await api.get(f"alarm_rule/{rule_id}/statistics")
    assert statistics == {
        "raised_total": 2,
        "cleared_total": 1,
        "open_total": 1,
        "acknowledged_total": 0,
        "raised_last_day": 2,
        "last_raised_at": start + 2000,
        "last_cleared_at": start + 1000,
        "mean_open_ms": 1000,
    }


async def test_a_trace_says_why_a_rule_did_not_raise(api: Api, house: House, type_id: str) -> None:
    rule_id = await new_rule(api, house, smallest(type_id, raise_count=2))
    device_id = await api.new_device(type=type_id)
    for temperature in (79, 81):
        house.clock.advance(1)
        await house.send(api.project_id, device_id, temperature=temperature)
    trace = await api.get(f"alarm_rule/{rule_id}/trace", device=device_id)
    assert (trace["enabled"], trace["watched"], trace["failing"]) == (True, True, "")
    newest, before = trace["items"]
    assert newest["outcome"] == "level 2 raise holds for 1 of 2 values"
    assert newest["conditions"] == [{"condition": HOT, "value": 81, "holds": True}]
    assert (newest["phase"], before["phase"], trace["now"]["phase"]) == ("pending", None, "pending")
    assert (before["outcome"], before["attributes"]) == ("raise does not hold", {"temperature": 79})
    assert before["conditions"] == [{"condition": HOT, "value": 79, "holds": False}]
    assert trace["now"]["outcome"] == newest["outcome"]
    assert (await api.refusal("GET", f"alarm_rule/{rule_id}/trace", device="nosuch00")).errcode == 404
    off = await new_rule(api, house, smallest(type_id, enabled=False))
    assert await api.get(f"alarm_rule/{off}/trace") == {"enabled": False, "watched": False, "failing": ""}


async def test_a_trace_names_holds_cool_downs_and_schedules(api: Api, house: House, type_id: str) -> None:
    hours = {"hours": [{"from": "23:00", "to": "01:00"}]}  # the clock stands at 22:13:20
    scheduled = await new_rule(api, house, smallest(type_id, schedule=hours))
    held = await new_rule(api, house, smallest(type_id, raise_delay_ms=60_000, cool_down_ms=300_000))
    device_id = await api.new_device(type=type_id)
    start = house.clock.now_ms()
    await house.send(api.project_id, device_id, temperature=81)

    async def now(rule_id: str) -> str:
        return str((await api.get(f"alarm_rule/{rule_id}/trace", device=device_id))["now"]["outcome"])

    assert (await now(scheduled)).startswith("outside the hours of the schedule; raise does not hold; evaluated again")
    assert f"raise holds since {start}; it takes effect at {start + 60_000}" in await now(held)
    house.clock.advance(60_000)
    await house.settle()
    assert (await now(held)).startswith("level 2 is raised")
    for temperature in (70, 82):
        house.clock.advance(1)
        await house.send(api.project_id, device_id, temperature=temperature)
    assert f"the cool-down lasts until {start + 60_001 + 300_000}" in await now(held)


async def test_a_dry_run_tells_when_a_rule_would_have_raised(api: Api, house: House, type_id: str) -> None:
    device_id = await api.new_device(type=type_id)
    start = house.clock.now_ms()
    for temperature in (70, 81, 82, 70, 85):
        house.clock.advance(60_000)
        await house.send(api.project_id, device_id, temperature=temperature, mode="on")
    body: dict[str, Any] = {"rule": smallest(type_id, raise_delay_ms=60_000), "start_time": start, "device": device_id}
    house.clock.advance(120_000)
    answer = await api.call("POST", "alarm_rule_test", body)
    raised, cleared, again = answer["items"]
    assert raised == {
        "device_id": device_id,
        "ts": start + 3 * 60_000,
        "alarm_status": 1,
        "alarm_level": 2,
        "phase": "raised",
        "attributes": {"temperature": 81},
        "conditions": [HOT],
    }
    assert (cleared["ts"], cleared["alarm_status"], cleared["phase"]) == (start + 4 * 60_000, 0, "idle")
    assert again["ts"] == start + 6 * 60_000
    del answer["items"]
    totals = {"raised_total": 2, "cleared_total": 1, "open_total": 1}
    assert answer.pop("open_ms") > 0
    assert answer == {**totals, "phases": {"raised": 1}, "devices": 1, "points": 5, "complete": True, "notes": []}
    assert (await api.get("alarm_logs"))["total"] == 0

    later = {**body, "rule": smallest(type_id), "start_time": start + 150_000}  # after the second value, which counts
    assert [item["ts"] - start for item in (await api.call("POST", "alarm_rule_test", later))["items"]] == [
        150_000, 240_000, 300_000,
    ]  # fmt: skip


async def test_a_dry_run_replays_silence_and_says_what_it_cannot_know(api: Api, house: House, type_id: str) -> None:
    device_id = await api.new_device(type=type_id)
    start = house.clock.now_ms()
    await house.send(api.project_id, device_id, mode="on")
    house.clock.advance(10 * 60_000)
    await house.send(api.project_id, device_id, temperature=1)
    rule = {"name": "r", "type": type_id, "raise": {"or": [{"no_data_ms": 300_000}, {"offline_ms": 1}]}}
    answer = await api.call("POST", "alarm_rule_test", {"rule": rule, "start_time": start})
    assert [(item["ts"] - start, item["alarm_status"]) for item in answer["items"]] == [(300_000, 1), (600_000, 0)]
    assert len(answer["notes"]) == 1


async def test_a_dry_run_of_a_rule_that_exists(api: Api, house: House, type_id: str) -> None:
    rule_id = await new_rule(api, house, smallest(type_id))
    device_id = await api.new_device(type=type_id)
    await house.send(api.project_id, device_id, temperature=81)
    answer = await api.call("POST", "alarm_rule_test", {"rule_id": rule_id})
    assert (answer["raised_total"], answer["devices"]) == (1, 1)


@pytest.mark.parametrize(
    ("body", "errcode", "fields"),
    [
        ({}, 400, {"rule"}),
        ({"rule_id": "nosuch00"}, 404, set()),
        ({"rule_id": "x", "rule": {"name": "r", "devices": ["x"]}}, 400, {"rule"}),
        ({"rule": {"name": "r", "devices": ["nosuch00"], "raise": HOT}}, 400, {"devices[0]"}),
        ({"rule_id": "RULE", "device": "nosuch00"}, 404, set()),
        ({"rule_id": "RULE", "start_time": 2, "end_time": 1}, 400, {"start_time"}),
        ({"rule_id": "RULE", "start_time": 0}, 400, {"end_time"}),
        ({"rule_id": "RULE", "start_time": -1}, 400, {"start_time"}),
    ],
)
async def test_an_impossible_dry_run_is_refused(
    api: Api, house: House, type_id: str, body: dict[str, Any], errcode: int, fields: set[str]
) -> None:
    if body.get("rule_id") == "RULE":
        body = {**body, "rule_id": await new_rule(api, house, smallest(type_id))}
    refusal = await api.refusal("POST", "alarm_rule_test", body)
    assert (refusal.errcode, refusal.fields) == (errcode, fields)
