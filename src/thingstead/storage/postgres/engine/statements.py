"""Statements over libpq itself: a call that waits without the interpreter lock, and nothing around it.

A cursor of psycopg waits by itself, in steps, which takes three times as long for a small statement. Its adaptation of
values is used here, too.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

PREPARED_COUNT = 300  # statements that the server keeps prepared for a connection
PREPARED_AT = 3  # use of a statement at which it is prepared
COUNTED_COUNT = 2_000  # statements whose uses are counted
BINARY = 1
_GOOD = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


def checked(result: PGresult) -> PGresult:
    """The result of a statement that has succeeded. Raises the error of the driver for one that has not."""
    if result.status in _GOOD:
        return result
    if result.error_field(DiagnosticField.SQLSTATE) is None:  # it is libpq that speaks: the connection is lost
        raise psycopg.OperationalError(result.get_error_message())
    raise error_from_result(result)


class PostgresCursor:
    """Outcome of a statement."""

    __slots__ = ("_rows", "rowcount")

    lastrowid = None

    def __init__(self, rows: list[tuple[Any, ...]], rowcount: int) -> None:
        self._rows = iter(rows)
        self.rowcount = rowcount

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row; None if there is none."""
        return next(self._rows, None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows that were not fetched yet."""
        return list(self._rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows

    def __next__(self) -> tuple[Any, ...]:
        return next(self._rows)


class Statements:
    """The statements of one connection of the driver; those that come again are prepared."""

    def __init__(self, raw: "psycopg.Connection[tuple[Any, ...]]") -> None:
        self._raw = raw
        self._adapting = Transformer(raw)
        self._prepared: OrderedDict[tuple[bytes, tuple[int, ...]], bytes] = OrderedDict()
        self._uses: OrderedDict[tuple[bytes, tuple[int, ...]], int] = OrderedDict()
        self._names = 0

    def execute(self, text: bytes, parameters: Sequence[Any]) -> PostgresCursor:
        """Runs one statement. Raises errors of the driver."""
        server, adapting = self._raw.pgconn, self._adapting
        values: Sequence[Any] = ()
        types: tuple[int, ...] = ()
        formats: Sequence[Any] = ()
        if parameters:
            values = adapting.dump_sequence(parameters, [PyFormat.BINARY] * len(parameters))
            types, formats = tuple(adapting.types or ()), adapting.formats or ()
        name = self._name(text, types)
        if name is None:
            result = server.exec_params(text, values, types, formats, BINARY)
        else:
            result = server.exec_prepared(name, values, formats, BINARY)
        checked(result)
        changed = result.command_tuples or 0
        if not result.ntuples:
            return PostgresCursor([], changed)
        adapting.set_pgresult(result)
        try:
            return PostgresCursor(adapting.load_rows(0, result.ntuples, tuple), changed)
        finally:
            adapting.set_pgresult(None)

    def _name(self, text: bytes, types: tuple[int, ...]) -> bytes | None:
        """The name under which the server has a statement prepared; None: it has not."""
        key = text, types
        name = self._prepared.get(key)
        if name is not None:
            self._prepared.move_to_end(key)
            return name
        uses = self._uses[key] = self._uses.pop(key, 0) + 1
        if uses < PREPARED_AT:
            if len(self._uses) > COUNTED_COUNT:
                self._uses.popitem(last=False)
            return None
        del self._uses[key]
        self._names += 1
        name = b"s%d" % self._names
        checked(self._raw.pgconn.prepare(name, text, types))
        self._prepared[key] = name
        if len(self._prepared) > PREPARED_COUNT:
            _, old = self._prepared.popitem(last=False)
            checked(self._raw.pgconn.exec_(b"DEALLOCATE " + old))
        return name
