"""Alarm messages and open alarms."""

import pytest
from msgspec.structs import replace

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, alarm, device
from thingstead.errors import InvalidInput, NotFound
from thingstead.model.alarm import AlarmFilter
from thingstead.model.device import OpenAlarm, Page
from thingstead.storage.base import Store


@pytest.fixture
async def fleet(store: Store) -> Store:
    """The devices d1 and d2, and one of another project."""
    await store.devices.create_many([device("d1", name="One"), device("d2"), device("foreign", "theirs")])
    return store


async def ids(store: Store, **narrowing: int | str) -> list[str]:
    alarms, total = await store.alarms.list_page("ours", AlarmFilter(**narrowing), Page())  # type: ignore[arg-type]
    assert total == len(alarms)
    return [each.id for each in alarms]


async def open_alarm(store: Store, device_id: str = "d1") -> OpenAlarm | None:
    return (await store.devices.get_view("ours", device_id)).alarm


async def test_a_message_comes_back_with_its_devices_name_also_after_a_restart(backend: Backend, fleet: Store) -> None:
    given = alarm("a1", "d1", alarm_info={"attributes": {"t": 81.5}}, notify_logs=({"to": "x", "ok": True},))

    await fleet.alarms.record(given)

    named = replace(given, device_name="One")
    assert await fleet.alarms.list_page("ours", AlarmFilter(), Page()) == ([named], 1)
    assert await (await backend.reopen()).alarms.list_page("ours", AlarmFilter(), Page()) == ([named], 1)


async def test_an_alarm_is_raised_changed_and_cleared(fleet: Store) -> None:
    await fleet.alarms.record(alarm("a1", "d1", alarm_level=1, create_time=NOW))
    assert await open_alarm(fleet) == OpenAlarm(alarm_level=1, ts=NOW)

    await fleet.alarms.record(alarm("a2", "d1", alarm_level=3, create_time=NOW + 1))
    assert await open_alarm(fleet) == OpenAlarm(alarm_level=3, ts=NOW)

    await fleet.alarms.record(alarm("a3", "d1", alarm_status=0, create_time=NOW + 2))
    assert await open_alarm(fleet) is None
    assert await ids(fleet) == ["a3", "a2", "a1"]


async def test_one_alarm_is_open_per_rule_and_device(fleet: Store) -> None:
    await fleet.alarms.record(alarm("a1", "d1", rule_id="r1", alarm_level=2, create_time=NOW))
    await fleet.alarms.record(alarm("a2", "d1", rule_id="r2", alarm_level=2, create_time=NOW + 1))
    await fleet.alarms.record(alarm("a3", "d2", rule_id="r1", alarm_level=1, create_time=NOW + 2))
    assert await open_alarm(fleet) == OpenAlarm(alarm_level=2, ts=NOW)

    await fleet.alarms.record(alarm("a4", "d1", rule_id="r1", alarm_status=0))

    assert await open_alarm(fleet) == OpenAlarm(alarm_level=2, ts=NOW + 1)
    assert await open_alarm(fleet, "d2") == OpenAlarm(alarm_level=1, ts=NOW + 2)


async def test_clearing_what_is_not_open_leaves_a_message_only(fleet: Store) -> None:
    await fleet.alarms.record(alarm("a1", "d1", alarm_status=0))

    assert await open_alarm(fleet) is None
    assert await ids(fleet) == ["a1"]


@pytest.mark.parametrize("device_id", ["nowhere", "foreign"])
async def test_an_alarm_needs_a_device_of_its_project(fleet: Store, device_id: str) -> None:
    with pytest.raises(NotFound):
        await fleet.alarms.record(alarm("a1", device_id))

    assert await ids(fleet) == []


async def test_a_status_other_than_raised_and_cleared_is_refused_and_nothing_is_kept(fleet: Store) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await fleet.alarms.record(alarm("a1", "d1", alarm_status=2))

    assert refusal.value.errors[0].field == "alarm_status"
    assert await ids(fleet) == []


async def test_a_filter_shows_what_it_says(fleet: Store) -> None:
    await fleet.alarms.record(alarm("a1", "d1", alarm_level=1, create_time=NOW))
    await fleet.alarms.record(alarm("a2", "d2", alarm_level=2, create_time=NOW + 10))
    await fleet.alarms.record(alarm("a3", "d1", alarm_level=2, alarm_status=0, create_time=NOW + 20))
    await fleet.alarms.record(alarm("a4", "foreign", project_id="theirs"))

    assert await ids(fleet) == ["a3", "a2", "a1"]
    assert await ids(fleet, device_id="d1") == ["a3", "a1"]
    assert await ids(fleet, alarm_level=2) == ["a3", "a2"]
    assert await ids(fleet, alarm_status=1) == ["a2", "a1"]
    assert await ids(fleet, start_time=NOW + 10) == ["a3", "a2"]
    assert await ids(fleet, start_time=NOW, end_time=NOW + 10) == ["a2", "a1"]
    assert await ids(fleet, device_id="d1", alarm_level=2, alarm_status=0) == ["a3"]
    assert await ids(fleet, device_id="foreign") == []


async def test_messages_are_paged_newest_first_and_of_equal_instants_the_last_first(fleet: Store) -> None:
    for alarm_id, create_time, level in (("a1", NOW, 3), ("a2", NOW + 5, 2), ("a3", NOW, 1)):
        await fleet.alarms.record(alarm(alarm_id, "d1", create_time=create_time, alarm_level=level))

    for narrowing in (AlarmFilter(), AlarmFilter(device_id="d1")):
        pages = [await fleet.alarms.list_page("ours", narrowing, Page(number=page, records=2)) for page in (1, 2)]
        assert [([item.id for item in items], total) for items, total in pages] == [(["a2", "a3"], 3), (["a1"], 3)]
