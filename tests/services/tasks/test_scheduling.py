"""When tasks run: clock changes, missed instants, ends, and clocks that are set back."""

from typing import Any

import pytest

from tests.services.tasks.conftest import DAY, HOUR, MINUTE, SECOND, START, Office, instant

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"

GAP_BERLIN = ("2026-03-28T20:00", "2026-03-30T06:00")
BACK_BERLIN = ("2026-10-24T20:00", "2026-10-26T06:00")
GAP_NEW_YORK = ("2026-03-07T20:00", "2026-03-09T06:00")
BACK_NEW_YORK = ("2026-10-31T20:00", "2026-11-02T06:00")


async def begun_at(desk: Office, at: int) -> None:
    """Sets the clock of an office in which nothing happened yet."""
    desk.clock._now_ms = at


@pytest.mark.parametrize(
    ("zone", "span", "cron", "planned"),
    [
        (BERLIN, GAP_BERLIN, "30 2 * * *", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]),
        (BERLIN, BACK_BERLIN, "30 2 * * *", ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]),
        (NEW_YORK, GAP_NEW_YORK, "30 2 * * *", ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]),
        (NEW_YORK, BACK_NEW_YORK, "30 1 * * *", ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]),
    ],
)
@pytest.mark.parametrize("stopped", [False, True])
async def test_a_run_at_a_fixed_time_comes_once_on_the_days_on_which_clocks_change_also_if_it_was_missed(
    desk: Office, zone: str, span: tuple[str, str], cron: str, planned: list[str], stopped: bool
) -> None:
    await begun_at(desk, instant(span[0], zone))
    await desk.add_devices(1)
    task = await desk.add_task(schedule={"cron": cron, "timezone": zone}, missed="all")

    if stopped:
        await desk.until(instant(span[1], zone))
        for _ in planned:
            await desk.serve()
    else:
        await desk.serve_until(instant(span[1], zone), 10 * MINUTE)

    assert await desk.planned(task, zone) == [("done", at) for at in planned]


@pytest.mark.parametrize(
    ("zone", "span", "count"),
    [
        (BERLIN, ("2026-03-29T00:00", "2026-03-30T00:00"), 23),
        (BERLIN, ("2026-10-25T00:00", "2026-10-26T00:00"), 25),
        (NEW_YORK, ("2026-03-08T00:00", "2026-03-09T00:00"), 23),
        (NEW_YORK, ("2026-11-01T00:00", "2026-11-02T00:00"), 25),
    ],
)
async def test_an_hourly_run_comes_every_real_hour_of_a_day_on_which_clocks_change(
    desk: Office, zone: str, span: tuple[str, str], count: int
) -> None:
    await begun_at(desk, instant(span[0], zone))
    await desk.add_devices(1)
    task = await desk.add_task(schedule={"cron": "0 * * * *", "timezone": zone}, missed="all")

    await desk.until(instant(span[1], zone) + 2 * MINUTE)
    for _ in range(count):
        await desk.serve()

    runs = await desk.runs(task)
    assert [run.planned_at for run in runs] == [
        instant(span[0], zone) + number * HOUR for number in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("missed", "within_ms", "states"),
    [
        ("skip", HOUR, [("missed", 5)]),
        ("once", HOUR, [("missed", 4), ("done", 1)]),
        ("once", 10 * MINUTE, [("missed", 5)]),
        ("all", HOUR, [("done", 1)] * 5),
    ],
)
async def test_missed_instants_are_handled_by_the_policy_of_the_task_and_the_schedule_goes_on(
    office: Office, missed: str, within_ms: int, states: list[tuple[str, int]]
) -> None:
    await office.add_devices(1)
    task = await office.add_task(
        schedule={"every_ms": HOUR, "start_at": START + HOUR}, missed=missed, missed_within_ms=within_ms
    )

    await office.until(START + 5 * HOUR + 30 * MINUTE)
    office.begin_server()
    for _ in range(6):
        await office.serve()

    assert [(run.state, run.instants) for run in await office.runs(task)] == states
    assert (await office.store.tasks.get(office.project_id, task.id)).due_at == START + 6 * HOUR
    await office.until(START + 6 * HOUR)
    await office.serve()
    assert (await office.runs(task))[-1].state == "done"


async def test_all_makes_up_for_the_last_hundred_missed_instants(desk: Office) -> None:
    await desk.add_devices(1)
    task = await desk.add_task(schedule={"every_ms": MINUTE, "start_at": START + MINUTE}, missed="all")
    await desk.until(START + DAY + 5 * SECOND)
    for _ in range(110):
        await desk.serve()

    runs = await desk.runs(task)
    done = [run for run in runs if run.state == "done"]
    assert [run.planned_at for run in done[-100:]] == [START + DAY - number * MINUTE for number in range(99, -1, -1)]


