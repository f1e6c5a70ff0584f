"""The schema of PostgreSQL: that of the embedded store, made once, migrated in steps, and refused where it cannot be
used."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.postgres_server import PostgresServer
from thingstead.errors import ConfigError, Unavailable
from thingstead.storage.migrate import Migration, load_migrations
from thingstead.storage.postgres.nodes.membership import Identity, Membership
from thingstead.storage.postgres.schema import OTHERS, prepare, version_of
from thingstead.storage.sqlite.engine import schema as embedded

MIGRATIONS = load_migrations("thingstead.storage.postgres")
TYPES = {"INTEGER": "bigint", "TEXT": "text", "BLOB": "bytea", "REAL": "double precision"}
COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable = 'NO' FROM information_schema.columns
WHERE table_schema = 'public' ORDER BY 1, 2
"""


@pytest.fixture
def empty(postgres_server: PostgresServer) -> Iterator[str]:
    """Address of an empty database."""
    url = postgres_server.new_database(empty=True)
    yield url
    postgres_server.drop_database(url)


def connected(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True)


def embedded_columns(path: Path) -> set[tuple[str, str, str, bool]]:
    embedded.prepare(path)
    found = set()
    with closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            if table.startswith("sqlite_"):
                continue
            for _, name, kind, required, _, in_key in connection.execute(f"PRAGMA table_info({table})"):
                found.add((table, name, TYPES[kind], bool(required or in_key)))
    return found


def test_both_engines_have_the_same_tables_and_columns(postgres_url: str, tmp_path: Path) -> None:
    with connected(postgres_url) as connection:
        views = {row[0] for row in connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'public'")}
        rows = connection.execute(COLUMNS).fetchall()
    found = {row for row in rows if row[0] not in {*views, *OTHERS, "schema_version"}}
    assert found == embedded_columns(tmp_path / "thingstead.db")


def test_both_engines_have_the_same_indexes_and_views(postgres_url: str, tmp_path: Path) -> None:
    embedded.prepare(tmp_path / "thingstead.db")
    with closing(sqlite3.connect(tmp_path / "thingstead.db")) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('index', 'view') AND sql IS NOT NULL")
        expected = {row[0] for row in names}
    with connected(postgres_url) as connection:
        rows = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        found = {row[0] for row in rows}
    assert expected - found == set()


def test_every_text_is_ordered_by_its_bytes(postgres_url: str) -> None:
    with connected(postgres_url) as connection:
        others = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C' AND NOT table_name = ANY (%s)",
            (["schema_version", "rule_channels", "open_alarms"],),
        ).fetchall()
    assert others == []


def test_nodes_that_start_together_make_the_schema_once(empty: str) -> None:
    def start(now_ms: int) -> None:
        with connected(empty) as connection:
            prepare(connection, now_ms=now_ms)

    with ThreadPoolExecutor(4) as nodes:
        list(nodes.map(start, range(4)))
    with connected(empty) as connection:
        found = version_of(connection)
        assert found is not None
        assert found[0] == MIGRATIONS[-1].version
        assert connection.execute("SELECT count(*) FROM releases").fetchone() == (1,)


def test_a_migration_that_fails_leaves_the_version_before_it(postgres_url: str) -> None:
    newest = MIGRATIONS[-1].version
    broken = [
        *MIGRATIONS,
        Migration(newest + 1, "fine.sql", "CREATE TABLE fine (x bigint)"),
        Migration(newest + 2, "broken.sql", "CREATE TABLE half (x bigint); SELECT 1 / 0"),
    ]
    with connected(postgres_url) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            prepare(connection, broken)
        found = version_of(connection)
        assert found is not None
        assert found[0] == newest + 1
        assert connection.execute("SELECT to_regclass('fine') IS NULL, to_regclass('half') IS NULL").fetchone() == (
            False,
            True,
        )


def test_a_newer_schema_is_used_if_it_says_that_this_release_can_and_refused_otherwise(postgres_url: str) -> None:
    newest = MIGRATIONS[-1].version
    additive = Migration(newest + 1, "more.sql", f"-- oldest reader: {newest}\nCREATE TABLE more (x bigint)")
    breaking = Migration(newest + 2, "other.sql", "ALTER TABLE devices RENAME TO things")
    with connected(postgres_url) as connection:
        prepare(connection, [*MIGRATIONS, additive])
        prepare(connection)
        prepare(connection, [*MIGRATIONS, additive, breaking])
        with pytest.raises(ConfigError, match=r"was written by release .*knows versions up to"):
            prepare(connection)


def test_a_database_of_another_program_is_left_alone(empty: str) -> None:
    with connected(empty) as connection:
        connection.execute("CREATE TABLE orders (id bigint)")
        with pytest.raises(ConfigError, match="table orders of another program"):
            prepare(connection)
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (1,)


def with_encoding(server: PostgresServer) -> str:
    return server.new_database(empty=True, options="ENCODING 'SQL_ASCII' TEMPLATE template0")


def read_only(server: PostgresServer) -> str:
    url = server.new_database(empty=True)
    with server.connect() as connection:
        connection.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_read_only = on")
    return url


def without_rights(server: PostgresServer) -> str:
    url = server.new_database(empty=True)
    with server.connect() as connection:
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'guest'").fetchone() is None:
            connection.execute("CREATE ROLE guest LOGIN")
    return url.replace("thingstead@", "guest@")


def with_tables_of_another_role(server: PostgresServer) -> str:
    url = without_rights(server)
    name = url.rpartition("/")[2]
    with connected(server.url(name)) as owner:
        prepare(owner)
        owner.execute("GRANT ALL ON SCHEMA public TO guest")
    return url


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (with_tables_of_another_role, ConfigError, "permission denied for table .*; it must own the schema"),
        (with_encoding, ConfigError, "encoding SQL_ASCII: create one with ENCODING 'UTF8'"),
        (read_only, Unavailable, "read-only"),
        (without_rights, ConfigError, "may create no tables: make it the owner"),
    ],
)
async def test_a_database_that_cannot_be_used_is_refused_with_what_to_do(
    postgres_server: PostgresServer, make: Callable[[PostgresServer], str], error: type[Exception], text: str
) -> None:
    url = make(postgres_server)
    with connected(url) as connection, pytest.raises(error, match=text):
        prepare(connection)
    membership = Membership(url, Identity("node", "node:8080", "1"), 8.0, time.monotonic)
    with pytest.raises(error, match=text):  # it looks before it creates its tables
        await membership.join()
    await membership.close()
    postgres_server.drop_database(url)


def test_the_oldest_version_takes_the_schema(oldest_postgres_server: PostgresServer) -> None:
    with connected(oldest_postgres_server.new_database()) as connection:
        found = version_of(connection)
        assert found is not None
        assert found[0] == MIGRATIONS[-1].version
        assert connection.info.server_version // 10_000 == 15
