"""Checks a PostgreSQL database, creates its schema, and migrates it."""

import re
from collections.abc import Sequence

import psycopg
import structlog
from psycopg import sql

from thingstead import __version__
from thingstead.errors import ConfigError, Unavailable
from thingstead.storage.migrate import Migration, load_migrations

OLDEST_SERVER = 15
LOCK = 0x54484E47  # advisory lock: one node migrates
LOCK_TIMEOUT_MS = 60_000  # for this lock and for those of the tables that a migration alters
UNFINISHED = "store_migration"  # table of a database that is being filled from another store
OTHERS = ("nodes", "streams")  # tables that are there before the schema: they decide who may migrate it
_OLDEST_READER = re.compile(r"-- oldest reader: (\d+)\n")

_VERSIONS = """
CREATE TABLE schema_version (
    version bigint NOT NULL,
    oldest_reader bigint NOT NULL, -- the newest version that a release must know to use this one
    release text NOT NULL -- which wrote it
)
"""
_FOREIGN = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v')
AND c.relname <> ALL (%s) ORDER BY c.relname LIMIT 1
"""

log = structlog.get_logger("thingstead.storage")


def prepare(
    connection: psycopg.Connection,
    migrations: Sequence[Migration] | None = None,
    *,
    now_ms: int | None = None,
    filling: bool = False,
) -> None:
    """Creates the schema in an empty database, or migrates it to the newest version.

    Each migration is one transaction: an interrupted one leaves the version before it. Nodes that start together take
    turns.

    Args:
        connection: in autocommit mode, with all rights on its schema.
        now_ms: when this release opens the database, which is noted in it; None: it is not noted.
        filling: the caller fills the database from another store, and may go on with that.

    Raises:
        ConfigError: the database cannot be used: an old server, another encoding, a role without rights, tables of
            another program, a schema that only a newer release can read, or it is being filled from another store.
        Unavailable: the server is read-only or in recovery, or another node holds the lock.
    """
    migrations = load_migrations("thingstead.storage.postgres") if migrations is None else migrations
    check_server(connection)
    if not filling:
        check_complete(connection)
    try:
        for migration in migrations:
            _apply(connection, migration, migrations[-1].version)
        if now_ms is not None:
            _note_release(connection, now_ms)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.ReadOnlySqlTransaction) as exc:
        raise Unavailable("database_unusable", detail=f"it cannot be migrated now: {exc}") from exc
    except psycopg.errors.InsufficientPrivilege as exc:
        raise too_few_rights(exc) from exc


def check_server(connection: psycopg.Connection) -> None:
    """Checks what no migration can change. Raises ConfigError or Unavailable, as :func:`prepare`."""
    if connection.info.server_version < OLDEST_SERVER * 10_000:
        version = _one(connection, "SHOW server_version")
        raise ConfigError(f"PostgreSQL {version} is too old: {OLDEST_SERVER} or newer is required")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ConfigError(
            f"the database has the encoding {encoding}: create one with ENCODING 'UTF8' TEMPLATE template0"
        )
    if _one(connection, "SELECT pg_is_in_recovery()"):
        raise Unavailable("database_unusable", detail="it is a replica: use the address of the primary")
    if _one(connection, "SHOW transaction_read_only") == "on":
        raise Unavailable("database_unusable", detail="it is read-only")
    if _one(connection, "SELECT current_schema()") is None:
        raise ConfigError("the database role has no schema: its search_path names none that exists")
    if not _one(connection, "SELECT has_schema_privilege(current_schema(), 'CREATE')"):
        raise ConfigError(
            "the database role may create no tables: make it the owner of the database (ALTER DATABASE … OWNER TO …)"
        )


def check_complete(connection: psycopg.Connection) -> None:
    """Raises ConfigError if the database is being filled from another store."""
    if _one(connection, "SELECT to_regclass(%s)", (UNFINISHED,)) is not None:
        raise ConfigError(
            "the database is being filled by thingstead migrate-store: call that again until it has ended"
        )


def too_few_rights(exc: psycopg.errors.InsufficientPrivilege) -> ConfigError:
    """The refusal of a role that does not own what is in the database."""
    text = str(exc).strip().partition("\n")[0]
    return ConfigError(f"the database role has too few rights: {text}; it must own the schema and every table")


def version_of(connection: psycopg.Connection) -> tuple[int, int, str] | None:
    """Schema version, oldest reader, and the release that wrote it; None: the database is empty.

    Raises:
        ConfigError: it has tables of another program.
    """
    if _one(connection, "SELECT to_regclass('schema_version')") is None:
        foreign = _one(connection, _FOREIGN, (list(OTHERS),))
        if foreign is not None:
            raise ConfigError(
                f"the database has the table {foreign} of another program: create a database for Thingstead alone"
            )
        return None
    row = connection.execute("SELECT version, oldest_reader, release FROM schema_version").fetchone()
    assert row is not None, "the version is written with the table"
    return int(row[0]), int(row[1]), str(row[2])


def _apply(connection: psycopg.Connection, migration: Migration, newest: int) -> None:
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT_MS)))
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        found = version_of(connection)
        if found is not None:
            version, oldest_reader, release = found
            if oldest_reader > newest:
                raise ConfigError(
                    f"the database was written by release {release}, its schema has version {version}; this release, "
                    f"{__version__}, knows versions up to {newest}: install that release or a newer one"
                )
            if version >= migration.version:
                return
        else:
            connection.execute(_VERSIONS)
            connection.execute("INSERT INTO schema_version VALUES (0, 0, '')")
        connection.execute(migration.sql.encode())  # bytes: "%" is no placeholder in it
        stated = _OLDEST_READER.match(migration.sql)
        connection.execute(
            "UPDATE schema_version SET version = %s, oldest_reader = %s, release = %s",
            (migration.version, int(stated[1]) if stated else migration.version, __version__),
        )
    if found is not None:
        log.info("database migrated", file=migration.file_name, version=migration.version)


def _note_release(connection: psycopg.Connection, now_ms: int) -> None:
    connection.execute(
        "INSERT INTO releases (release, schema_version, first_opened_at, last_opened_at)"
        " SELECT %(release)s, version, %(now)s, %(now)s FROM schema_version"
        " ON CONFLICT (release) DO UPDATE"
        " SET schema_version = excluded.schema_version, last_opened_at = excluded.last_opened_at",
        {"release": __version__, "now": now_ms},
    )


def _one(connection: psycopg.Connection, query: str, parameters: Sequence[object] = ()) -> object:
    row = connection.execute(query.encode(), parameters).fetchone()
    return None if row is None else row[0]
