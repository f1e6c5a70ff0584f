"""The owner of tasks and the set of clients: what is waited for, and for how long."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from thingstead.broker.net.connections import Clients
from thingstead.broker.net.tasks import TaskLimiter, Tasks


async def test_closing_waits_for_tasks_and_for_those_that_they_begin() -> None:
    tasks, done = Tasks(), []

    async def first() -> None:
        await asyncio.sleep(0)
        tasks.spawn(second())
        done.append("first")

    async def second() -> None:
        await asyncio.sleep(0)
        done.append("second")

    tasks.spawn(first())
    await tasks.close(timeout_s=5)
    assert done == ["first", "second"]


async def test_closing_cancels_what_takes_too_long() -> None:
    tasks, ended = Tasks(), []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    tasks.spawn(endless())
    await asyncio.sleep(0)
    await tasks.close(timeout_s=0.01)
    assert ended == [True]


async def test_a_failing_task_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    tasks = Tasks()

    async def fail() -> None:
        raise ZeroDivisionError("a bug")

    tasks.spawn(fail())
    await tasks.close(timeout_s=5)
    assert "a background task failed" in capsys.readouterr().out


async def test_waiting_for_the_last_client_has_an_end() -> None:
    clients: Clients[str] = Clients()
    await clients.wait_until_none(timeout_s=0.01)
    clients.add("one")
    await clients.wait_until_none(timeout_s=0.01)
    assert list(clients) == ["one"]
    clients.discard("one")
    await clients.wait_until_none(timeout_s=5)
    assert len(clients) == 0


async def test_turns_come_in_order_and_so_many_at_once() -> None:
    tasks, begun, goes_on = Tasks(), [], asyncio.Event()
    turns = TaskLimiter(tasks, at_once=3)

    def work(number: int) -> Callable[[], Coroutine[Any, Any, None]]:
        async def run() -> None:
            begun.append(number)
            await goes_on.wait()

        return run

    for number in range(10):
        turns.take(work(number))
    await asyncio.sleep(0)
    assert begun == [0, 1, 2]
    goes_on.set()
    await tasks.close(timeout_s=5)
    assert begun == list(range(10))


async def test_one_that_fails_leaves_its_turn_to_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    tasks, done = Tasks(), []
    turns = TaskLimiter(tasks, at_once=1)

    async def fail() -> None:
        raise RuntimeError("a bug")

    async def work() -> None:
        done.append(True)

    for each in (fail, work, fail, work):
        turns.take(each)
    await tasks.close(timeout_s=5)
    turns.take(work)
    await tasks.close(timeout_s=5)
    assert done == [True] * 3
    assert capsys.readouterr().out.count("a background task failed") == 2
