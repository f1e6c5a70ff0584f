"""Translates errors of sqlite3."""

import re
import sqlite3

from thingstead.errors import Conflict, InvalidInput, ThingsteadError, Unavailable
from thingstead.storage.sql.access.errors import DamagedFile, unstorable

_FAILED_COLUMN = re.compile(r"(?:constraint failed:|value in \w+ column) (?:.*\.)?(\w+)\Z")
# Columns whose field has another name in the API.
_FIELDS = {"type_id": "type", "customer_id": "customer", "gateway_id": "gateway", "parent_id": "parent"}
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
DRIVER_ERRORS = (sqlite3.Error, OverflowError, UnicodeEncodeError)


def is_damage(exc: Exception) -> bool:
    """Whether a driver's error is about a damaged file."""
    return isinstance(exc, sqlite3.DatabaseError) and getattr(exc, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def translated(exc: Exception) -> ThingsteadError:
    """The ThingsteadError for a driver's error.

    A unique value that exists becomes Conflict; any other violated constraint, and values that SQLite cannot store
    (integers over 64 bits, lone surrogates), become InvalidInput; everything else becomes Unavailable.
    """
    if isinstance(exc, OverflowError | UnicodeEncodeError):
        return unstorable(exc)
    if isinstance(exc, sqlite3.DataError):
        return InvalidInput("text_too_long_to_keep")
    if is_damage(exc):
        return DamagedFile("database_damaged", detail=str(exc))
    if not isinstance(exc, sqlite3.IntegrityError):
        return Unavailable("database_unusable", detail=str(exc))
    match = _FAILED_COLUMN.search(str(exc))
    field = _FIELDS.get(match[1], match[1]) if match is not None else ""
    if exc.sqlite_errorcode in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
        return Conflict.field(field, "taken")
    return InvalidInput.field(field, "not_possible") if field else InvalidInput("bad_reference")
