"""What keeps PostgreSQL from cleaning up is warned of."""

import psycopg
import pytest
import structlog

from tests.postgres_server import PostgresServer
from thingstead.clock import ManualClock
from thingstead.storage.postgres import upkeep
from thingstead.storage.postgres.engine.connection import PostgresConnection, connect
from thingstead.storage.postgres.store import PostgresStore


def test_a_transaction_that_holds_a_snapshot_and_a_table_of_dead_rows_are_warned_of(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "HELD_S", 0)
    monkeypatch.setattr(upkeep, "DEAD_ROWS", 10)
    connection = PostgresConnection(lambda: connect(postgres_url, "tests", 10_000))
    with psycopg.connect(postgres_url) as holder:
        holder.execute("CREATE TABLE t AS SELECT n FROM generate_series(1, 100) n")
        holder.execute("ALTER TABLE t SET (autovacuum_enabled = off)")
        holder.commit()
        holder.execute("DELETE FROM t")
        holder.commit()
        holder.execute("SELECT pg_stat_force_next_flush()")
        holder.commit()
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT 1")
        found = upkeep.look(connection)
    connection.close()
    assert (found.table, found.dead_rows) == ("t", 100)
    assert [warning.code for warning in found._replace(held_s=60).warnings()][:2] == ["snapshot_held", "vacuum_behind"]


async def test_a_server_as_it_is_delivered_has_nothing_to_warn_of(postgres_server: PostgresServer) -> None:
    server = PostgresServer(postgres_server.programs, {"fsync": "on", "full_page_writes": "on"}).start()
    try:
        async with await PostgresStore.open(server.new_database(), ManualClock()) as store:
            await store._look_at_upkeep()
            assert store.warnings() == []
    finally:
        server.close()


async def test_settings_that_lose_data_and_a_version_that_is_not_known_are_warned_of_and_logged_once(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "NEWEST_SERVER", 14)
    with structlog.testing.capture_logs() as logs:  # servers of tests do not wait for their disk
        async with await PostgresStore.open(postgres_url, ManualClock()) as store:
            await store._look_at_upkeep()
            found = {warning.code: warning.args for warning in store.warnings()}
            await store._look_at_upkeep()
    assert found["database_unsafe"] == {"settings": "fsync, full_page_writes"}
    assert found["database_newer"]["newest"] == 14
    told = [line["code"] for line in logs if line["event"] == "the database needs attention"]
    assert told == ["database_unsafe", "database_newer"]


async def test_the_size_of_the_database_is_told(postgres_url: str) -> None:
    store = await PostgresStore.open(postgres_url, ManualClock())
    size_bytes = await store.database_bytes()
    await store.close()
    assert size_bytes is not None
    assert size_bytes > 1_000_000
