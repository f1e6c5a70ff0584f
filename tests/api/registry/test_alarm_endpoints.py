"""Alarm messages of a project and of a device."""

from typing import Any

import pytest

from tests.api.registry.house import Api, House
from thingstead.model.alarm import AlarmLog


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
    assert await numbers(path=f"device/{second}/alarm_logs", status=1) == [2]
    assert await numbers(path=f"device/{second}/alarm_logs", device=first) == [3, 2]
    assert await numbers(caller=stranger, device=first) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"level": 4}, "level"),
        ({"level": "x"}, "level"),
        ({"status": 2}, "status"),
        ({"start": -1}, "start"),
        ({"end": 1e20}, "end"),
        ({"page": 0}, "page"),
        ({"page_records": 101}, "page_records"),
    ],
)
async def test_an_impossible_query_is_refused_by_its_field(api: Api, query: dict[str, Any], field: str) -> None:
    for path in ("alarm_logs", f"device/{await api.new_device()}/alarm_logs"):
        refusal = await api.refusal("GET", path, **query)
        assert (refusal.errcode, refusal.fields) == (400, {field})
