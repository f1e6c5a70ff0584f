"""Alarm rules: their source, their channels, and what becomes of their alarms."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, act, alarm, alarm_rule, channel, device, device_type, notify_group, record
from thingstead.errors import InvalidInput, NotFound
from thingstead.model.alarms.alarm import AlarmFilter, KeptState
from thingstead.model.alarms.rule import AlarmRuleFilter, RuleStatistics
from thingstead.model.device import Page
from thingstead.refusals import reason
from thingstead.storage.base import Store


@pytest.fixture
async def fleet(store: Store) -> Store:
    """Three devices, two of them of a type, and a group to tell."""
    await store.device_types.create(device_type("t1"))
    await store.devices.create_many([device("d1", type_id="t1"), device("d2", type_id="t1"), device("d3")])
    await store.notify.create_group(notify_group("g1"))
    return store


async def listed(store: Store, **narrowing: object) -> list[str]:
    rules, total = await store.alarm_rules.list_page("ours", AlarmRuleFilter(**narrowing), Page())  # type: ignore[arg-type]
    assert total == len(rules)
    return [rule.id for rule in rules]


async def test_a_rule_comes_back_as_it_was_given_also_after_a_restart(backend: Backend, fleet: Store) -> None:
    by_type = alarm_rule("r1", type_id="t1", channels=(channel("c2"), channel("c1")), group_ids=("g1",))
    by_device = alarm_rule("r2", device_ids=("d1", "d3"), disabled_devices=("d3",), create_time=NOW + 1)
    for rule in (by_type, by_device):
        await fleet.alarm_rules.create(rule)

    store = await backend.reopen()
    assert await store.alarm_rules.get("ours", "r1") == by_type
    assert await store.alarm_rules.list_page("ours", AlarmRuleFilter(), Page()) == ([by_type, by_device], 2)
    assert await store.alarm_rules.list_enabled("", 10) == [by_type, by_device]
    assert await store.alarm_rules.list_enabled("r1", 10) == [by_device]
    assert await store.alarm_rules.count("ours") == 2


async def test_a_rule_of_another_project_does_not_exist(fleet: Store) -> None:
    await fleet.alarm_rules.create(alarm_rule("r1", type_id="t1"))
    rules = fleet.alarm_rules
    for call in (
        rules.get("theirs", "r1"),
        rules.replace(alarm_rule("r1", "theirs"), NOW, None),
        rules.delete("theirs", "r1", NOW, ""),
        rules.set_exception("theirs", "r1", "d1", NOW, ""),
        rules.statistics("theirs", "r1", NOW),
    ):
        with pytest.raises(NotFound):
            await call
    assert await listed(fleet) == ["r1"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"type_id": "nowhere"}, "type"),
        ({"device_ids": ("d1", "nowhere")}, "devices[1]"),
        ({"device_ids": ("d1",), "group_ids": ("nowhere",)}, "notify"),
    ],
)
async def test_what_a_rule_names_must_exist(fleet: Store, more: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await fleet.alarm_rules.create(alarm_rule("r1", **more))
    assert [error.field for error in refusal.value.errors] == [field]
    assert await listed(fleet) == []


async def test_a_filter_shows_what_it_says(fleet: Store) -> None:
    for number, rule in enumerate((
        alarm_rule("r1", type_id="t1"),
        alarm_rule("r2", device_ids=("d1", "d3")),
        alarm_rule("r3", device_ids=("d3",), enabled=False),
    )):  # fmt: skip
        await fleet.alarm_rules.create(replace(rule, create_time=NOW + number))
    await fleet.alarm_rules.note_failing("r2", "t is a text")

    assert await listed(fleet) == ["r1", "r2", "r3"]
    assert await listed(fleet, type_id="t1") == ["r1"]
    assert await listed(fleet, device_id="d1") == ["r1", "r2"]
    assert await listed(fleet, device_id="d3") == ["r2", "r3"]
    assert await listed(fleet, enabled=False) == ["r3"]
    assert await listed(fleet, failing=True) == ["r2"]
    assert await listed(fleet, failing=False) == ["r1", "r3"]
    assert [rule.id for rule in await fleet.alarm_rules.list_enabled("", 10)] == ["r1", "r2"]


async def test_replacing_with_a_reason_clears_the_alarms_and_forgets_the_states(fleet: Store) -> None:
    rule = alarm_rule("r1", type_id="t1")
    await fleet.alarm_rules.create(rule)
    await record(fleet, alarm("a1", "d1", rule_id="r1"), state=b"on")
    await record(fleet, alarm("a2", "d2", rule_id="r1"), state=b"on")

    renamed = replace(rule, name="renamed", update_time=NOW + 1)
    assert await fleet.alarm_rules.replace(renamed, NOW + 1, None) == []
    assert (await fleet.alarms.states("d1"))[0].state == b"on"

    moved = replace(renamed, type_id=None, device_ids=("d3",), update_time=NOW + 2)
    closed = await fleet.alarm_rules.replace(moved, NOW + 2, "the rule was changed")
    assert [(message.alarm_id, message.alarm_status) for message in closed] == [("a1", 0), ("a2", 0)]
    assert (await fleet.alarms.get("ours", "a1")).clear_reason == "the rule was changed"
    assert await fleet.alarms.states("d1") == []
    assert await fleet.alarm_rules.get("ours", "r1") == replace(moved, version=3)
    logs, _ = await fleet.alarms.list_page("ours", AlarmFilter(alarm_status=0), Page())
    assert logs[0].alarm_info["reason"] == "the rule was changed"


async def test_a_removed_rule_leaves_its_alarms_cleared(fleet: Store) -> None:
    await fleet.alarm_rules.create(alarm_rule("r1", type_id="t1", channels=(channel("c1"),)))
    await record(fleet, alarm("a1", "d1", rule_id="r1"), state=b"on")
    await act(fleet, "shelve", until=NOW + 1)

    closed = await fleet.alarm_rules.delete("ours", "r1", NOW, "the rule was removed")

    assert [message.alarm_id for message in closed] == ["a1"]
    assert (await fleet.alarms.get("ours", "a1")).clear_reason == "the rule was removed"
    assert await fleet.alarms.states("d1") == []
    assert await listed(fleet) == []
    assert (await act(fleet, "shelve", until=NOW + 1)).refusal == reason("alarm_rule_removed")


async def test_a_rule_is_switched_off_and_on_for_a_device(fleet: Store) -> None:
    rule = alarm_rule("r1", type_id="t1")
    await fleet.alarm_rules.create(rule)
    await record(fleet, alarm("a1", "d1", rule_id="r1"), state=b"on")
    await record(fleet, alarm("a2", "d2", rule_id="r1"), state=b"on")

    closed = await fleet.alarm_rules.set_exception("ours", "r1", "d1", NOW, "switched off")

    assert [message.alarm_id for message in closed] == ["a1"]
    assert (await fleet.alarm_rules.get("ours", "r1")).disabled_devices == ("d1",)
    assert await fleet.alarms.states("d2") == [KeptState(rule_id="r1", state=b"on", alarm_id="a2", alarm_level=2)]
    assert await fleet.alarm_rules.set_exception("ours", "r1", "d1", NOW, None) == []
    assert await fleet.alarm_rules.get("ours", "r1") == rule
    with pytest.raises(NotFound):
        await fleet.alarm_rules.set_exception("ours", "r1", "d3", NOW, None)


async def test_a_device_that_leaves_the_source_leaves_its_alarms_cleared(fleet: Store) -> None:
    await fleet.alarm_rules.create(alarm_rule("r1", type_id="t1"))
    await record(fleet, alarm("a1", "d1", rule_id="r1"), state=b"on")
    closed = await fleet.alarm_rules.leave_source("d1", ["r1", "nosuch"], NOW, "left")
    assert [message.alarm_id for message in closed] == ["a1"]
    assert await fleet.alarms.states("d1") == []


async def test_the_devices_of_a_source_come_in_order_piece_by_piece(fleet: Store) -> None:
    rules = fleet.alarm_rules
    by_type, by_device = alarm_rule("r1", type_id="t1"), alarm_rule("r2", device_ids=("d3", "d1"))
    first = await rules.devices_of(by_type, None, 1)
    assert [each.id for each in first] == ["d1"]
    assert [each.id for each in await rules.devices_of(by_type, first[0], 5)] == ["d2"]
    assert [each.id for each in await rules.devices_of(by_device, None, 5)] == ["d1", "d3"]


async def test_removing_a_device_takes_it_out_of_every_rule(fleet: Store) -> None:
    await fleet.alarm_rules.create(alarm_rule("r1", device_ids=("d1", "d3"), disabled_devices=("d1",)))
    await record(fleet, alarm("a1", "d1", rule_id="r1"), state=b"on")
    await fleet.devices.delete("ours", "d1")
    rule = await fleet.alarm_rules.get("ours", "r1")
    assert (rule.device_ids, rule.disabled_devices) == (("d3",), ())
    assert await fleet.alarms.list_page("ours", AlarmFilter(), Page()) == ([], 0)


async def test_statistics_add_up_the_alarms_of_a_rule(fleet: Store) -> None:
    await fleet.alarm_rules.create(alarm_rule("r1", type_id="t1"))
    assert await fleet.alarm_rules.statistics("ours", "r1", NOW) == RuleStatistics()
    await record(fleet, alarm("a1", "d1", rule_id="r1"))
    await record(fleet, alarm("a2", "d1", rule_id="r1", alarm_id="a1", alarm_status=0, create_time=NOW + 10))
    await record(fleet, alarm("a3", "d1", rule_id="r1", create_time=NOW + 20))
    await act(fleet, "acknowledge", "a3", at=NOW + 21)
    assert await fleet.alarm_rules.statistics("ours", "r1", NOW + 5) == RuleStatistics(
        raised_total=2,
        cleared_total=1,
        open_total=1,
        acknowledged_total=1,
        raised_last_day=1,
        last_raised_at=NOW + 20,
        last_cleared_at=NOW + 10,
        mean_open_ms=10,
    )
