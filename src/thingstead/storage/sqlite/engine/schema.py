"""Checks the application id and schema version of a file, and migrates it."""

import re
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import structlog

from thingstead import __version__
from thingstead.errors import ConfigError, Unavailable
from thingstead.model.values.unicode_text import account_key, normal, search_form, trimmed_key
from thingstead.storage.migrate import Migration, load_migrations
from thingstead.storage.sqlite.engine.database import connect
from thingstead.storage.transient import is_transient

APPLICATION_ID = 0x54484E47  # "THNG", in the header of the file
LEAST_FREE_BYTES = 1 << 20  # with less free space a disk counts as full
_TRANSIENT = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM}
)
OLDEST_SQLITE = (3, 37, 0)  # STRICT tables

_COMMENTS = re.compile(r"--[^\n]*")
_SPACES = re.compile(r"\s+")

log = structlog.get_logger("thingstead.storage")


def prepare(path: Path, migrations: Sequence[Migration] | None = None, *, now_ms: int | None = None) -> None:
    """Creates the file if there is none, and migrates its schema to the newest version.

    Each migration is one transaction: an interrupted one leaves the version before it.

    Args:
        now_ms: when this release opens the file, which is noted in it; None: it is not noted.

    Raises:
        ConfigError: the file cannot be opened, is not a database of Thingstead, or was written by a newer release.
        Unavailable: the file cannot be opened now: the disk is full, or another process has locked it.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise ConfigError(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer is required")
    if migrations is None:
        migrations = load_migrations("thingstead.storage.sqlite")
    newest = migrations[-1].version
    try:
        if path.exists():  # checked first, so that a file of another program is left unchanged
            with closing(connect(path, read_only=True)) as connection:
                _check(connection, path, newest)
        with closing(connect(path)) as connection:
            _add_functions(connection)
            before = _pragma(connection, "user_version")
            for migration in migrations[before:]:
                _apply(connection, migration)
                if before:  # not logged for a new file
                    log.info("database migrated", file=migration.file_name, version=migration.version)
            if now_ms is not None:
                note_release(connection, now_ms)
    except (sqlite3.Error, OSError) as exc:
        kind = Unavailable if _is_transient(exc, path) else ConfigError
        raise kind(f"{path}: cannot be used as a database: {exc}") from exc


def _is_transient(exc: Exception, path: Path) -> bool:
    """Whether a retry may succeed: a full or failing disk, or a file locked by another process."""
    if isinstance(exc, OSError):
        return is_transient(exc)
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    # SQLite's error for a file that it cannot create is the same on a full disk and in a folder without permission.
    if code == sqlite3.SQLITE_CANTOPEN and path.parent.is_dir():
        return shutil.disk_usage(path.parent).free < LEAST_FREE_BYTES
    return code in _TRANSIENT


def _check(connection: sqlite3.Connection, path: Path, newest: int) -> None:
    application_id = _pragma(connection, "application_id")
    empty = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
    if application_id != APPLICATION_ID and not (application_id == 0 and empty):
        raise ConfigError(f"{path}: belongs to another program")
    version = _pragma(connection, "user_version")
    if version > newest:
        raise ConfigError(
            f"{path}: was written by {_last_release(connection)}, its schema has version {version}; this release, "
            f"{__version__}, knows versions up to {newest}: install that release or a newer one, or restore a backup "
            "made before the upgrade"
        )


def _last_release(connection: sqlite3.Connection) -> str:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'releases'").fetchone() is None:
        return "a newer release"
    row = connection.execute(
        "SELECT release FROM releases ORDER BY schema_version DESC, last_opened_at DESC"
    ).fetchone()
    return "a newer release" if row is None else f"release {row[0]}"


def pending_migration(path: Path) -> tuple[int, int] | None:
    """The schema versions of an existing database of ours and of this release, where the first is lower; else None.

    Raises:
        ConfigError: the file cannot be read as a database.
    """
    newest = load_migrations("thingstead.storage.sqlite")[-1].version
    try:
        with closing(connect(path, read_only=True)) as connection:
            if _pragma(connection, "application_id") != APPLICATION_ID:
                return None
            version = _pragma(connection, "user_version")
    except sqlite3.Error as exc:
        raise ConfigError(f"{path}: cannot be used as a database: {exc}") from exc
    return (version, newest) if 0 < version < newest else None


def note_release(connection: sqlite3.Connection, now_ms: int) -> None:
    """Notes that this release opened the database."""
    connection.execute(
        "INSERT INTO releases (release, schema_version, first_opened_at, last_opened_at) VALUES (?1, ?2, ?3, ?3)"
        " ON CONFLICT DO UPDATE SET schema_version = ?2, last_opened_at = ?3",
        (__version__, _pragma(connection, "user_version"), now_ms),
    )


def require_newest(connection: sqlite3.Connection, path: Path) -> None:
    """Checks the schema version for programs that only read.

    Raises:
        ConfigError: the file is not a database of Thingstead, or its schema is not that of this release.
    """
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise ConfigError(f"{path} is not a database of Thingstead")
    version, newest = _pragma(connection, "user_version"), load_migrations("thingstead.storage.sqlite")[-1].version
    if version != newest:
        way_out = "use a newer release" if version > newest else "start the server once to migrate it"
        raise ConfigError(f"{path}: its schema has version {version}, this release has {newest}; {way_out}")


def deviations(connection: sqlite3.Connection) -> list[str]:
    """Differences of the schema from that of the migrations up to its version: missing or altered objects, and foreign
    triggers and views, since these would run inside our statements."""
    version = _pragma(connection, "user_version")
    with closing(sqlite3.connect(":memory:")) as made:
        _add_functions(made)
        for migration in load_migrations("thingstead.storage.sqlite")[:version]:
            made.executescript(migration.sql)
        expected = _statements(made)
    found = _statements(connection)
    wrong = [name for name, statement in expected.items() if found.get(name) != statement]
    foreign = [name for name in found.keys() - expected.keys() if name.startswith(("trigger ", "view "))]
    return sorted(wrong + foreign)


def _statements(connection: sqlite3.Connection) -> dict[str, str]:
    """Normalized SQL statements of a schema by kind and name."""
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {f"{kind} {name}": _SPACES.sub(" ", _COMMENTS.sub("", sql)).replace('"', "") for kind, name, sql in rows}


def _add_functions(connection: sqlite3.Connection) -> None:
    """Registers the SQL functions that migrations call."""
    for function in (normal, trimmed_key, search_form, account_key):
        connection.create_function(function.__name__, 1, function, deterministic=True)


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    try:
        connection.executescript(
            f"BEGIN IMMEDIATE; PRAGMA application_id={APPLICATION_ID};\n{migration.sql}\n"
            f"PRAGMA user_version={migration.version}; COMMIT;"
        )
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
