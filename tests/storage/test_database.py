"""The writer thread: what it commits, what it refuses, and that nothing ends it."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.storage.conftest import kept, put, writer_held
from thingstead.errors import NotFound, Unavailable
from thingstead.refusals import Reason
from thingstead.storage.sql.access import writer
from thingstead.storage.sql.access.connection import Connection, Cursor
from thingstead.storage.sqlite.engine.database import SqliteDatabase

LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""


def refuse(connection: Connection) -> None:
    connection.execute("INSERT INTO t (n) VALUES (999)")
    raise NotFound(Reason("unknown_refusal", "no"))


def stumble(connection: Connection) -> None:
    connection.execute("INSERT INTO t (n) VALUES (999)")
    raise ZeroDivisionError


def misspell(connection: Connection) -> None:
    connection.execute("INSERT INTO t (n) VALUES (999)")
    connection.execute("INSERT INTO no_such_table VALUES (1)")


def repeat(connection: Connection) -> None:
    connection.execute("INSERT INTO t (n) VALUES (999)")
    connection.execute("INSERT INTO t (n) VALUES (999)")


FAULTS: list[tuple[Callable[[Connection], None], type[Exception]]] = [
    (refuse, NotFound),
    (stumble, ZeroDivisionError),
    (misspell, sqlite3.OperationalError),
    (repeat, sqlite3.IntegrityError),
]


@asynccontextmanager
async def locked_by_another_process(path: Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOCKER, str(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"locked\n"
    try:
        yield
    finally:
        process.stdin.write(b"\n")
        await process.communicate()


async def test_a_write_is_on_disk_when_its_awaiter_goes_on(database: SqliteDatabase, path: Path) -> None:
    assert await database.write(put(1)) == 1

    assert kept(path) == [1]


@pytest.mark.parametrize(("fault", "error"), FAULTS)
async def test_a_failing_job_undoes_itself_and_spares_its_neighbors(
    database: SqliteDatabase, path: Path, fault: Callable[[Connection], None], error: type[Exception]
) -> None:
    with writer_held(database):
        outcomes = asyncio.gather(
            database.write(put(1)), database.write(fault), database.write(put(2)), return_exceptions=True
        )
        await asyncio.sleep(0)  # the three are asked for

    first, second, third = await outcomes
    assert (first, type(second), third) == (1, error, 2)
    assert kept(path) == [1, 2]


@pytest.mark.parametrize(("fault", "error"), FAULTS)
async def test_a_failing_job_alone_in_its_commit_undoes_itself(
    database: SqliteDatabase, path: Path, fault: Callable[[Connection], None], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await database.write(fault)

    await database.write(put(1))
    assert kept(path) == [1]
    assert database.trouble() is None


async def test_a_write_whose_awaiter_is_gone_is_kept_all_the_same(database: SqliteDatabase, path: Path) -> None:
    with writer_held(database):
        task = asyncio.create_task(database.write(put(1)))
        await asyncio.sleep(0)  # it is asked for
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    await database.write(put(2))
    assert kept(path) == [1, 2]


async def test_writes_are_committed_in_the_order_in_which_they_were_asked_for(database: SqliteDatabase) -> None:
    order: list[Any] = []
    with writer_held(database):
        for number in range(100):
            database.submit(put(number), lambda result, error: order.append(result))
    await database.write(put(100))

    assert order == list(range(100))


async def test_an_outcome_whose_receiver_fails_keeps_nobody_elses_back(database: SqliteDatabase) -> None:
    def fail(result: Any, error: Exception | None) -> None:
        raise ZeroDivisionError

    with writer_held(database):
        database.submit(put(1), fail)
        second = asyncio.create_task(database.write(put(2)))
        await asyncio.sleep(0)  # it is asked for

    assert await second == 2


async def test_reads_do_not_wait_for_the_writer(database: SqliteDatabase) -> None:
    await database.write(put(1))
    with writer_held(database):
        assert database.reader.execute("SELECT n FROM t").fetchall() == [(1,)]
        assert await database.read(lambda connection: connection.execute("SELECT n FROM t").fetchall()) == [(1,)]


async def test_closing_commits_what_waits_and_refuses_what_comes_later(path: Path) -> None:
    database = SqliteDatabase(path)
    with writer_held(database):
        waiting = [asyncio.create_task(database.write(put(number))) for number in range(10)]
        await asyncio.sleep(0)  # they are asked for
        closing = asyncio.create_task(database.close())
        await asyncio.sleep(0)  # it has begun
        with pytest.raises(Unavailable):
            await database.write(put(99))
    await closing

    assert await asyncio.gather(*waiting) == list(range(10))
    assert kept(path) == list(range(10))
    await database.close()


async def test_too_many_waiting_writes_are_refused(
    database: SqliteDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "WRITE_QUEUE_LIMIT", 3)
    with writer_held(database):
        tasks = [asyncio.create_task(database.write(put(number))) for number in range(4)]
        outcomes = asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # they are asked for

    assert [type(outcome) for outcome in await outcomes] == [int, int, Unavailable, Unavailable]
    assert kept(path) == [0, 1]


async def test_a_file_locked_by_another_process_makes_writes_fail_until_it_is_free(
    database: SqliteDatabase, path: Path
) -> None:
    await database.write(put(1))
    async with locked_by_another_process(path):
        with pytest.raises(Unavailable):
            await asyncio.wait_for(database.write(put(2)), 30)
        assert "locked" in str(database.trouble())
        assert database.reader.execute("SELECT n FROM t").fetchall() == [(1,)]

    await database.write(put(3))
    assert database.trouble() is None
    assert kept(path) == [1, 3]


async def test_a_full_disk_fails_the_whole_commit_and_is_recovered_from(database: SqliteDatabase, path: Path) -> None:
    def limit(pages: int) -> Callable[[Connection], Cursor]:
        return lambda connection: connection.execute(f"PRAGMA max_page_count={pages}")

    def fill(connection: Connection) -> None:
        connection.execute("INSERT INTO t (n, body) VALUES (999, zeroblob(100000))")

    await database.write(limit(3))
    with writer_held(database):
        outcomes = asyncio.gather(database.write(put(1)), database.write(fill), return_exceptions=True)
        await asyncio.sleep(0)  # the two are asked for
    assert [type(outcome) for outcome in await outcomes] == [Unavailable, Unavailable]
    assert "full" in str(database.trouble())
    assert database.commits_failed == 1
    assert kept(path) == []

    await database.write(limit(10_000))
    await asyncio.gather(database.write(put(1)), database.write(fill))
    assert kept(path) == [1, 999]


async def test_every_commit_is_synced_before_anyone_is_told(tmp_path: Path) -> None:
    """The promise behind an acknowledgement holds over a loss of power: WAL with ``synchronous=FULL``."""
    database = SqliteDatabase(tmp_path / "a.db")
    pragmas = [
        database._writer_connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
    ]
    await database.close()
    assert pragmas == ["wal", 2]
