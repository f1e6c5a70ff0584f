"""Rates of messages: what counts, and how long it is kept."""

from typing import Any

import pytest

from tests.api.planes.plane import Plane, Played
from tests.api.registry.house import Api, House
from tests.stores import ask, without_table
from thingstead.model.console.message_stat import MINUTE_MS
from thingstead.model.messages import AlarmChanged

HOUR_MS, DAY_MS = 60 * MINUTE_MS, 24 * 60 * MINUTE_MS


async def rows(api: Api, **query: Any) -> list[dict[str, int]]:
    """Spans in which something happened, without their zeros."""
    items = (await api.get("message_stat", **query))["items"]
    found = [{name: number for name, number in item.items() if number} for item in items]
    return [item for item in found if item.keys() != {"ts"}]


async def minute_over(house: House) -> None:
    house.clock.advance(MINUTE_MS)
    await house.platform.message_stat.look()


async def test_messages_count_by_kind_and_direction(
    house: House, api: Api, device: Plane, app: Plane, played: Played
) -> None:
    begin = house.clock.now_ms()
    await device.ask("POST", "attributes", {"level": 5, "free": 1})
    await device.ask("POST", "attributes", {"level": 11, "free": 2})  # in part
    await device.ask("POST", "attributes", {"level": 12})
    await device.ask("POST", "event/report", {"method": "opened", "params": {"by": "me"}})
    await device.send("POST", "data/frames", content=b'{"a":1}')
    await app.ask("POST", "attributes", {"level": 5})
    await app.ask("PUT", "attributes", {"note": "n"})
    await app.ask("POST", "command/send", {"method": "go"})
    played.reply(await played.commands.get(), done=True)
    house.bus.publish(AlarmChanged(played.device.id, "a", "r", 1, 2, {}, begin, "raise"))
    house.bus.publish(AlarmChanged(played.device.id, "a", "r", 1, 3, {}, begin, "level"))
    house.bus.publish(AlarmChanged(played.device.id, "a", "r", 0, 2, {}, begin, "clear"))
    assert await rows(api, interval="1m") == []
    await minute_over(house)
    assert await rows(api, interval="1m") == [
        {
            "ts": begin // MINUTE_MS * MINUTE_MS,
            "up_attributes": 2,
            "up_events": 1,
            "up_replies": 1,
            "up_data": 1,
            "refused": 2,
            "down_attributes": 1,
            "down_commands": 1,
            "points": 5,
            "alarms_raised": 1,
            "alarms_cleared": 1,
            "online_max": 1,
            "online_min": 1,
        }
    ]


async def test_spans_are_listed_without_gaps_by_default_of_the_last_day_by_hour(house: House, api: Api) -> None:
    now = house.clock.now_ms()
    info = await api.get("message_stat")
    assert info["interval_ms"] == HOUR_MS
    starts = [item["ts"] for item in info["items"]]
    assert starts == list(range((now - DAY_MS) // HOUR_MS * HOUR_MS, now + 1, HOUR_MS))
    assert {item["points"] for item in info["items"]} == {0}


async def test_minutes_are_kept_for_two_days_and_hours_for_400(house: House, api: Api, device: Plane) -> None:
    begin = house.clock.now_ms()
    for _ in range(2):
        await device.ask("POST", "attributes", {"level": 5})
        await minute_over(house)
    house.clock.advance(2 * DAY_MS)
    await house.platform.message_stat.look()
    await device.ask("POST", "attributes", {"level": 5})
    await minute_over(house)
    of_minutes = await rows(api, interval="1m", start_time=0)
    assert [row["up_attributes"] for row in of_minutes] == [1]
    hours = await rows(api, interval="1h", start_time=begin)
    assert [row["up_attributes"] for row in hours] == [2, 1]
    assert [row["up_attributes"] for row in await rows(api, interval="1d", start_time=begin)] == [2, 1]
    house.clock.advance(399 * DAY_MS)
    await house.platform.message_stat.look()
    await device.ask("POST", "attributes", {"level": 5})
    await minute_over(house)
    days = (await house.platform.message_stat.read(api.project_id, 0, None, DAY_MS)).items
    assert [day.up_attributes for day in days if day.up_attributes] == [1, 1]
    kept = [ask(house.store, f"SELECT count(*) FROM message_{table}") for table in ("minutes", "hours")]
    assert kept == [[(1,)], [(2,)]]


async def test_the_least_of_devices_online_counts_the_minute_when_the_last_left(
    house: House, api: Api, played: Played
) -> None:
    await minute_over(house)
    await house.platform.presence.close(played.device, "session1", "gone")
    await minute_over(house)
    await minute_over(house)
    by_minute = [
        (item["online_max"], item["online_min"]) for item in (await api.get("message_stat", interval="1m"))["items"]
    ]
    assert by_minute[-4:-1] == [(1, 1), (0, 0), (0, 0)]
    (hour,) = await rows(api, interval="1h")
    assert (hour["online_max"], hour.get("online_min", 0)) == (1, 0)
    assert ask(house.store, "SELECT count(*) FROM message_minutes") == [(2,)], "a quiet minute has no row"


async def test_projects_count_apart(house: House, api: Api, device: Plane) -> None:
    await device.ask("POST", "attributes", {"level": 5})
    await minute_over(house)
    other = await house.platform.projects.create()
    assert [
        item.points for item in (await house.platform.message_stat.read(other.project_id, None, None, HOUR_MS)).items
    ][-1] == 0
    assert (await rows(api))[0]["points"] == 1


async def test_a_stop_keeps_what_the_minute_had(house: House, api: Api, device: Plane) -> None:
    await device.ask("POST", "attributes", {"level": 5})
    await house.platform.message_stat.close()
    await house.reopen()
    await device.ask("POST", "attributes", {"level": 6})
    await minute_over(house)
    assert [row["up_attributes"] for row in await rows(api, interval="1m")] == [2], "one row of the minute"


async def test_what_cannot_be_written_is_counted_again(house: House, api: Api, device: Plane) -> None:
    await device.ask("POST", "attributes", {"level": 5})
    with without_table(house.store, "message_hours"), pytest.raises(Exception):  # noqa: B017, PT011 - whatever it raises
        await minute_over(house)
    await house.platform.message_stat.look()
    assert [row["up_attributes"] for row in await rows(api, interval="1m")] == [1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"interval": "7m"}, "interval"),
        ({"start_time": 5, "end_time": 4}, "start_time"),
        ({"end_time": -1}, "end_time"),
    ],
)
async def test_a_bad_range_is_refused_by_name(api: Api, query: dict[str, Any], field: str) -> None:
    assert (await api.refusal("GET", "message_stat", **query)).fields == {field}


async def test_a_range_that_is_kept_no_longer_is_empty(api: Api) -> None:
    assert (await api.get("message_stat", start_time=0, end_time=1))["items"] == []
