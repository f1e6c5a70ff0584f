"""Translates errors of psycopg, and tells what they leave of a transaction and a connection."""

import re
from contextlib import nullcontext

import psycopg
from psycopg import errors as pg

from thingstead.errors import Conflict, InvalidInput, ThingsteadError, Unavailable
from thingstead.storage.sql.access.connection import Dialect
from thingstead.storage.sql.access.errors import unstorable

FENCED = "TS001"  # the stream of this activity is closed: another node is active
DRIVER_ERRORS = (psycopg.Error, OverflowError, UnicodeEncodeError)
_KEY = re.compile(r"\(([^()]+)\)=")
# Columns whose field has another name in the API.
_FIELDS = {"type_id": "type", "customer_id": "customer", "gateway_id": "gateway", "parent_id": "parent"}
# Classes of SQLSTATE that concern the server or the connection, not the statement: connection, resources, operator
# intervention, system errors, and internal ones.
_SERVER = ("08", "53", "57", "58", "F0", "XX")
_NUL = ("22021", "22P05")  # the character NUL in a text, or escaped in JSON
_AGAIN = ("40001", "40P01", "55P03", "25006", "26000")  # of a whole transaction, which may succeed the next time


def is_fenced(exc: BaseException) -> bool:
    """Whether the fence refused a transaction."""
    return isinstance(exc, psycopg.Error) and exc.sqlstate == FENCED


def is_disk_full(exc: BaseException) -> bool:
    """Whether the server has no more resources: disk, memory, connections."""
    return isinstance(exc, psycopg.Error) and (exc.sqlstate or "").startswith("53")


def ends_all(exc: Exception) -> bool:
    """Whether an error concerns the whole transaction, not only the statement that met it."""
    if not isinstance(exc, psycopg.Error):
        return False
    if exc.sqlstate is None:
        return isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError)
    return exc.sqlstate.startswith(_SERVER) or exc.sqlstate in _AGAIN or exc.sqlstate == FENCED


def may_go_again(exc: Exception) -> bool:
    """Whether a transaction that was not committed for this error may be tried again as it is."""
    return ends_all(exc) and not is_fenced(exc) and not is_disk_full(exc)


def translated(exc: Exception) -> ThingsteadError:
    """The ThingsteadError for a driver's error.

    A unique value that exists becomes Conflict; any other violated constraint, and values that PostgreSQL cannot store
    (integers over 64 bits, lone surrogates, the character NUL), become InvalidInput; everything else becomes
    Unavailable.
    """
    if isinstance(exc, OverflowError | UnicodeEncodeError):
        return unstorable(exc)
    if isinstance(exc, pg.UniqueViolation):
        return Conflict.field(_column_of(exc), "taken")
    if isinstance(exc, pg.NotNullViolation):
        return InvalidInput.field(_field(exc.diag.column_name or ""), "not_possible")
    if isinstance(exc, psycopg.IntegrityError):
        return InvalidInput("bad_reference")
    if isinstance(exc, psycopg.DataError):
        return InvalidInput("has_nul" if exc.sqlstate in _NUL else "not_possible")
    return Unavailable("database_unusable", detail=_text(exc))


def _column_of(exc: psycopg.Error) -> str:
    """The last column of the key that exists: those before it are the scope in which it is unique."""
    match = _KEY.search(exc.diag.message_detail or "")
    return _field(match[1].rpartition(", ")[2]) if match else ""


def _field(column: str) -> str:
    return _FIELDS.get(column, column)


def _text(exc: Exception) -> str:
    """The first line of a message: further ones have the statement."""
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0]


def fenced_dialect(stream: int) -> Dialect:
    """The dialect of connections that write for an activity: a report is added only while its stream is open."""
    return POSTGRES._replace(
        insert_log=f"INSERT INTO report_log (seq, entries) SELECT ?, ? FROM fence({stream})"  # noqa: S608 - a number
    )


POSTGRES = Dialect(
    name="postgres",
    driver_errors=DRIVER_ERRORS,
    translated=translated,
    is_damage=lambda exc: False,  # a damaged page fails the read; the server's operator mends it
    ends_all=ends_all,
    begin_read="BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    insert_log="INSERT INTO report_log (seq, entries) VALUES (?, ?)",
    give_back=lambda connection: 0,  # autovacuum does
    interrupting=lambda connection, abandoned: nullcontext(),  # each statement has its own time-out
    savepoints=True,
    tells_numbers=False,
)
