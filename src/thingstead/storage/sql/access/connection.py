"""What tables and history see of a database: a connection of its driver, and what its dialect differs in.

Met by the connections of :mod:`sqlite3` as they are, and by a wrapper around those of PostgreSQL. Statements have the
placeholders ``?`` and ``?1``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from thingstead.errors import ThingsteadError

# Condition that a number is in a parameter, which is a JSON array of numbers.
IN_NUMBERS = "IN (SELECT CAST(value AS bigint) FROM json_each(?))"


class Dialect(NamedTuple):
    """What differs between databases, for code that runs on all of them."""

    name: str
    driver_errors: tuple[type[Exception], ...]  # what the driver raises; nothing of it leaves the store
    translated: Callable[[Exception], ThingsteadError]  # the error for one of the driver
    is_damage: Callable[[Exception], bool]  # whether a driver's error is about a damaged page, others being readable
    ends_all: Callable[[Exception], bool]  # whether an error may concern more than the statement that met it
    begin_read: str  # begins a transaction of which all statements see one snapshot
    insert_log: str  # adds a row to the log of reports; it is a transaction that may be committed by itself
    give_back: Callable[["Connection"], int]  # returns some unused space to the disk; returns its bytes
    # Interrupts the statements of a connection inside, once the function returns True.
    interrupting: Callable[[Any, Callable[[], bool]], AbstractContextManager[None]]
    savepoints: bool  # whether a failed statement must be rolled back to a savepoint before the transaction can go on
    tells_numbers: bool  # whether a cursor has the number of the row that was inserted last, else RETURNING tells it


class Cursor(Protocol):
    """Outcome of a statement; iterates over the rows that were not fetched yet."""

    @property
    def rowcount(self) -> int:
        """Number of rows that were inserted, changed or deleted."""
        ...

    @property
    def lastrowid(self) -> int | None:
        """Number of the row that was inserted last."""
        ...

    def fetchone(self) -> Any:
        """The next row; None if there is none."""
        ...

    def fetchall(self) -> list[Any]:
        """The rows that were not fetched yet."""
        ...

    def __iter__(self) -> Iterator[Any]: ...

    def __next__(self) -> Any: ...


class Connection(Protocol):
    """Connection of one thread. Without a transaction each statement is its own."""

    @property
    def dialect(self) -> Dialect:
        """What the database differs in."""
        ...

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor:
        """Runs one statement. Raises errors of the driver."""
        ...

    def stream(self, sql: str, parameters: Sequence[Any] = ..., /) -> Iterator[Any]:
        """Rows of a statement that ends with its order, within a transaction, read in steps: for rows that are large or
        many. Other statements may run meanwhile."""
        ...

    def close(self) -> None:
        """Ends the connection."""
        ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor:
        """Runs one statement for each of these parameters, in order."""
        ...
