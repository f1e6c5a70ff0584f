"""Message rules: their source, their devices, and the work that they have to do."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, command, device, device_type
from thingstead.errors import Conflict, InvalidInput, NotFound
from thingstead.model.device import Page
from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.rule import (
    MessageCondition,
    MessageRule,
    MessageRuleBody,
    MessageRuleFilter,
    RuleTotals,
)
from thingstead.model.message_rules.work import Cause, EffectCount, Work, WorkItem
from thingstead.storage.base import Store
from thingstead.storage.commit import settled

BODY = MessageRuleBody(
    condition=MessageCondition(attribute="t", op=">", value=30), actions=(Action(push={"fan": True}, delay_ms=5),)
)


def message_rule(rule_id: str, project_id: str = "ours", **more: Any) -> MessageRule:
    values = {"name": rule_id, "on_message": "after_report", "body": BODY, "create_time": NOW, "update_time": NOW}
    return MessageRule(id=rule_id, project_id=project_id, **{**values, **more})


def item(rule_id: str, **more: Any) -> WorkItem:
    return WorkItem("ours", "d1", rule_id, NOW, Cause("m1", (rule_id,)), **more)


@pytest.fixture
async def fleet(store: Store) -> Store:
    """Three devices, two of them of a type."""
    await store.device_types.create(device_type("t1"))
    await store.devices.create_many([device("d1", type_id="t1"), device("d2", type_id="t1"), device("d3")])
    return store


async def test_a_rule_comes_back_as_it_was_given_also_after_a_restart(backend: Backend, fleet: Store) -> None:
    by_type = message_rule("r1", type_id="t1")
    by_device = message_rule("r2", device_ids=("d1", "d3"), enabled=False, create_time=NOW + 1)
    for rule in (by_type, by_device):
        await fleet.message_rules.create(rule)
    await fleet.message_rules.set_exception("ours", "r1", "d2", enabled=False)

    rules = (await backend.reopen()).message_rules
    assert await rules.get("ours", "r1") == replace(by_type, disabled_devices=("d2",))
    assert await rules.list_enabled("", 10) == [replace(by_type, disabled_devices=("d2",))]
    assert (await rules.list_page("ours", MessageRuleFilter(), Page()))[1] == await rules.count("ours") == 2
    await rules.set_exception("ours", "r1", "d2", enabled=True)
    await rules.replace(replace(by_device, name="other", device_ids=("d2",)), 1)
    assert await rules.get("ours", "r1") == by_type
    changed = await rules.get("ours", "r2")
    assert (changed.name, changed.device_ids, changed.version) == ("other", ("d2",), 2)
    with pytest.raises(Conflict):
        await rules.replace(by_device, 1)


async def test_a_filter_shows_what_it_says(fleet: Store) -> None:
    rules = fleet.message_rules
    await rules.create(message_rule("r1", type_id="t1", name="Fan"))
    await rules.create(message_rule("r2", device_ids=("d1", "d3"), on_message="event", create_time=NOW + 1))
    await rules.create(message_rule("r3", device_ids=("d3",), enabled=False, create_time=NOW + 2))

    async def listed(**narrowing: Any) -> list[str]:
        found, total = await rules.list_page("ours", MessageRuleFilter(**narrowing), Page())
        assert total == len(found)
        return [rule.id for rule in found]

    assert await listed(type_id="t1") == ["r1"]
    assert await listed(device_id="d1") == ["r1", "r2"]
    assert await listed(on_message="event") == ["r2"]
    assert await listed(enabled=False) == ["r3"]
    assert await listed(keyword="fa") == ["r1"]
    assert await rules.count_of_source("ours", "t1", (), None) == 1
    assert await rules.count_of_source("ours", None, ("d1", "d3"), None) == 2
    assert await rules.count_of_source("ours", None, ("d1", "d3"), "r2") == 1


async def test_a_rule_of_another_project_does_not_exist(fleet: Store) -> None:
    rules = fleet.message_rules
    await rules.create(message_rule("r1", type_id="t1"))
    for call in (
        rules.get("theirs", "r1"),
        rules.replace(message_rule("r1", "theirs")),
        rules.delete("theirs", "r1"),
        rules.set_exception("theirs", "r1", "d1", enabled=False),
        rules.set_exception("ours", "r1", "d3", enabled=False),
        rules.totals("theirs", "r1"),
    ):
        with pytest.raises(NotFound):
            await call
    assert await rules.count("ours") == 1


@pytest.mark.parametrize(
    ("more", "field"), [({"type_id": "nowhere"}, "type"), ({"device_ids": ("d1", "nowhere")}, "devices[1]")]
)
async def test_what_a_rule_names_must_exist(fleet: Store, more: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await fleet.message_rules.create(message_rule("r1", **more))
    assert [error.field for error in refusal.value.errors] == [field]


async def test_work_waits_over_a_restart_until_it_is_finished_and_counted(backend: Backend, fleet: Store) -> None:
    await fleet.message_rules.create(message_rule("r1", type_id="t1"))
    items = [item("r1")]
    at_once = Work(7, 0, items, "ours")
    commit = fleet.message_rules.append_work(at_once)
    items.append(item("r1"))  # until the commit begins
    await settled(commit)

    rules = (await backend.reopen()).message_rules
    [waiting] = await rules.list_work(0, 10)
    assert waiting[:4] == (7, 0, "ours", 2)
    assert waiting.size_bytes > 0
    assert await rules.read_work(7) == Work(7, 0, [item("r1"), item("r1")], "ours")
    later = Work(8, NOW + 5, [item("r1", action=Action(push={"fan": True}, delay_ms=5))])
    await settled(rules.finish_work(7, [later], [EffectCount("r1", 3, NOW), EffectCount("gone", 1, NOW)]))
    await settled(rules.finish_work(9, [], [EffectCount("r1", 2, NOW + 1)]))
    assert [each[:2] for each in await rules.list_work(0, 10)] == [(8, NOW + 5)]
    assert await rules.list_work(8, 10) == []
    assert await rules.read_work(7) is None
    assert await rules.read_work(8) == later
    assert await rules.totals("ours", "r1") == RuleTotals(effects=5, last_effect_at=NOW + 1)
    await rules.delete("ours", "r1")
    with pytest.raises(NotFound):
        await rules.totals("ours", "r1")


async def test_a_command_that_is_refused_does_not_harm_the_commit_that_it_is_in(fleet: Store) -> None:
    _, refused = fleet.commands.append(command("c1", "nowhere"))
    commit, taken = fleet.commands.append(command("c2", "d1"))
    await settled(commit)
    assert [type(error) for error in refused] == [NotFound]
    assert taken == []
    assert (await fleet.commands.get("d1", "c2")).state == "queued"
