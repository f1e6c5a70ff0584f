"""Reads in threads: large ones keep nobody else waiting, and end when nobody waits for them."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from thingstead.errors import Unavailable
from thingstead.model.tenant import TENANT
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.read_lanes import LARGE_READS_WAITING_COUNT, GoOn, Lane, Run, SharedReads
from thingstead.storage.sqlite.engine.database import SqliteDatabase, connect

TIMEOUT_S = 30
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


class Gate:
    """A large read that lasts until it is opened."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def prepare(self) -> Run[str]:
        return self

    def __call__(self, connection: Connection, go_on: GoOn) -> str:
        self.begun.set()
        assert self.open.wait(TIMEOUT_S)
        return "read"


@pytest.fixture
async def lane(tmp_path: Path) -> AsyncIterator[Lane]:
    lane = Lane("test-large", 2, lambda: connect(tmp_path / "a.db"))
    yield lane
    await asyncio.get_running_loop().run_in_executor(None, lane.close)


@pytest.fixture
async def reads(lane: Lane) -> SharedReads:
    return SharedReads(lane)


async def begun(gate: Gate) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        await asyncio.get_running_loop().run_in_executor(None, gate.begun.wait)


async def cancelled(task: "asyncio.Task[object]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_project_has_one_at_a_time_and_another_does_not_wait_for_it(reads: SharedReads) -> None:
    gates = [Gate() for _ in range(5)]
    tasks = [asyncio.ensure_future(reads.read("a", gate.prepare)) for gate in gates]
    await begun(gates[0])
    assert await reads.read("b", lambda: lambda _, go_on: "at once") == "at once"
    assert not gates[1].begun.is_set()
    for gate in gates:
        gate.open.set()
    async with asyncio.timeout(TIMEOUT_S):
        assert await asyncio.gather(*tasks) == ["read"] * 5


async def test_projects_take_turns(reads: SharedReads) -> None:
    first, second = Gate(), Gate()
    held = [asyncio.ensure_future(reads.read(name, gate.prepare)) for name, gate in (("x", first), ("y", second))]
    order: list[str] = []
    asked = [
        asyncio.ensure_future(reads.read(project, lambda project=project: lambda _, go_on: order.append(project)))  # type: ignore[misc]
        for project in ["a"] * 4 + ["b", "c"]
    ]
    await begun(first)
    await begun(second)
    first.open.set()
    second.open.set()
    async with asyncio.timeout(TIMEOUT_S):
        await asyncio.gather(*held, *asked)
    assert set(order[:3]) == {"a", "b", "c"}
    assert order[3:] == ["a"] * 3


async def test_one_whose_caller_is_gone_is_dropped_where_it_waits(reads: SharedReads) -> None:
    gate, never = Gate(), Gate()
    running = asyncio.ensure_future(reads.read("a", lambda: gate))
    await begun(gate)
    waiting = asyncio.ensure_future(reads.read("a", never.prepare))
    await asyncio.sleep(0)
    await cancelled(waiting)
    gate.open.set()
    assert await running == "read"
    assert await reads.read("a", lambda: lambda _, go_on: 1) == 1
    assert not never.begun.is_set()


async def test_one_that_runs_is_interrupted_in_sqlite(reads: SharedReads) -> None:
    begun_reading = threading.Event()

    def read(connection: Connection, go_on: GoOn) -> object:
        begun_reading.set()
        return connection.execute(ENDLESS).fetchone()

    task = asyncio.ensure_future(reads.read("a", lambda: read))
    await asyncio.get_running_loop().run_in_executor(None, begun_reading.wait)
    await cancelled(task)
    async with asyncio.timeout(TIMEOUT_S):
        assert await reads.read("a", lambda: lambda connection, _: connection.execute("SELECT 1").fetchone()) == (1,)


async def test_one_that_runs_is_interrupted_between_its_steps(reads: SharedReads) -> None:
    begun_reading, steps = threading.Event(), 0

    def read(connection: Connection, go_on: GoOn) -> None:
        nonlocal steps
        while True:
            steps += 1
            begun_reading.set()
            go_on()

    task = asyncio.ensure_future(reads.read("a", lambda: read))
    await asyncio.get_running_loop().run_in_executor(None, begun_reading.wait)
    await cancelled(task)
    async with asyncio.timeout(TIMEOUT_S):
        assert await reads.read("a", lambda: lambda _, go_on: steps) > 0


async def test_too_many_of_a_project_are_refused_and_of_another_are_not(reads: SharedReads) -> None:
    gate = Gate()
    tasks = [asyncio.ensure_future(reads.read("a", lambda: gate)) for _ in range(LARGE_READS_WAITING_COUNT + 1)]
    await begun(gate)
    with pytest.raises(Unavailable):
        await reads.read("a", lambda: gate)
    assert await reads.read("b", lambda: lambda _, go_on: 1) == 1
    gate.open.set()
    await asyncio.gather(*tasks)


async def test_one_whose_caller_is_gone_leaves_its_place_to_another(reads: SharedReads) -> None:
    gate = Gate()
    tasks = [asyncio.ensure_future(reads.read("a", lambda: gate)) for _ in range(LARGE_READS_WAITING_COUNT + 1)]
    await begun(gate)
    await cancelled(tasks.pop())
    tasks.append(asyncio.ensure_future(reads.read("a", lambda: gate)))
    await asyncio.sleep(0)
    gate.open.set()
    async with asyncio.timeout(TIMEOUT_S):
        assert await asyncio.gather(*tasks) == ["read"] * (LARGE_READS_WAITING_COUNT + 1)


async def test_an_error_goes_to_its_caller(reads: SharedReads) -> None:
    with pytest.raises(ZeroDivisionError):
        await reads.read("a", lambda: lambda _, go_on: 1 // 0)
    assert await reads.read("a", lambda: lambda _, go_on: 1) == 1


async def test_the_end_of_the_store_ends_those_that_run_and_refuses_those_that_wait(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "a.db")
    await database.write(lambda connection: connection.execute("CREATE TABLE devices (number, project_id)"))
    reading = threading.Event()

    def read(connection: Connection, go_on: GoOn) -> object:
        reading.set()
        return connection.execute(ENDLESS).fetchone()

    tasks = [asyncio.ensure_future(database.read_large(1, lambda: read)) for _ in range(3)]
    await asyncio.get_running_loop().run_in_executor(None, reading.wait)
    async with asyncio.timeout(TIMEOUT_S):
        await database.close()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [Unavailable] * 3


async def test_packing_and_small_reads_do_not_wait_for_large_ones(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "a.db")
    await database.write(lambda connection: connection.execute("CREATE TABLE devices (number, project_id)"))
    await database.write(
        lambda connection: connection.execute("INSERT INTO devices VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    )
    gates = [Gate() for _ in range(3)]
    tasks = [asyncio.ensure_future(database.read_large(number, gate.prepare)) for number, gate in enumerate(gates, 1)]
    await begun(gates[0])
    await begun(gates[1])
    async with asyncio.timeout(TIMEOUT_S):
        assert await database.read(lambda connection: connection.execute("SELECT 1").fetchone()) == (1,)
        assert await database.read_for_packing(lambda connection: connection.execute("SELECT 1").fetchone()) == (1,)
    for gate in gates:
        gate.open.set()
    await asyncio.gather(*tasks)
    await database.close()


async def test_small_reads_of_a_project_leave_room_for_those_of_another_and_take_turns_with_them(
    tmp_path: Path,
) -> None:
    database = SqliteDatabase(tmp_path / "a.db")
    gates = [Gate() for _ in range(5)]

    async def read_as(project: str, run: Callable[[Connection], object]) -> object:
        TENANT.set(project)
        return await database.read(run)

    def hold(gate: Gate) -> Callable[[Connection], object]:
        return lambda connection: gate(connection, lambda: None)

    tasks = [asyncio.ensure_future(read_as("a", hold(gate))) for gate in gates]
    await begun(gates[0])
    await begun(gates[1])
    async with asyncio.timeout(TIMEOUT_S):
        assert await asyncio.ensure_future(read_as("b", lambda _: "at once")) == "at once"
    assert [gate.begun.is_set() for gate in gates] == [True, True, False, False, False]
    for gate in gates:
        gate.open.set()
    assert await asyncio.gather(*tasks) == ["read"] * len(gates)
    await database.close()


async def test_too_many_small_reads_of_a_project_are_refused_and_those_of_another_are_not(lane: Lane) -> None:
    reads, gate = SharedReads(lane, 1, 2), Gate()
    tasks = [asyncio.ensure_future(reads.read("a", lambda: gate)) for _ in range(3)]
    await begun(gate)
    with pytest.raises(Unavailable):
        await reads.read("a", lambda: gate)
    assert await reads.read("b", lambda: lambda _, go_on: 1) == 1
    gate.open.set()
    await asyncio.gather(*tasks)
