"""Alarms, their messages, the states of rules, and what becomes of them in one commit."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, act, alarm, alarm_rule, device, ended, record
from thingstead.errors import NotFound
from thingstead.model.alarms.alarm import AlarmAction, AlarmChange, AlarmFilter, AlarmOutcome, KeptState, LevelTotals
from thingstead.model.device import OpenAlarm, Page
from thingstead.model.report import Report
from thingstead.refusals import reason
from thingstead.storage.base import Store
from thingstead.storage.base_alarms import DueDevice
from thingstead.storage.sql.tables.alarms import alarm_pruning
from thingstead.storage.sql.tables.alarms.alarms import HOUR_MS


@pytest.fixture
async def fleet(store: Store) -> Store:
    """The devices d1 and d2, and one of another project; rules r1 and r2."""
    await store.devices.create_many([device("d1", name="One"), device("d2"), device("foreign", "theirs")])
    for rule_id in ("r1", "r2"):
        await store.alarm_rules.create(alarm_rule(rule_id, device_ids=("d1", "d2")))
    return store


async def ids(store: Store, **narrowing: Any) -> list[str]:
    alarms, total = await store.alarms.list_page("ours", AlarmFilter(**narrowing), Page())
    assert total == len(alarms)
    return [each.id for each in alarms]


async def open_alarm(store: Store, device_id: str = "d1") -> OpenAlarm | None:
    return (await store.devices.get_view("ours", device_id)).alarm


async def test_a_message_comes_back_with_its_devices_name_also_after_a_restart(backend: Backend, fleet: Store) -> None:
    given = alarm("a1", "d1", alarm_info={"attributes": {"t": 81.5}})

    await record(fleet, given)

    named = replace(given, device_name="One")
    assert await fleet.alarms.list_page("ours", AlarmFilter(), Page()) == ([named], 1)
    assert await (await backend.reopen()).alarms.list_page("ours", AlarmFilter(), Page()) == ([named], 1)


async def test_an_alarm_is_raised_changed_and_cleared(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1", alarm_level=1, create_time=NOW))
    assert await open_alarm(fleet) == OpenAlarm(alarm_level=1, ts=NOW)

    await record(fleet, alarm("a2", "d1", alarm_id="a1", alarm_level=3, create_time=NOW + 1))
    assert await open_alarm(fleet) == OpenAlarm(alarm_level=3, ts=NOW)

    await record(fleet, alarm("a3", "d1", alarm_id="a1", alarm_status=0, create_time=NOW + 2))
    assert await open_alarm(fleet) is None
    assert await ids(fleet) == ["a3", "a2", "a1"]
    kept = await fleet.alarms.get("ours", "a1")
    assert (kept.alarm_level, kept.raised_at, kept.cleared_at, kept.device_name) == (3, NOW, NOW + 2, "One")
    assert await fleet.alarms.get("ours", "a3") == kept


async def test_a_whole_life_fits_into_one_commit(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1"), alarm("a2", "d1", alarm_id="a1", alarm_status=0), alarm("a3", "d1"))

    assert await ids(fleet) == ["a3", "a2", "a1"]
    assert (await fleet.alarms.get("ours", "a1")).cleared_at == NOW
    assert (await fleet.alarms.get("ours", "a3")).cleared_at is None


async def test_one_alarm_is_open_per_rule_and_device_whoever_raises_it(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1", rule_id="r1", alarm_level=2, create_time=NOW))
    await record(fleet, alarm("a2", "d1", rule_id="r2", alarm_level=2, create_time=NOW + 1))
    await record(fleet, alarm("a3", "d2", rule_id="r1", alarm_level=1, create_time=NOW + 2))
    await record(fleet, alarm("a4", "d1", rule_id="r1", alarm_level=3))  # of a node that did not know of a1

    assert await open_alarm(fleet) == OpenAlarm(alarm_level=2, ts=NOW)
    assert await ids(fleet) == ["a3", "a2", "a1"]

    await record(fleet, alarm("a5", "d1", alarm_id="a1", rule_id="r1", alarm_status=0))
    assert await open_alarm(fleet) == OpenAlarm(alarm_level=2, ts=NOW + 1)
    assert await open_alarm(fleet, "d2") == OpenAlarm(alarm_level=1, ts=NOW + 2)


async def test_what_has_no_effect_leaves_no_message(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1", alarm_status=0))
    await record(fleet, alarm("a2", "nowhere"))
    await record(fleet, alarm("a3", "foreign"))
    assert await ids(fleet) == []

    await record(fleet, alarm("a4", "d1"), alarm("a5", "d1", alarm_id="a4", alarm_status=0))
    await record(fleet, alarm("a6", "d1", alarm_id="a4", alarm_status=0))
    await record(fleet, alarm("a7", "d1", alarm_id="a4", alarm_level=3))
    assert await ids(fleet) == ["a5", "a4"]


async def test_a_change_is_kept_with_the_report_of_the_same_turn_or_not_at_all(fleet: Store) -> None:
    number = (await fleet.devices.get("ours", "d1")).number
    report = fleet.history.append(Report(number, NOW, NOW, {"t": 81}))
    change = AlarmChange(
        project_id="ours", device_id="d1", rule_id="r1", state=b"s", messages=(alarm("a1", "d1", rule_id="r1"),)
    )

    assert fleet.alarms.append([change]) is report
    assert await ended(report) is None
    assert await ids(fleet) == ["a1"]


async def test_a_state_is_kept_until_the_rule_is_idle_again(backend: Backend, fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1", rule_id="r1"), state=b"on", due_at=NOW + 9)
    await record(fleet, alarm("x", "d2", rule_id="r2", alarm_status=0), state=b"pending", due_at=NOW + 5)
    await record(fleet, alarm("x", "d2", rule_id="r1", alarm_status=0), state=b"pending", due_at=NOW + 6)

    store = await backend.reopen()
    assert await store.alarms.states("d1") == [
        KeptState(rule_id="r1", state=b"on", alarm_id="a1", alarm_level=2, due_at=NOW + 9),
    ]
    assert await store.alarms.list_due() == [DueDevice("ours", "d1", NOW + 9), DueDevice("ours", "d2", NOW + 5)]

    await record(store, alarm("a2", "d1", alarm_id="a1", rule_id="r1", alarm_status=0))
    assert await store.alarms.states("d1") == []
    assert await store.alarms.list_due() == [DueDevice("ours", "d2", NOW + 5)]


async def test_a_state_of_a_rule_or_device_that_is_gone_is_passed_over(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1", rule_id="gone"), state=b"on")
    await record(fleet, alarm("a2", "gone", rule_id="r1"), state=b"on")

    assert await fleet.alarms.states("d1") == [KeptState(rule_id="gone", state=None, alarm_id="a1", alarm_level=2)]
    assert await fleet.alarms.states("gone") == []


async def test_alarms_are_acknowledged_once_and_commented(backend: Backend, fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1"))

    assert (await act(fleet, "acknowledge", at=NOW + 1, comment="on my way")).changed
    assert not (await act(fleet, "acknowledge", by="bob", at=NOW + 2)).changed
    await act(fleet, "comment", by="bob", at=NOW + 2, comment="thanks")

    kept = await (await backend.reopen()).alarms.get("ours", "a1")
    assert (kept.acknowledged_at, kept.acknowledged_by) == (NOW + 1, "alice")
    assert [(comment.by, comment.text) for comment in kept.comments] == [("alice", "on my way"), ("bob", "thanks")]


async def test_an_alarm_of_another_project_does_not_exist(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1"))
    alarms = fleet.alarms
    for call in (
        alarms.get("theirs", "a1"),
        alarms.get("ours", "nosuch"),
    ):
        with pytest.raises(NotFound):
            await call
    for verb in ("acknowledge", "comment", "shelve", "unshelve"):
        action = AlarmAction(verb=verb, by="eve", at=NOW, until=NOW + 1)
        assert await alarms.act("theirs", ["a1"], action) == [AlarmOutcome("a1", refusal=reason("no_such_alarm"))]


async def test_comments_are_bounded(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1"))
    for number in range(100):
        await act(fleet, "comment", comment=str(number))
    for verb in ("comment", "acknowledge"):
        refused = await act(fleet, verb, comment="one more")
        assert (refused.changed, refused.refusal) == (False, reason("too_many_comments", maximum=100))
    assert (await fleet.alarms.get("ours", "a1")).acknowledged_at is None


async def test_many_alarms_are_acknowledged_in_one_go_and_each_by_itself(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1", rule_id="r1"))
    await record(fleet, alarm("a2", "d1", rule_id="r2"))
    await act(fleet, "acknowledge", "a2", by="bob")

    action = AlarmAction(verb="acknowledge", by="alice", at=NOW + 5)
    outcomes = await fleet.alarms.act("ours", ["nosuch", "a2", "a1"], action)

    assert [(each.id, each.changed, each.refusal) for each in outcomes] == [
        ("nosuch", False, reason("no_such_alarm")),
        ("a2", False, None),
        ("a1", True, None),
    ]
    assert (await fleet.alarms.get("ours", "a2")).acknowledged_by == "bob"


async def test_a_shelf_of_many_is_never_shortened(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1", rule_id="r1"))
    assert (await act(fleet, "shelve", until=NOW + 10)).changed
    assert not (await act(fleet, "shelve", until=NOW + 5)).changed
    shorter = AlarmAction(verb="shelve", by="alice", at=NOW, until=NOW + 5)
    await fleet.alarms.act("ours", ["a1"], shorter, again=True)
    assert (await fleet.alarms.get("ours", "a1")).shelved_until == NOW + 5


async def test_what_needs_attention_is_open_or_not_acknowledged(fleet: Store) -> None:
    for number in range(1, 5):
        await record(fleet, alarm(f"a{number}", "d1", rule_id=f"r{number}", alarm_level=1 + number % 3))
    for name in ("a1", "a2"):
        await act(fleet, "acknowledge", name)
    for name in ("a2", "a3"):
        await record(fleet, alarm(f"c{name}", "d1", rule_id=f"r{name[1]}", alarm_id=name, alarm_status=0))

    async def found(**narrowing: Any) -> list[str]:
        listed, total = await fleet.alarms.list_alarms("ours", AlarmFilter(**narrowing), Page())
        assert await fleet.alarms.list_ids("ours", AlarmFilter(**narrowing), 10) == ([one.id for one in listed], total)
        return [one.id for one in listed]

    assert await found(attention=True) == ["a4", "a3", "a1"]
    assert await found(attention=False) == ["a2"]
    acknowledge = AlarmAction(verb="acknowledge", by="x", at=NOW)
    assert await found(undone=acknowledge) == ["a4", "a3"]
    assert await found(undone=replace(acknowledge, verb="clear")) == ["a4", "a1"]
    assert await found(undone=replace(acknowledge, verb="shelve", until=NOW + 1)) == ["a2", "a1"]  # r3, r4: no rules
    stat = await fleet.alarms.stat("ours", NOW - HOUR_MS, 2)
    assert stat.open == LevelTotals(total=2, alarm_2_total=2)
    assert stat.unacknowledged == LevelTotals(total=2, alarm_1_total=1, alarm_2_total=1)
    assert (stat.attention_total, [hour.total for hour in stat.raised]) == (3, [0, 4])
    assert (await fleet.alarms.stat("theirs", NOW - HOUR_MS, 2)).attention_total == 0


async def test_a_shelf_ends_by_itself_or_by_hand(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1", rule_id="r1"))
    await act(fleet, "shelve", until=NOW + 10)
    assert (await fleet.alarms.get("ours", "a1")).shelved_until == NOW + 10

    assert await fleet.alarms.end_shelves(NOW + 9) == 0
    assert await fleet.alarms.end_shelves(NOW + 10) == 1
    assert (await fleet.alarms.get("ours", "a1")).shelved_until is None

    await act(fleet, "shelve", until=NOW + 20)
    await act(fleet, "unshelve", at=NOW + 11)
    assert (await fleet.alarms.get("ours", "a1")).shelved_until is None


async def test_a_filter_shows_what_it_says(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1", alarm_level=1, create_time=NOW))
    await record(fleet, alarm("a2", "d2", alarm_level=2, create_time=NOW + 10))
    await record(fleet, alarm("a3", "d1", alarm_id="a1", alarm_level=2, alarm_status=0, create_time=NOW + 20))
    await record(fleet, alarm("a4", "foreign", project_id="theirs"))

    assert await ids(fleet) == ["a3", "a2", "a1"]
    assert await ids(fleet, device_id="d1") == ["a3", "a1"]
    assert await ids(fleet, rule_id="rule-1") == ["a3", "a2", "a1"]
    assert await ids(fleet, rule_id="other") == []
    assert await ids(fleet, alarm_level=2) == ["a3", "a2"]
    assert await ids(fleet, alarm_status=1) == ["a2", "a1"]
    assert await ids(fleet, start_time=NOW + 10) == ["a3", "a2"]
    assert await ids(fleet, start_time=NOW, end_time=NOW + 10) == ["a2", "a1"]
    assert await ids(fleet, device_id="d1", alarm_level=2, alarm_status=0) == ["a3"]
    assert await ids(fleet, device_id="foreign") == []


async def test_alarms_are_listed_by_what_they_are(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1", create_time=NOW))
    await record(fleet, alarm("a2", "d2", alarm_level=3, create_time=NOW + 10))
    await record(fleet, alarm("a3", "d1", alarm_id="a1", alarm_status=0, create_time=NOW + 20))
    await record(fleet, alarm("a4", "d1", alarm_level=1, create_time=NOW + 30))
    await act(fleet, "acknowledge", "a2", at=NOW)

    async def alarms(**narrowing: Any) -> list[str]:
        found, total = await fleet.alarms.list_alarms("ours", AlarmFilter(**narrowing), Page())
        assert total == len(found)
        return [each.id for each in found]

    assert await alarms() == ["a4", "a2", "a1"]
    assert await alarms(alarm_status=1) == ["a4", "a2"]
    assert await alarms(alarm_status=0) == ["a1"]
    assert await alarms(acknowledged=True) == ["a2"]
    assert await alarms(acknowledged=False, alarm_status=1) == ["a4"]
    assert await alarms(device_id="d1", start_time=NOW + 1) == ["a4"]
    assert await fleet.alarms.list_alarms("theirs", AlarmFilter(), Page()) == ([], 0)


async def test_messages_are_paged_newest_first_and_of_equal_instants_the_last_first(fleet: Store) -> None:
    for number, create_time in ((1, NOW), (2, NOW + 5), (3, NOW)):
        await record(fleet, alarm(f"a{number}", "d1", rule_id=f"r{number}", create_time=create_time))

    for narrowing in (AlarmFilter(), AlarmFilter(device_id="d1")):
        pages = [await fleet.alarms.list_page("ours", narrowing, Page(number=page, records=2)) for page in (1, 2)]
        assert [([item.id for item in items], total) for items, total in pages] == [(["a2", "a3"], 3), (["a1"], 3)]


async def test_an_alarm_is_dropped_when_its_end_is_past_its_time(backend: Backend, fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1", create_time=NOW), alarm("a2", "d2", create_time=NOW))
    await record(fleet, alarm("a3", "d1", alarm_id="a1", alarm_status=0, create_time=NOW + 10, ts=5))

    assert await fleet.alarms.prune("ours", NOW + 10) == 0
    assert await fleet.alarms.prune("theirs", NOW + 11) == 0
    assert await fleet.alarms.prune("ours", NOW + 11) == 1
    assert await fleet.alarms.prune("ours", NOW + 11) == 0
    assert await ids(await backend.reopen()) == ["a2"]


async def test_of_an_open_alarm_the_first_and_the_newest_message_are_never_dropped(fleet: Store) -> None:
    await record(fleet, *(alarm(f"a{n}", "d1", alarm_id="a1", alarm_level=1 + n % 3) for n in range(1, 6)))
    await act(fleet, "acknowledge", "a1", at=NOW)

    assert await fleet.alarms.prune("ours", NOW + 1) == 3
    assert await ids(fleet) == ["a5", "a1"]
    kept = await fleet.alarms.get("ours", "a1")
    assert (kept.cleared_at, kept.alarm_level, kept.acknowledged_by) == (None, 3, "alice")
    assert await open_alarm(fleet) == OpenAlarm(alarm_level=3, ts=NOW)


async def test_alarms_are_dropped_in_steps(fleet: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm_pruning, "STEP", 2)
    for number in range(5):
        await record(fleet, alarm(f"a{number}", "d1"), alarm(f"b{number}", "d1", alarm_id=f"a{number}", alarm_status=0))
    assert [await fleet.alarms.prune("ours", NOW + 1) for _ in range(4)] == [2, 2, 1, 0]


async def test_statistics_go_on_counting_what_was_dropped(fleet: Store) -> None:
    for number, open_ms in enumerate((100, 300, 800)):
        begun = NOW + number * 1_000
        raised = alarm(f"a{number}", "d1", rule_id="r1", create_time=begun)
        cleared = alarm(
            f"b{number}", "d1", rule_id="r1", alarm_id=raised.id, alarm_status=0, create_time=begun + open_ms
        )
        await record(fleet, raised, cleared)
    await record(fleet, alarm("open", "d2", rule_id="r1", create_time=NOW + 5))
    before = await fleet.alarm_rules.statistics("ours", "r1", NOW + 2_000)
    assert (before.raised_total, before.cleared_total, before.open_total, before.mean_open_ms) == (4, 3, 1, 400)

    for instant in (NOW + 200, NOW + 2_000, NOW + 9_000):
        await fleet.alarms.prune("ours", instant)
        after = await fleet.alarm_rules.statistics("ours", "r1", NOW + 2_000)
        assert replace(after, raised_last_day=before.raised_last_day) == before
    await fleet.alarm_rules.delete("ours", "r1", NOW, "gone")
    assert await fleet.alarms.prune("ours", NOW + 9_000) == 1
