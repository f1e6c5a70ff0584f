"""Logical backups of a database: a folder with a file for each table and a manifest."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from psycopg.conninfo import make_conninfo

from thingstead import __version__
from thingstead.clock import Clock, SystemClock
from thingstead.config import Config
from thingstead.errors import ConfigError, Conflict, Unavailable
from thingstead.server.backups import MANIFEST, write_manifest
from thingstead.server.cluster.node import elsewhere
from thingstead.server.cluster.opening import database_membership
from thingstead.storage.postgres.nodes.conninfo import database_conninfo
from thingstead.storage.postgres.offline.backup import DatabaseCopy, Progress, TableCopy, copy_in, copy_out

FORMAT = "database-1"
TABLES = "tables"  # folder of the files


class DatabaseManifest(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of a backup. Written last: a backup without a manifest is incomplete."""

    format: str
    created_at: str  # ISO 8601, UTC
    release: str
    schema_version: int
    tables: dict[str, TableCopy]

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables.values())

    @property
    def size_bytes(self) -> int:
        """Bytes of all tables."""
        return sum(table.size_bytes for table in self.tables.values())


def back_up_database(config: Config, target: Path, progress: Progress, clock: Clock | None = None) -> DatabaseManifest:
    """Copies one snapshot of the configured database into a new folder; nodes may be active.

    Raises:
        Conflict: ``target`` exists and is not an empty folder.
        ConfigError: the database is empty, or of another program.
        Unavailable: the database cannot be read, or a file cannot be written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict("not_done", detail=f"{target} exists and is not an empty folder; nothing was written")
    conninfo = database_conninfo(config.database, config.database_password_file)
    created_at = datetime.fromtimestamp((clock or SystemClock()).now_ms() / 1000, UTC)
    try:
        for folder in (target, target / TABLES):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        copied = copy_out(make_conninfo(conninfo, application_name="thingstead/backup"), target / TABLES, progress)
        manifest = DatabaseManifest(
            format=FORMAT,
            created_at=created_at.isoformat(timespec="seconds"),
            release=__version__,
            schema_version=copied.schema_version,
            tables=copied.tables,
        )
        write_manifest(target, manifest)
    except OSError as exc:
        raise Unavailable("not_done", detail=f"{target} cannot be written: {exc.strerror or exc}") from exc
    return manifest


async def restore_database(
    config: Config, backup: Path, progress: Progress, *, keep_tokens: bool = False
) -> DatabaseManifest:
    """Fills the configured database, which must be empty, from a backup. No node may be active.

    Args:
        keep_tokens: tokens issued before stay valid; otherwise the secret that signs them is replaced, because whoever
            has the backup could sign tokens.

    Raises:
        Conflict: the database holds a project, or a node is active; nothing was changed.
        ConfigError: the backup is damaged or incomplete; nothing was restored.
        Unavailable: the database cannot be written, or a file cannot be read.
    """
    manifest = _read_manifest(backup)
    membership = database_membership(config)
    keeping: asyncio.Task[str] | None = None
    try:
        stream = await membership.try_once()
        if stream is None:
            raise Conflict("not_done", detail=elsewhere(membership.seen))
        keeping = asyncio.create_task(membership.keep())
        conninfo = make_conninfo(
            database_conninfo(config.database, config.database_password_file), application_name=f"thingstead/{stream}"
        )
        copied = DatabaseCopy(manifest.schema_version, manifest.tables)
        await asyncio.to_thread(
            copy_in, conninfo, stream, backup / TABLES, copied, progress, forget_tokens=not keep_tokens
        )
    except OSError as exc:
        raise Unavailable("not_done", detail=f"{backup} cannot be read: {exc.strerror or exc}") from exc
    finally:
        if keeping is not None:
            keeping.cancel()
            await asyncio.wait([keeping])
        await membership.leave()
        await membership.close()
    return manifest


def _read_manifest(backup: Path) -> DatabaseManifest:
    try:
        manifest = msgspec.json.decode((backup / MANIFEST).read_bytes(), type=DatabaseManifest)
    except OSError as exc:
        raise ConfigError(f"{backup} is not a complete backup: {MANIFEST}: {exc.strerror}") from exc
    except msgspec.MsgspecError as exc:
        raise ConfigError(f"{backup} is not a backup of a database: {MANIFEST}: {exc}") from exc
    if manifest.format != FORMAT:
        raise ConfigError(f"{backup}: backups of format {manifest.format} are unknown to this release")
    return manifest
