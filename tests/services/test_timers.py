"""Deadlines: each runs once, in order, in time; those that were cancelled are forgotten."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from thingstead.clock import ManualClock
from thingstead.timers import OUTDATED_LIMIT, Deadline, Deadlines, DueQueue

Steps = st.lists(st.tuples(st.sampled_from(("add", "cancel", "advance")), st.integers(0, 50)), max_size=200)


@given(Steps)
def test_what_is_due_runs_once_in_order_and_what_was_cancelled_does_not(steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
        clock = ManualClock()
        deadlines = Deadlines(clock)
        ran: list[tuple[float, int]] = []
        waiting: dict[int, Deadline] = {}
        for number, (step, value) in enumerate(steps):
            if step == "add":
                due_s = clock.monotonic_s() + value
                waiting[number] = deadlines.add(due_s, lambda due_s=due_s, number=number: ran.append((due_s, number)))  # type: ignore[misc]
            elif step == "cancel" and waiting:
                waiting.pop(sorted(waiting)[value % len(waiting)]).cancel()
            elif step == "advance":
                clock.advance(value * 1000)
                now_s = clock.monotonic_s()
                expected = sorted((each.due_s, number) for number, each in waiting.items() if each.due_s <= now_s)
                deadlines.run_due()
                assert ran == expected
                ran.clear()
                for _, number_run in expected:
                    waiting.pop(number_run).cancel()  # too late, and without effect
            assert len(deadlines) <= 2 * len(waiting) + OUTDATED_LIMIT + 1
        deadlines.stop()

    asyncio.run(run())


async def test_a_client_that_comes_and_goes_leaves_no_deadlines_behind() -> None:
    deadlines = Deadlines(ManualClock())
    for _ in range(10_000):
        deadlines.add(604_800, lambda: None).cancel()
    assert len(deadlines) <= OUTDATED_LIMIT + 1
    deadlines.stop()


async def test_a_deadline_is_kept_by_a_timer() -> None:
    ran = asyncio.Event()

    class Clock(ManualClock):
        def monotonic_s(self) -> float:
            return asyncio.get_running_loop().time()

    deadlines = Deadlines(Clock())
    deadlines.add(asyncio.get_running_loop().time() + 3600, lambda: None)
    deadlines.add(asyncio.get_running_loop().time() + 0.01, ran.set)
    async with asyncio.timeout(30):
        await ran.wait()
    deadlines.stop()


async def test_one_that_fails_keeps_no_other_from_running() -> None:
    clock, ran = ManualClock(), asyncio.Event()
    deadlines = Deadlines(clock)
    deadlines.add(1, lambda: 1 / 0)  # type: ignore[arg-type]
    deadlines.add(2, ran.set)
    clock.advance(2000)
    deadlines.run_due()
    assert ran.is_set()
    deadlines.stop()


@given(st.lists(st.tuples(st.sampled_from(("put", "cancel", "take", "hasten")), st.integers(0, 4), st.integers(0, 50))))
def test_a_queue_gives_each_key_once_at_its_earliest_instant(steps: list[tuple[str, int, int]]) -> None:
    queue: DueQueue[int, int] = DueQueue()
    model: dict[int, int] = {}
    for step, key, instant in steps:
        if step == "put":
            queue.put(key, instant)
            model[key] = min(model.get(key, instant), instant)
        elif step == "cancel":
            queue.cancel(key)
            model.pop(key, None)
        elif step == "hasten":
            queue.hasten(instant)
            model = {each: min(due, instant) for each, due in model.items()}
        else:
            taken = queue.take(instant)
            if taken is None:
                assert all(due > instant for due in model.values())
            else:
                assert model[taken] == min(model.values()) <= instant
                del model[taken]
        assert (len(queue), queue.next_due()) == (len(model), min(model.values(), default=None))
        assert queue.remembered <= 2 * len(model) + OUTDATED_LIMIT + 1
