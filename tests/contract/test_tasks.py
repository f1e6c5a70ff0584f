"""Tasks: due instants, runs that begin once, the devices that wait, and the results."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, command, device
from thingstead.errors import Conflict, NotFound
from thingstead.model.console.device_selection import DeviceSelection
from thingstead.model.cursor import ListCursor
from thingstead.model.device import Page
from thingstead.model.tasks.run import RunPart, TaskResult, TaskRun
from thingstead.model.tasks.task import RUNS_WAITING_DEVICES, Task, TaskAction, TaskFilter, TaskSchedule
from thingstead.storage.base import Store
from thingstead.storage.commit import settled

ACTION = TaskAction(push={"lamp": "亮"})
HOUR = 3_600_000


def task(task_id: str, project_id: str = "ours", **more: Any) -> Task:
    values = {
        "name": task_id, "schedule": TaskSchedule(every_ms=HOUR, start_at=NOW), "device_ids": ("d1", "d2", "d3"),
        "action": ACTION, "due_at": NOW, "create_time": NOW, "update_time": NOW,
    }  # fmt: skip
    return Task(id=task_id, project_id=project_id, **{**values, **more})


def run_of(found: Task, run_id: str, **more: Any) -> TaskRun:
    values = {
        "trigger": "schedule", "planned_at": found.due_at, "last_planned_at": found.due_at, "begin_time": NOW,
        "total": 3, "task_version": found.version, "action": found.action,
    }  # fmt: skip
    return TaskRun(id=run_id, project_id=found.project_id, task_id=found.id, **{**values, **more})


PARTS = (("d1", "d2"), ("d3",))


async def begun(store: Store, found: Task, run_id: str, **more: Any) -> TaskRun:
    assert await store.tasks.claim(found, found.due_at + HOUR, run_of(found, run_id, **more), PARTS) == "begun"
    return await store.task_runs.get(found.project_id, found.id, run_id)


async def all_done(store: Store, part: RunPart, at: int) -> None:
    results = [TaskResult(device_id, "done") for device_id in part.device_ids]
    await settled(store.task_runs.finish_part(part, (), lambda: results, at))


async def test_a_task_comes_back_as_it_was_given_also_after_a_restart(backend: Backend, store: Store) -> None:
    named = task("t1")
    selected = task(
        "t2", device_ids=(), selection=DeviceSelection(group="g1", tag=["a:b"]), due_at=0, create_time=NOW + 1
    )
    for each in (named, selected):
        await store.tasks.create(each, 10)

    tasks = (await backend.reopen()).tasks
    assert await tasks.get("ours", "t1") == named
    assert await tasks.list_page("ours", TaskFilter(), Page()) == ([named, selected], 2)
    await tasks.replace(replace(named, name="Lamp", enabled=False, due_at=0), 1, due=True)
    assert await tasks.get("ours", "t1") == replace(named, name="Lamp", enabled=False, due_at=0, version=2)
    assert (await tasks.list_page("ours", TaskFilter(enabled=True), Page()))[0] == [selected]
    assert (await tasks.list_page("ours", TaskFilter(keyword="lam"), Page()))[1] == 1
    with pytest.raises(Conflict):
        await tasks.replace(named, 1)
    with pytest.raises(NotFound):
        await tasks.get("theirs", "t1")
    with pytest.raises(NotFound):
        await tasks.delete("theirs", "t1")


async def test_a_project_has_a_bounded_number_of_tasks(store: Store) -> None:
    await store.tasks.create(task("t1"), 1)
    with pytest.raises(Conflict):
        await store.tasks.create(task("t2"), 1)


async def test_due_tasks_are_listed_in_order_and_by_pages(store: Store) -> None:
    for task_id, due_at in (("t1", NOW + 2), ("t2", NOW + 1), ("t3", NOW + 2), ("t4", NOW + 9), ("t5", 0)):
        await store.tasks.create(task(task_id, due_at=due_at), 10)

    first = await store.tasks.list_due(None, NOW + 5, (0, ""), 2)
    rest = await store.tasks.list_due("ours", NOW + 5, (first[-1].due_at, first[-1].id), 2)

    assert [each.id for each in (*first, *rest)] == ["t2", "t1", "t3"]
    assert await store.tasks.list_due("theirs", NOW + 5, (0, ""), 2) == []
    assert (await store.tasks.due_projects(NOW + 5), await store.tasks.due_projects(NOW)) == (["ours"], [])
    assert await store.tasks.next_due(NOW + 5) == NOW + 9
    assert await store.tasks.next_due(NOW + 9) is None


async def test_a_planned_instant_is_taken_once(store: Store) -> None:
    await store.tasks.create(task("t1"), 10)
    found = await store.tasks.get("ours", "t1")

    assert await store.tasks.claim(found, NOW + HOUR, run_of(found, "r1"), PARTS) == "begun"
    assert await store.tasks.claim(found, NOW + HOUR, run_of(found, "r2"), PARTS) == "lost"

    after = await store.tasks.get("ours", "t1")
    assert (after.due_at, after.run_count, after.version) == (NOW + HOUR, 1, 1)
    assert [run.id for run in (await store.task_runs.list_page("ours", "t1", Page()))[0]] == ["r1"]
    await store.tasks.replace(replace(after, name="other"))
    assert await store.tasks.claim(after, NOW + 2 * HOUR, run_of(after, "r3"), PARTS) == "lost"


async def test_an_instant_at_which_a_run_has_not_ended_is_left_out_and_said(store: Store) -> None:
    await store.tasks.create(task("t1", schedule=TaskSchedule(every_ms=HOUR, start_at=NOW, max_runs=2)), 10)
    await begun(store, await store.tasks.get("ours", "t1"), "r1")

    for run_id in ("r2", "r3"):
        found = await store.tasks.get("ours", "t1")
        assert await store.tasks.claim(found, found.due_at + HOUR, run_of(found, run_id), PARTS) == "left_out"

    left_out = (await store.task_runs.list_page("ours", "t1", Page()))[0][0]
    assert (left_out.state, left_out.instants, left_out.total) == ("left_out", 2, 0)
    assert (left_out.planned_at, left_out.last_planned_at) == (NOW + HOUR, NOW + 2 * HOUR)
    after = await store.tasks.get("ours", "t1")
    assert (after.due_at, after.run_count) == (NOW + 3 * HOUR, 1)
    assert await store.task_runs.cancel("ours", "t1", "r1", NOW + 5)
    await begun(store, after, "r4")
    assert (await store.tasks.get("ours", "t1")).due_at == 0, "it was the last of two"


async def test_missed_instants_are_one_row(store: Store) -> None:
    await store.tasks.create(task("t1"), 10)
    for _ in range(2):
        found = await store.tasks.get("ours", "t1")
        missed = run_of(
            found,
            f"m{found.due_at}",
            state="missed",
            instants=5,
            last_planned_at=found.due_at + 4,
            end_time=NOW,
            total=0,
        )
        assert await store.tasks.pass_over(found, found.due_at + HOUR, missed)
        assert not await store.tasks.pass_over(found, found.due_at + HOUR, missed)

    runs, total = await store.task_runs.list_page("ours", "t1", Page())
    assert (total, runs[0].instants, runs[0].last_planned_at) == (1, 10, NOW + HOUR + 4)
    assert (await store.tasks.get("ours", "t1")).run_count == 0


async def test_the_results_of_a_part_and_its_end_are_one_transaction_and_the_last_part_ends_the_run(
    backend: Backend, store: Store
) -> None:
    await store.devices.create_many([device("d1"), device("d2")])
    sent = command("c1", "d1")
    await store.commands.create(sent)
    await store.tasks.create(task("t1"), 10)
    run = await begun(store, await store.tasks.get("ours", "t1"), "r1")
    first = await store.task_runs.next_part(run.number)
    assert first is not None
    assert first.device_ids == ("d1", "d2")

    results = [TaskResult("d1", "done", command_id="c1"), TaskResult("d2", "refused", "device_offline", {"n": 1})]
    await settled(store.task_runs.finish_part(first, ("d2",), lambda: results[:1], NOW + 1))
    rest = await store.task_runs.next_part(run.number)
    assert rest is not None
    assert (rest.position, rest.device_ids) == (0, ("d2",))
    await settled(store.task_runs.finish_part(rest, (), lambda: results[1:], NOW + 2))
    runs = (await backend.reopen()).task_runs
    last = await runs.next_part(run.number)
    assert last is not None
    assert last.device_ids == ("d3",)
    assert [each.id for each in await runs.list_open("ours")] == ["r1"]
    assert (await runs.open_projects(), await runs.list_open("theirs")) == (["ours"], [])
    await settled(runs.finish_part(last, (), lambda: [TaskResult("d3", "empty")], NOW + 3))

    ended = await runs.get("ours", "t1", "r1")
    assert (ended.state, ended.end_time, ended.done, ended.empty, ended.refused) == ("done", NOW + 3, 1, 1, 1)
    assert await runs.next_part(run.number) is None
    assert await runs.read(run.number) is None
    assert await runs.list_open("ours") == []
    listed, total = await runs.list_results(run.number, None, Page())
    assert [(each.result, each.ts, bool(each.name), each.command_state) for each in listed] == [
        (results[0], NOW + 1, True, "queued"),
        (results[1], NOW + 2, True, ""),
        (TaskResult("d3", "empty"), NOW + 3, False, ""),
    ]
    assert total == 3
    assert [each.result.device_id for each in (await runs.list_results(run.number, "refused", Page()))[0]] == ["d2"]
    cursor = ListCursor()
    page = Page(records=2, cursor=cursor)
    assert len((await runs.list_results(run.number, None, page))[0]) == 2
    assert (await runs.newest(["t1", "t9"])).keys() == {"t1"}


async def test_what_is_cancelled_has_no_devices_that_wait(store: Store) -> None:
    await store.tasks.create(task("t1"), 10)
    run = await begun(store, await store.tasks.get("ours", "t1"), "r1")
    with pytest.raises(Conflict):
        await store.task_runs.begin(replace(run, id="r2", number=0, trigger="manual"), PARTS)
    with pytest.raises(NotFound):
        await store.task_runs.cancel("theirs", "t1", "r1", NOW)

    assert await store.task_runs.cancel("ours", "t1", "r1", NOW + 1)
    assert not await store.task_runs.cancel("ours", "t1", "r1", NOW + 2)

    assert await store.task_runs.next_part(run.number) is None
    assert (await store.task_runs.get("ours", "t1", "r1")).state == "cancelled"
    for run_id in ("r2", "r3"):
        await store.task_runs.begin(replace(run, id=run_id, number=0, trigger="manual"), PARTS)
        number = (await store.task_runs.get("ours", "t1", run_id)).number
        await store.task_runs.end(number, NOW + 3, "failed", "internal_error")
    failed = (await store.task_runs.list_page("ours", "t1", Page()))[0][:2]
    assert [(each.state, each.code, each.planned_at) for each in failed] == [
        ("failed", "internal_error", NOW + 1),
        ("failed", "internal_error", NOW),
    ]


async def test_a_run_fails_if_too_many_devices_of_the_project_wait(store: Store) -> None:
    for task_id in ("t1", "t2"):
        await store.tasks.create(task(task_id), 10)
    await begun(store, await store.tasks.get("ours", "t1"), "r1", total=RUNS_WAITING_DEVICES)

    second = await begun(store, await store.tasks.get("ours", "t2"), "r2")

    assert (second.state, second.code, second.args) == (
        "failed", "too_many_devices_wait", {"maximum": RUNS_WAITING_DEVICES},
    )  # fmt: skip


async def test_runs_beyond_the_newest_and_old_ones_are_deleted_with_their_results(store: Store) -> None:
    await store.tasks.create(task("t1"), 10)
    for number in range(4):
        run = await begun(store, await store.tasks.get("ours", "t1"), f"r{number}")
        while part := await store.task_runs.next_part(run.number):
            await all_done(store, part, NOW + number)

    await store.task_runs.limit("t1", 3, 1_000)
    assert [run.id for run in (await store.task_runs.list_page("ours", "t1", Page()))[0]] == ["r3", "r2", "r1"]
    await store.task_runs.limit("t1", 3, 7)
    assert [run.id for run in (await store.task_runs.list_page("ours", "t1", Page()))[0]] == ["r3", "r2"]
    await store.task_runs.drop_old(NOW + 3)
    assert [run.id for run in (await store.task_runs.list_page("ours", "t1", Page()))[0]] == ["r3"]
    with pytest.raises(NotFound):
        await store.task_runs.get("ours", "t1", "r2")
    while await store.task_runs.purge():
        pass
    await store.tasks.delete("ours", "t1")
    newest = (await store.task_runs.newest(["t1"])).get("t1")
    assert newest is None
    while await store.task_runs.purge():
        pass
    assert not await store.task_runs.purge()


async def test_an_instant_that_had_a_run_has_no_second_one_also_if_the_clock_was_set_back(store: Store) -> None:
    await store.tasks.create(task("t1"), 10)
    await begun(store, await store.tasks.get("ours", "t1"), "r1")
    assert await store.task_runs.cancel("ours", "t1", "r1", NOW)
    found = await store.tasks.get("ours", "t1")
    await store.tasks.replace(replace(found, due_at=NOW), due=True)

    again = await store.tasks.get("ours", "t1")

    assert await store.tasks.claim(again, NOW + HOUR, run_of(again, "r2"), PARTS) == "lost"
    assert (await store.tasks.get("ours", "t1")).due_at == NOW + HOUR
