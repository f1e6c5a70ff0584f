"""Logical backups: each table as PostgreSQL copies it in binary form, compressed, of one snapshot.

They can be restored with any version of PostgreSQL. A snapshot that is held for long keeps rows that were deleted
since, so that databases beyond some 100 GB are better backed up physically.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString, NamedTuple

import psycopg
import zstandard
from psycopg import sql

from thingstead.errors import ConfigError, Conflict, Unavailable
from thingstead.storage.migrate import load_migrations
from thingstead.storage.postgres.schema import OTHERS, check_complete, prepare, version_of

SUFFIX = ".copy.zst"
CHUNK_BYTES = 1 << 20
_COMPRESSION_LEVEL = 1  # most bytes are blocks of history, which are compressed already
_NO_TIME_LIMITS = "SET idle_in_transaction_session_timeout = 0"  # a slow disk is no reason to end the transaction
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_TABLES = """
SELECT c.relname, c.reltuples::bigint FROM pg_class AS c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname <> ALL (%s) ORDER BY c.relname
"""
_COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
AND attgenerated = '' ORDER BY attnum
"""
_REFERENCES = """
SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
WHERE contype = 'f' AND conrelid <> confrelid AND connamespace = current_schema()::regnamespace
"""
_SEQUENCES = """
SELECT a.attname, pg_get_serial_sequence(a.attrelid::regclass::text, a.attname) FROM pg_attribute AS a
WHERE a.attrelid = %s::regclass AND a.attidentity <> '' AND NOT a.attisdropped
"""
_OUT: LiteralString = "COPY {} ({}) TO STDOUT (FORMAT binary)"
_IN: LiteralString = "COPY {} ({}) FROM STDIN (FORMAT binary)"

Progress = Callable[[int, int], None]  # tables done, and their total


class TableCopy(NamedTuple):
    """One table of a backup."""

    rows: int
    size_bytes: int  # of its file
    sha256: str
    columns: list[str]


class DatabaseCopy(NamedTuple):
    """The contents of a backup."""

    schema_version: int
    tables: dict[str, TableCopy]


def copy_out(conninfo: str, folder: Path, progress: Progress) -> DatabaseCopy:
    """Copies every table of one snapshot into files of an existing folder. Nodes may be active meanwhile.

    Raises:
        ConfigError: the database has no tables of Thingstead, or is being filled from another store.
        Unavailable: it cannot be read.
        OSError: a file cannot be written.
    """
    with _connected(conninfo) as connection:
        connection.execute(_NO_TIME_LIMITS)
        connection.execute(_SNAPSHOT)
        found = version_of(connection)
        if found is None:
            raise ConfigError("the database is empty; there is nothing to back up")
        check_complete(connection)
        names = [row[0] for row in connection.execute(_TABLES, (list(OTHERS),))]
        tables = {}
        for done, name in enumerate(names):
            progress(done, len(names))
            tables[name] = _copy_table_out(connection, name, folder / f"{name}{SUFFIX}")
        progress(len(names), len(names))
        return DatabaseCopy(found[0], tables)


def _copy_table_out(connection: psycopg.Connection, name: str, path: Path) -> TableCopy:
    columns = [row[0] for row in connection.execute(_COLUMNS, (name,))]
    digest = hashlib.sha256()
    compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL).compressobj()
    with path.open("xb") as file, connection.cursor() as cursor:
        path.chmod(0o600)

        def write(compressed: bytes) -> None:
            digest.update(compressed)
            file.write(compressed)

        with cursor.copy(_copy(_OUT, name, columns)) as copy:
            for data in copy:
                write(compressor.compress(data))
        write(compressor.flush())
        return TableCopy(max(0, cursor.rowcount), file.tell(), digest.hexdigest(), columns)