async def test_a_run_that_is_a_little_late_was_not_missed(desk: Office) -> None:
    await desk.add_devices(1)
    task = await desk.add_task(schedule={"at": START + HOUR}, missed="skip")
    await desk.until(START + HOUR + 50 * SECOND)
    await desk.serve()
    assert [run.state for run in await desk.runs(task)] == ["done"]
    ended = await desk.store.tasks.get(desk.project_id, task.id)
    assert (ended.state, ended.due_at) == ("ended", 0)


async def test_a_schedule_ends_after_its_last_instant_and_after_its_last_run(desk: Office) -> None:
    await desk.add_devices(1)
    until = await desk.add_task(schedule={"every_ms": HOUR, "start_at": START + HOUR, "end_at": START + 3 * HOUR - 1})
    counted = await desk.add_task(schedule={"every_ms": HOUR, "start_at": START + HOUR, "max_runs": 3})

    await desk.serve_until(START + 6 * HOUR, 30 * MINUTE)

    assert [len(await desk.runs(task)) for task in (until, counted)] == [2, 3]
    found = [await desk.store.tasks.get(desk.project_id, task.id) for task in (until, counted)]
    assert [task.state for task in found] == ["ended", "ended"]


async def test_an_instant_is_left_out_while_a_run_has_not_ended(office: Office) -> None:
    await office.add_devices(1)
    task = await office.add_task(schedule={"every_ms": HOUR, "start_at": START + HOUR})
    for number in range(1, 4):
        await office.until(START + number * HOUR)
        await office.scheduler.sweep()

    assert [(run.state, run.instants) for run in await office.runs(task)] == [("running", 1), ("left_out", 2)]
    await office.serve()
    told = [action for kind, action in office.told if kind == "task_run"]
    assert told == ["begin", "left_out", "left_out", "end"]
    await office.until(START + 4 * HOUR)
    await office.serve()
    assert [run.state for run in await office.runs(task)] == ["done", "left_out", "done"]


async def test_each_planned_instant_has_one_run_whoever_begins_it(office: Office) -> None:
    await office.add_devices(3)
    task = await office.add_task(schedule={"every_ms": HOUR, "start_at": START + HOUR})
    first = office.scheduler
    office.begin_server()
    await office.until(START + HOUR)

    await first.sweep()
    await office.scheduler.sweep()
    await office.scheduler.runner.run()
    await first.runner.run()

    assert [(run.state, run.done) for run in await office.runs(task)] == [("done", 3)]


async def test_a_clock_that_was_ahead_plans_again_and_what_had_a_run_has_no_second_one(desk: Office) -> None:
    await desk.add_devices(1)
    task = await desk.add_task(schedule={"every_ms": HOUR, "start_at": START + HOUR})
    far = await desk.add_task(schedule={"cron": "0 0 1 1 *"})
    await desk.until(START + HOUR)
    await desk.serve()
    await desk.until(START + 400 * DAY)
    await desk.serve()

    desk.clock.advance(30 * MINUTE - 400 * DAY)
    desk.scheduler.clock_set_back(desk.clock.now_ms(), 399 * DAY)
    await desk.serve()

    assert (await desk.store.tasks.get(desk.project_id, task.id)).due_at == START + HOUR
    assert (await desk.store.tasks.get(desk.project_id, far.id)).due_at == instant("2027-01-01T00:00")
    await desk.serve_until(START + 2 * HOUR)
    again = [run for run in await desk.runs(task) if run.planned_at <= START + 2 * HOUR]
    assert [run.planned_at for run in again] == [START + HOUR, START + 2 * HOUR]


async def test_the_sun_gives_one_run_a_day_and_none_in_the_polar_day(desk: Office) -> None:
    await begun_at(desk, instant("2026-05-10T00:00"))
    await desk.add_devices(1)
    sun: dict[str, Any] = {"sun": "sunset", "latitude": 69.65, "longitude": 18.96, "timezone": "Europe/Oslo"}
    task = await desk.add_task(schedule=sun)

    await desk.serve_until(instant("2026-08-01T00:00"), 30 * MINUTE)

    days = [at[:10] for _, at in await desk.planned(task, "Europe/Oslo")]
    assert len(days) < 20
    assert not [day for day in days if "2026-05-25" < day < "2026-07-18"]
    preview = await desk.platform.tasks.preview(desk.project_id, task.schedule)
    assert len(preview.instants) == 10
    begun_again = instant("2026-05-10T00:00")
    desk.clock.advance(begun_again - desk.clock.now_ms())
    notes = (await desk.platform.tasks.preview(desk.project_id, task.schedule)).notes
    assert [note.code for note in notes] == ["note_no_sun"]
