"""Copies a database as of one instant while it is written, and describes a copy."""

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from thingstead.errors import ConfigError, Unavailable
from thingstead.storage.migrate import load_migrations
from thingstead.storage.sqlite.engine.database import connect
from thingstead.storage.sqlite.engine.schema import APPLICATION_ID, deviations

PAGES_PER_STEP = 1_024
CHUNK_BYTES = 1 << 20

Progress = Callable[[int, int], None]  # units done, and their total


def copy_database(source: Path, target: Path, progress: Progress) -> None:
    """Copies a database page by page into an empty file, and makes the copy durable.

    The copy is the snapshot of the instant at which it begins: a read transaction hides later writes, and keeps SQLite
    from restarting the copy.

    Raises:
        Unavailable: source or target cannot be read or written.
    """
    try:
        with closing(connect(source, read_only=True)) as reading, closing(sqlite3.connect(target)) as writing:
            writing.execute("PRAGMA journal_mode=OFF")  # an incomplete copy is deleted
            writing.execute("PRAGMA synchronous=OFF")  # synced once, below
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
            reading.backup(
                writing,
                pages=PAGES_PER_STEP,
                progress=lambda _, remaining, total: progress(total - remaining, total),
                sleep=0,
            )
        sync(target)
    except (sqlite3.Error, OSError) as exc:
        raise Unavailable("not_done", detail=f"{source} cannot be copied: {exc}") from exc


def describe(path: Path) -> tuple[int, dict[str, int]]:
    """Schema version of a database, and the number of rows of each table.

    Raises:
        ConfigError: the file is damaged, of another program or of a newer release, or its schema was altered.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise ConfigError(f"{path} is not a database of Thingstead")
            problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                raise ConfigError(f"{path} is damaged: {problem}")
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            newest = load_migrations("thingstead.storage.sqlite")[-1].version
            if version > newest:
                raise ConfigError(f"{path}: its schema has version {version}; this release knows up to {newest}")
            wrong = deviations(connection)
            if wrong:
                raise ConfigError(f"{path}: its schema is not that of version {version}: {', '.join(wrong[:5])}")
            return version, {name: _rows(connection, name) for name in tables(connection)}
    except sqlite3.Error as exc:
        raise ConfigError(f"{path} cannot be read as a database: {exc}") from exc


def tables(connection: sqlite3.Connection) -> list[str]:
    """Names of the tables, sorted."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in rows if not name.startswith("sqlite_")]


def _rows(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0])  # noqa: S608 - of the schema


def copy_file(source: Path, target: Path, progress: Progress) -> str:
    """Copies a file into an existing one, and makes the copy durable. Returns its SHA-256.

    Raises:
        Unavailable: source or target cannot be read or written.
    """
    try:
        with source.open("rb") as reading, target.open("r+b") as writing:
            digest = hashlib.sha256()
            total = source.stat().st_size
            done = 0
            while chunk := reading.read(CHUNK_BYTES):
                digest.update(chunk)
                writing.write(chunk)
                done += len(chunk)
                progress(done, total)
            writing.flush()
            os.fsync(writing.fileno())
    except OSError as exc:
        raise Unavailable("not_done", detail=f"{source} cannot be copied: {exc.strerror or exc}") from exc
    return digest.hexdigest()


def forget_token_secret(path: Path) -> None:
    """Deletes the secret that signs tokens, the id of the installation, and all browser sessions. The next start makes
    a new secret and id. Durable.

    Raises:
        Unavailable: the database cannot be written.
    """
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA secure_delete=ON")
            with connection:
                connection.execute("DELETE FROM server_secrets WHERE name IN ('token', 'installation')")
                tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'browser_sessions'")
                if tables.fetchone() is not None:  # a backup of an older release has no such table
                    connection.execute("DELETE FROM browser_sessions")
        sync(path)
    except (sqlite3.Error, OSError) as exc:
        raise Unavailable("not_done", detail=f"{path} cannot be written: {exc}") from exc


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Makes a file or the entries of a folder durable (fsync)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
