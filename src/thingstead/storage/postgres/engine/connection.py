"""A connection to PostgreSQL, for code that runs on every engine: made when it is needed, and again after a failure."""

import itertools
import os
import re
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import psycopg
from psycopg.pq import TransactionStatus

from thingstead.storage.postgres.engine.errors import POSTGRES
from thingstead.storage.postgres.engine.statements import PostgresCursor, Statements, checked
from thingstead.storage.postgres.engine.types import adapt
from thingstead.storage.sql.access.connection import Dialect

STATEMENTS_KEPT = 1_000  # translated texts in memory; lists with filters make many
FIRST_ROWS, NEXT_ROWS = 8, 32  # of a stream, read at once: a row may have 256 KiB
FEW_ROWS = 3  # for which one statement after another costs less than a pipeline
READS = (b"SELECT", b"DECLARE", b"FETCH")
# Pages are taken for cheap wherever they are, as on any disk without moving parts: with the value that is delivered a
# list of 100,000 devices reads every row instead of an index.
SESSION = (
    b"SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'; SET jit = off;"
    b" SET timezone = 'UTC'; SET client_min_messages = warning; SET extra_float_digits = 1; SET random_page_cost = 1.1"
)
# A text, a comment, a placeholder with or without a number, a hint for the embedded engine.
_PARTS = re.compile(r"'(?:[^']|'')*'|--[^\n]*|\?(\d*)|\bINDEXED BY \w+")
_WHO = """
SELECT pid, backend_start::text, (SELECT coalesce(stats_reset::text, '') FROM pg_stat_wal)
FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""

_numbers = itertools.count()
_translated: OrderedDict[str, bytes] = OrderedDict()


def translate(sql: str) -> bytes:
    """A statement with the placeholders ``?`` and ``?1`` in the words of PostgreSQL: ``$1``."""
    found = _translated.get(sql)
    if found is None:
        found = _translated[sql] = _translate(sql)
        while len(_translated) > STATEMENTS_KEPT:
            with suppress(KeyError):  # another thread was faster
                _translated.popitem(last=False)
    return found


def _translate(sql: str) -> bytes:
    last = 0

    def part(match: re.Match[str]) -> str:
        nonlocal last
        text = match[0]
        if text[0] == "?":
            number = int(match[1]) if match[1] else last + 1
            last = max(last, number)
            return f"${number}"
        return "" if text[0] == "I" else text

    return _PARTS.sub(part, sql).strip().encode()


class Backend(NamedTuple):
    """The server's process for a connection.

    Attributes:
        life: of the server; another one after a crash, or of another server, since statistics do not survive these.
    """

    pid: int
    started: str
    life: str = ""


class PostgresConnection:
    """Connection of one thread.

    Args:
        connect: makes a connection of the driver, in autocommit mode.
        dialect: with the stream of this activity, if it has one.
    """

    def __init__(
        self, connect: Callable[[], "psycopg.Connection[tuple[Any, ...]]"], dialect: Dialect = POSTGRES
    ) -> None:
        self.dialect = dialect
        self._connect = connect
        self._raw: psycopg.Connection[tuple[Any, ...]] | None = None
        self._statements: Statements | None = None
        self.backend = Backend(0, "")
        self.writes = 0  # statements so far that may have changed something

    @property
    def raw(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """The connection of the driver; made if there is none. Raises errors of the driver."""
        raw = self._raw
        if raw is None:
            raw = self._connect()
            self.backend = Backend(*raw.execute(_WHO).fetchone())  # type: ignore[misc]
            self._raw = raw
        return raw

    @property
    def broken(self) -> bool:
        """Whether the connection was lost."""
        return self._raw is not None and (
            self._raw.closed or self._raw.info.transaction_status is TransactionStatus.UNKNOWN
        )

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun."""
        return self._raw is not None and self._raw.info.transaction_status in (
            TransactionStatus.INTRANS,
            TransactionStatus.INERROR,
        )

    @property
    def failed(self) -> bool:
        """Whether the transaction takes no more statements."""
        return self._raw is not None and self._raw.info.transaction_status is TransactionStatus.INERROR

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> PostgresCursor:
        """Runs one statement. Raises errors of the driver."""
        text = translate(sql)
        if not text.startswith(READS):
            self.writes += 1
        raw = self.raw
        if self._statements is None:
            self._statements = Statements(raw)
        return self._statements.execute(text, parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> PostgresCursor:
        """Runs one statement for each of these parameters, in order, without waiting for each."""
        rows = list(parameters)
        if len(rows) <= FEW_ROWS:
            return PostgresCursor([], sum(self.execute(sql, row).rowcount for row in rows))
        self.writes += 1
        with psycopg.RawCursor(self.raw) as cursor:
            cursor.executemany(translate(sql), rows)
            return PostgresCursor([], cursor.rowcount)

    def stream(self, sql: str, parameters: Sequence[Any] = (), /) -> Iterator[Any]:
        """Rows of a statement that ends with its order, read in steps: the first ones with the statement, others by a
        cursor; or, outside a transaction, by the statement again, behind those that were read."""
        rows = self.execute(f"{sql} LIMIT {FIRST_ROWS}", parameters).fetchall()
        yield from rows
        if len(rows) < FIRST_ROWS:
            return
        if self.in_transaction:
            name = f"rows_{next(_numbers)}"
            self.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {sql} OFFSET {FIRST_ROWS}", parameters)
            steps: Iterator[str] = itertools.repeat(f"FETCH {NEXT_ROWS} FROM {name}")
            parameters = ()
        else:
            steps = (f"{sql} LIMIT {NEXT_ROWS} OFFSET {begin}" for begin in itertools.count(FIRST_ROWS, NEXT_ROWS))
        for step in steps:
            rows = self.execute(step, parameters).fetchall()
            yield from rows
            if len(rows) < NEXT_ROWS:
                return

    def simple(self, statements: bytes) -> list[tuple[str | None, ...]]:
        """Runs statements without parameters in one round trip; returns the rows of the last one, as texts."""
        raw = self.raw
        result = checked(raw.pgconn.exec_(statements))
        found = [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
        return [tuple(None if value is None else value.decode() for value in row) for row in found]

    def renew(self) -> None:
        """Drops the connection; the next statement makes another."""
        raw, self._raw, self._statements = self._raw, None, None
        if raw is not None:
            with suppress(psycopg.Error, OSError):
                raw.close()

    close = renew

    def sever(self) -> None:
        """Ends a call that waits for the server, from another thread: libpq sees the end of its connection."""
        raw = self._raw
        if raw is not None and not raw.closed:
            with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(raw.fileno())) as duplicate:
                duplicate.shutdown(socket.SHUT_RDWR)


def connect(conninfo: str, application_name: str, statement_timeout_ms: int) -> "psycopg.Connection[tuple[Any, ...]]":
    """Makes a connection in autocommit mode, with the settings of a session. Raises errors of the driver."""
    raw: psycopg.Connection[tuple[Any, ...]] = psycopg.connect(
        conninfo, autocommit=True, application_name=application_name
    )
    try:
        raw.execute(SESSION + b"; SET statement_timeout = %d" % statement_timeout_ms)
        adapt(raw)
    except BaseException:
        raw.close()
        raise
    return raw
