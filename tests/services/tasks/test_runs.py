"""What runs do to their devices: effects, results, functions, slices, and ends before their time."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.services.tasks.conftest import HOUR, START, Office
from thingstead.errors import Conflict, NotFound
from thingstead.model import limits
from thingstead.model.console.bulk import Actor
from thingstead.model.device import Page
from thingstead.model.message_rules.rule_form import MessageRuleForm
from thingstead.model.tasks.run import TaskResult, TaskRun
from thingstead.model.tasks.task import Task, TaskAction
from thingstead.model.tasks.task_form import TaskPatch
from thingstead.services.tasks.slices import SLICE_DEVICES, slices_of
from thingstead.storage.commit import settled

ACTOR = Actor(kind="cli", id="")
NEVER = {"cron": "0 0 1 1 *"}


async def run_now(office: Office, task: Task) -> TaskRun:
    """A run by hand, to its end."""
    begun = await office.platform.tasks.run_now(office.project_id, task.id, ACTOR)
    await office.scheduler.runner.run()
    return await office.platform.tasks.get_run(office.project_id, task.id, begun.id)


async def results(office: Office, run: TaskRun) -> list[TaskResult]:
    found, _ = await office.store.task_runs.list_results(run.number, None, Page(records=100))
    return [each.result for each in found]


async def test_each_device_gets_the_attributes_and_a_result(office: Office) -> None:
    await office.add_devices(3)
    task = await office.add_task(schedule=NEVER, devices=[*office.device_ids])
    await office.store.devices.delete(office.project_id, office.device_ids[0])

    run = await run_now(office, task)

    assert (run.state, run.trigger, run.actor, run.total, run.done, run.refused) == ("done", "manual", ACTOR, 3, 2, 1)
    found = {each.device_id: each for each in await results(office, run)}
    assert found[office.device_ids[0]].code == "no_such_device"
    assert await office.values(office.device_ids[1:]) == [{"lamp": True}] * 2
    assert office.scheduler.runner.results == {"done": 2, "refused": 1}


async def test_a_filter_selects_the_devices_when_a_run_begins(desk: Office) -> None:
    await desk.add_devices(2)
    task = await desk.add_task(schedule=NEVER, filter={"keyword": "DEVICE"})
    await desk.add_devices(SLICE_DEVICES)

    run = await run_now(desk, task)

    assert (run.total, run.done) == (SLICE_DEVICES + 2, SLICE_DEVICES + 2)
    assert await desk.values() == [{"lamp": True}] * (SLICE_DEVICES + 2)


async def test_a_push_of_a_run_starts_message_rules_which_are_traced_to_the_run(desk: Office) -> None:
    await desk.add_devices(1)
    body = {"name": "seen", "on": "after_push", "devices": desk.device_ids, "actions": [{"set": {"seen": True}}]}
    rule = await desk.platform.message_rules.create(desk.project_id, msgspec.convert(body, MessageRuleForm))
    task = await desk.add_task(schedule=NEVER)

    run = await run_now(desk, task)
    await desk.platform.message_rules.runner.sweep()

    (evaluation,) = (await desk.platform.message_rules.trace(desk.project_id, rule.id)).items
    assert run.id in evaluation.message_id
    async with asyncio.timeout(60):
        while await desk.values() != [{"lamp": True, "seen": True}]:  # noqa: ASYNC110 - a row
            await asyncio.sleep(0)


async def test_a_command_is_issued_and_its_state_is_shown(office: Office) -> None:
    await office.add_devices(2)
    command = {"method": "light", "params": {"level": 3}, "wait_ms": HOUR}
    task = await office.add_task(schedule=NEVER, action={"command": command})

    run = await run_now(office, task)

    found, _ = await office.store.task_runs.list_results(run.number, "done", Page())
    assert [each.command_state for each in found] == ["queued", "queued"]
    for each in found:
        stored = await office.store.commands.get(each.result.device_id, each.result.command_id)
        assert (stored.method, stored.params, stored.state) == ("light", {"level": 3}, "queued")


async def test_custom_data_for_a_device_without_a_connection_is_refused(desk: Office) -> None:
    await desk.add_devices(1)
    task = await desk.add_task(schedule=NEVER, action={"data": {"identifier": "s", "format": "hex", "body": "01 02"}})
    run = await run_now(desk, task)
    assert [(each.result, each.code) for each in await results(desk, run)] == [("refused", "device_offline")]


@pytest.mark.parametrize(
    ("source", "result", "outcomes"),
    [
        ("return {name: Cloud.getDeviceInfo().name}", "push", [("done", "")] * 2),
        ("return null", "push", [("empty", "")] * 2),
        ("return {}", "command", [("empty", "")] * 2),
        ("return {method: 'light', params: {level: 1}, wait_ms: 60000}", "command", [("done", "")] * 2),
        ("return {method: 5}", "command", [("refused", "function_no_command")] * 2),
        ("return [1]", "push", [("refused", "function_no_object")] * 2),
        ("return a.b", "push", [("refused", "function_failed")] * 2),
        ("return {type: 'hex', msg: '01 02'}", "data", [("refused", "device_offline")] * 2),
    ],
)
async def test_a_function_says_for_each_device_what_is_done(
    desk: Office, source: str, result: str, outcomes: list[tuple[str, str]]
) -> None:
    await desk.add_devices(2)
    action = {"function": f"module.exports = function () {{ {source} }}", "result": result}
    if result == "data":
        action["identifier"] = "s"
    task = await desk.add_task(schedule=NEVER, action=action)

    run = await run_now(desk, task)

    assert [(each.result, each.code) for each in await results(desk, run)] == outcomes
    if "getDeviceInfo" in source:
        assert await desk.values() == [{"name": "device 0"}, {"name": "device 1"}]


async def test_a_second_run_waits_for_the_end_of_the_first_and_a_cancelled_one_acts_on_no_further_device(
    office: Office,
) -> None:
    await office.add_devices(2)
    task = await office.add_task(schedule=NEVER)
    begun = await office.platform.tasks.run_now(office.project_id, task.id, ACTOR)
    with pytest.raises(Conflict, match="has not ended"):
        await office.platform.tasks.run_now(office.project_id, task.id, ACTOR)

    cancelled = await office.platform.tasks.cancel(office.project_id, task.id, begun.id)
    await office.scheduler.runner.run()

    assert (cancelled.state, cancelled.done) == ("cancelled", 0)
    assert await office.values() == [{}, {}]
    with pytest.raises(Conflict, match="ended already"):
        await office.platform.tasks.cancel(office.project_id, task.id, begun.id)
    assert (await run_now(office, task)).state == "done"


async def test_a_run_goes_on_after_a_restart_and_acts_on_no_device_twice(office: Office) -> None:
    await office.add_devices(3)
    task = await office.add_task(schedule=NEVER, action={"command": {"method": "count", "wait_ms": HOUR}})
    begun = await office.platform.tasks.run_now(office.project_id, task.id, ACTOR)
    part = await office.store.task_runs.next_part(begun.number)
    assert part is not None
    first, *rest = part.device_ids
    await settled(office.store.task_runs.finish_part(part, rest, lambda: [TaskResult(first, "done")], START))

    office.begin_server()
    await office.scheduler.runner.run()

    run = await office.platform.tasks.get_run(office.project_id, task.id, begun.id)
    assert (run.state, run.done) == ("done", 3)
    issued = [len((await office.store.commands.list_page(each, Page()))[0]) for each in part.device_ids]
    assert issued == [0, 1, 1]


async def test_a_task_that_is_removed_leaves_nothing(office: Office) -> None:
    await office.add_devices(2)
    task = await office.add_task(schedule=NEVER)
    await run_now(office, task)
    await office.platform.tasks.run_now(office.project_id, task.id, ACTOR)

    await office.platform.tasks.delete(office.project_id, task.id)
    await office.scheduler.runner.run()
    await office.scheduler.clear()

    with pytest.raises(NotFound):
        await office.platform.tasks.list_runs(office.project_id, task.id, Page())
    assert await office.store.task_runs.list_open(office.project_id) == []


async def test_a_run_with_a_bug_fails_alone(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.add_devices(1)
    broken = await desk.add_task(schedule=NEVER, action={"push": {"a": 1}})
    sound = await desk.add_task(schedule=NEVER, action={"push": {"b": 2}})
    runs = [await desk.platform.tasks.run_now(desk.project_id, task.id, ACTOR) for task in (broken, sound)]
    plain = TaskAction.plain
    monkeypatch.setattr(TaskAction, "plain", lambda self: plain(self) if self.push == {"b": 2} else 1 / 0)

    await desk.scheduler.runner.run()

    ended = [await desk.platform.tasks.get_run(desk.project_id, run.task_id, run.id) for run in runs]
    assert [(run.state, run.code) for run in ended] == [("failed", "internal_error"), ("done", "")]


async def test_runs_of_a_project_take_turns_and_devices_are_bounded_in_time(desk: Office) -> None:
    await desk.add_devices(2 * SLICE_DEVICES)
    tasks = [await desk.add_task(schedule=NEVER, action={"push": {name: 1}}) for name in "ab"]
    runs = [await desk.platform.tasks.run_now(desk.project_id, task.id, ACTOR) for task in tasks]

    working = asyncio.create_task(desk.scheduler.runner.run())
    async with asyncio.timeout(60):
        second = runs[1]
        while not second.done:
            await asyncio.sleep(0)
            second = await desk.platform.tasks.get_run(desk.project_id, second.task_id, second.id)
    first = await desk.platform.tasks.get_run(desk.project_id, runs[0].task_id, runs[0].id)
    assert (first.state, second.done) == ("running", SLICE_DEVICES)
    await working


@pytest.mark.parametrize(
    ("action", "sizes"),
    [
        ({"push": {"a": 1}}, [50, 50, 20]),
        ({"push": {str(number): 1 for number in range(100)}}, [10] * 12),
        ({"command": {"method": "m", "params": {"text": "x" * 200_000}}}, [5] * 24),
        ({"function": "module.exports = function () {}"}, [16] * 7 + [8]),
    ],
)
def test_a_slice_is_bounded_in_devices_values_and_bytes(action: dict[str, object], sizes: list[int]) -> None:
    made = slices_of([str(number) for number in range(120)], msgspec.convert(action, TaskAction))
    assert [len(each) for each in made] == sizes


async def test_a_command_that_the_commit_refuses_is_a_refused_result(office: Office) -> None:
    await office.add_devices(2)
    full, free = office.device_ids
    device = await office.store.devices.get(office.project_id, full)
    for _ in range(limits.OPEN_COMMANDS_COUNT):
        commit, _ = office.store.commands.append(await office.platform.control.draft(device, "m", wait_ms=HOUR))
    await settled(commit)
    task = await office.add_task(schedule=NEVER, action={"command": {"method": "m"}})

    run = await run_now(office, task)

    found = {each.device_id: (each.result, each.code, bool(each.command_id)) for each in await results(office, run)}
    assert found == {full: ("refused", "open_commands_full", False), free: ("done", "", True)}
    assert (run.done, run.refused) == (1, 1)
    assert office.scheduler.runner.results == {"done": 1, "refused": 1}


async def test_a_task_that_is_changed_is_planned_anew_only_if_its_schedule_is(desk: Office) -> None:
    await desk.add_devices(1)
    task = await desk.add_task(schedule={"every_ms": HOUR, "start_at": START + HOUR, "max_runs": 1})
    await desk.until(START + HOUR)
    await desk.serve()

    async def change(**members: Any) -> Task:
        patch = msgspec.convert(members, TaskPatch)
        return (await desk.platform.tasks.update(desk.project_id, task.id, patch))[0]

    assert (await change(name="other")).state == "ended"
    assert (await change(enabled=False)).state == "off"
    assert (await change(enabled=True)).state == "ended", "it had its run"
    again = await change(schedule={"every_ms": HOUR, "max_runs": 1})
    assert (again.state, again.run_count, again.due_at) == ("scheduled", 0, START + 2 * HOUR)
    assert (await change(descr="text")).due_at == START + 2 * HOUR
    off = await change(enabled=False)
    await desk.until(START + 10 * HOUR)
    on = await change(enabled=True)
    assert (off.due_at, on.due_at) == (0, START + 11 * HOUR), "what passed meanwhile was not missed"


async def test_a_run_that_is_cancelled_while_a_slice_waits_for_its_turn_does_not_apply_it(desk: Office) -> None:
    await desk.add_devices(2)
    task = await desk.add_task(schedule=NEVER)
    begun = await desk.platform.tasks.run_now(desk.project_id, task.id, ACTOR)
    turns = desk.scheduler.runner._turns

    async with turns.turn("another project", 0.0):
        working = asyncio.create_task(desk.scheduler.runner.run())
        async with asyncio.timeout(60):
            while not turns._waiting:  # noqa: ASYNC110 - a turn of somebody else
                await asyncio.sleep(0)
        await desk.platform.tasks.cancel(desk.project_id, task.id, begun.id)
    await working

    assert await desk.values() == [{}, {}]
    assert (await desk.platform.tasks.get_run(desk.project_id, task.id, begun.id)).done == 0