def copy_in(
    conninfo: str, stream: int, folder: Path, contents: DatabaseCopy, progress: Progress, *, forget_tokens: bool
) -> None:
    """Fills an empty database from the files of a backup, in one transaction: all or nothing.

    Args:
        stream: of this process, which is the active node.
        forget_tokens: without the secret that signs tokens, the id of the installation, and browser sessions.

    Raises:
        Conflict: the database is not empty.
        ConfigError: the backup is damaged, or of a newer release.
        Unavailable: the database cannot be written, or another node took over.
        OSError: a file cannot be read.
    """
    migrations = load_migrations("thingstead.storage.postgres")
    if contents.schema_version > len(migrations):
        raise ConfigError(
            f"the backup has schema version {contents.schema_version}, this release knows versions up to "
            f"{len(migrations)}: install a newer release"
        )
    with _connected(conninfo) as connection:
        prepare(connection, migrations[: contents.schema_version])
        connection.execute(_NO_TIME_LIMITS)
        with connection.transaction():
            connection.execute("SELECT fence(%s)", (stream,))
            if connection.execute("SELECT EXISTS (SELECT 1 FROM projects)").fetchone() != (False,):
                raise Conflict("not_done", detail="the database holds a project already; nothing was changed")
            names = _in_order(connection, list(contents.tables))
            for name in names:
                connection.execute(_named("ALTER TABLE {} DISABLE TRIGGER USER", name))
                connection.execute(_named("DELETE FROM {}", name))
            for done, name in enumerate(names):
                progress(done, len(names))
                _copy_table_in(connection, name, folder / f"{name}{SUFFIX}", contents.tables[name])
            if forget_tokens:
                connection.execute("DELETE FROM server_secrets WHERE name IN ('token', 'installation')")
                connection.execute("DELETE FROM browser_sessions")
            for name in names:
                connection.execute(_named("ALTER TABLE {} ENABLE TRIGGER USER", name))
        connection.execute("ANALYZE")
        progress(len(names), len(names))


def _copy_table_in(connection: psycopg.Connection, name: str, path: Path, expected: TableCopy) -> None:
    digest = hashlib.sha256()
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    with path.open("rb") as file, connection.cursor() as cursor:
        try:
            with cursor.copy(_copy(_IN, name, expected.columns)) as copy:
                while chunk := file.read(CHUNK_BYTES):
                    digest.update(chunk)
                    copy.write(decompressor.decompress(chunk))
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError, zstandard.ZstdError) as exc:
            raise ConfigError(f"{path} is damaged: {' '.join(str(exc).split())}") from exc
        if (digest.hexdigest(), max(0, cursor.rowcount)) != (expected.sha256, expected.rows):
            raise ConfigError(f"{path} is damaged: it differs from the manifest")
    for column, sequence in connection.execute(_SEQUENCES, (name,)).fetchall():
        query = sql.SQL("SELECT setval({}, coalesce(max({}), 0) + 1, false) FROM {}")
        connection.execute(query.format(sql.Literal(sequence), sql.Identifier(column), sql.Identifier(name)))


def _in_order(connection: psycopg.Connection, names: list[str]) -> list[str]:
    """The tables, each behind those to which it refers."""
    needs: dict[str, set[str]] = {name: set() for name in names}
    for table, referred in connection.execute(_REFERENCES):
        if table in needs and referred in needs:
            needs[table].add(referred)
    ordered: list[str] = []
    while needs:
        ready = sorted(name for name, missing in needs.items() if not missing)
        assert ready, "no two tables refer to each other"
        ordered += ready
        needs = {name: missing - set(ready) for name, missing in needs.items() if name not in ready}
    return ordered


def _named(statement: LiteralString, name: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(name))


def _copy(statement: LiteralString, name: str, columns: list[str]) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, columns)))


@contextmanager
def _connected(conninfo: str) -> Iterator[psycopg.Connection]:
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            yield connection
    except psycopg.errors.DiskFull as exc:
        raise Unavailable("not_done", detail=f"the disk of the database is full: {exc}") from exc
    except psycopg.Error as exc:
        raise Unavailable("not_done", detail=f"the database failed: {' '.join(str(exc).split())}") from exc
