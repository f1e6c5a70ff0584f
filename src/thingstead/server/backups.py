"""Backups: a folder with a copy of the database and a manifest."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog

from thingstead import __version__
from thingstead.clock import Clock, SystemClock
from thingstead.errors import ConfigError, Conflict, Unavailable
from thingstead.server.folder import BACKUPS, DATABASE, DataFolder
from thingstead.storage.sqlite.engine.schema import pending_migration
from thingstead.storage.sqlite.offline.backup import (
    checksum,
    copy_database,
    copy_file,
    describe,
    forget_token_secret,
    sync,
)

MANIFEST = "manifest.json"
BACKUP_MARGIN_BYTES = 64 << 20  # what a migration may need beside the backup
FORMAT = 1
log = structlog.get_logger("thingstead.server")

Progress = Callable[[int, int], None]  # units done, and their total


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of a backup. Written last: a backup without a manifest is incomplete."""

    format: int
    created_at: str  # ISO 8601, UTC
    release: str
    schema_version: int
    size_bytes: int
    sha256: str  # of the database file
    rows: dict[str, int]  # by table


def back_up(data_dir: Path, target: Path, progress: Progress, clock: Clock | None = None) -> Manifest:
    """Copies the present snapshot of a data folder into a new folder; a server may be running on it.

    Raises:
        Conflict: ``target`` exists and is not an empty folder.
        ConfigError: there is no data folder, or the copy is damaged, and so is the source.
        Unavailable: a file cannot be read or written.
    """
    folder = DataFolder(data_dir)
    if not folder.initialized:
        raise ConfigError(f"{data_dir} is not a data folder; there is nothing to back up")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict("not_done", detail=f"{target} exists and is not an empty folder; nothing was written")
    database = target / DATABASE
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.chmod(0o700)
        os.close(os.open(database, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        copy_database(folder.database, database, progress)
        manifest = _manifest(database, clock or SystemClock())
        write_manifest(target, manifest)
    except OSError as exc:
        raise Unavailable("not_done", detail=f"{target} cannot be written: {exc.strerror or exc}") from exc
    return manifest


def migration_ahead(folder: DataFolder) -> tuple[int, int] | None:
    """The schema versions of the folder and of this release, if the next start migrates it; otherwise None.

    Raises:
        ConfigError: the database cannot be read.
    """
    return pending_migration(folder.database)


def back_up_before_migration(folder: DataFolder, clock: Clock) -> None:
    """Backs up a data folder that this release is about to migrate, inside of it. Earlier backups stay; those that were
    cut off, as by a kill, are removed. The folder must be locked.

    Raises:
        ConfigError: the database is damaged, or of another program.
        Unavailable: the disk has no space for the copy; nothing was migrated.
    """
    pending = migration_ahead(folder)
    if pending is None:
        return
    _remove_incomplete(folder)
    size_bytes = folder.database.stat().st_size
    if shutil.disk_usage(folder.path).free < size_bytes + BACKUP_MARGIN_BYTES:
        raise Unavailable(
            "not_done",
            detail=f"{folder.path}: the disk has no space for a backup of {size_bytes:,} bytes before the database is "
            "migrated; free some, or make a backup elsewhere and set storage.backup_before_migration to false",
        )
    target = _new_target(folder, pending[0], clock)
    log.info("backing up before a migration", target=str(target), size_bytes=size_bytes)
    back_up(folder.path, target, lambda *_: None, clock)


def _remove_incomplete(folder: DataFolder) -> None:
    for backup in (folder.path / BACKUPS).glob("schema-*"):
        if not (backup / MANIFEST).exists():
            log.info("removing a backup that was cut off", target=str(backup))
            shutil.rmtree(backup)


def _new_target(folder: DataFolder, schema_version: int, clock: Clock) -> Path:
    made_at = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
    target = first = folder.path / BACKUPS / f"schema-{schema_version}-{made_at:%Y%m%dT%H%M%SZ}"
    others = 1
    while target.exists():  # a start of the same second
        others += 1
        target = first.with_name(f"{first.name}-{others}")
    return target


def _manifest(database: Path, clock: Clock) -> Manifest:
    version, rows = describe(database)
    return Manifest(
        format=FORMAT,
        created_at=datetime.fromtimestamp(clock.now_ms() / 1000, UTC).isoformat(timespec="seconds"),
        release=__version__,
        schema_version=version,
        size_bytes=database.stat().st_size,
        sha256=checksum(database),
        rows=rows,
    )


def write_manifest(target: Path, manifest: msgspec.Struct) -> None:
    """Writes the manifest of a backup durably, which completes it. Raises OSError."""
    path = target / MANIFEST
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    for synced in (path, target):
        sync(synced)


def read_manifest(backup: Path) -> Manifest:
    """Reads the manifest of a backup.

    Raises:
        ConfigError: it is missing or unreadable: this is not a complete backup.
    """
    try:
        manifest = msgspec.json.decode((backup / MANIFEST).read_bytes(), type=Manifest)
    except OSError as exc:
        raise ConfigError(f"{backup} is not a complete backup: {MANIFEST}: {exc.strerror}") from exc
    except msgspec.MsgspecError as exc:
        raise ConfigError(f"{backup} is not a readable backup: {MANIFEST}: {exc}") from exc
    if manifest.format != FORMAT:
        raise ConfigError(f"{backup}: backups of format {manifest.format} are unknown to this release")
    return manifest


def restore(backup: Path, data_dir: Path, progress: Progress, *, keep_tokens: bool = False) -> Manifest:
    """Creates a data folder from a backup. Checks the copy against the manifest, and its schema against this release,
    before the folder counts as initialized.

    Args:
        keep_tokens: tokens issued before stay valid; otherwise the secret that signs them is replaced, because whoever
            has the backup could sign tokens.

    Raises:
        Conflict: ``data_dir`` is initialized already, or in use; nothing was changed.
        ConfigError: the backup is damaged or incomplete, or ``data_dir`` has other contents; nothing was restored.
        Unavailable: a file cannot be read or written.
    """
    manifest = read_manifest(backup)
    folder = DataFolder(data_dir)
    if folder.initialized:
        raise Conflict("not_done", detail=f"{data_dir} is a data folder already; nothing was changed")
    folder.create()
    with folder.lock():
        if shutil.disk_usage(data_dir).free < manifest.size_bytes:
            raise Unavailable("not_done", detail=f"{data_dir}: the disk has no space for {manifest.size_bytes:,} bytes")
        copied = folder.begin_database()
        try:
            digest = copy_file(backup / DATABASE, copied, progress)
            if digest != manifest.sha256:
                raise ConfigError(f"{backup} is damaged: its database differs from the manifest")
            if describe(copied) != (manifest.schema_version, manifest.rows):
                raise ConfigError(f"{backup} is damaged: its manifest belongs to another database")
            if not keep_tokens:
                forget_token_secret(copied)
        except BaseException:
            copied.unlink(missing_ok=True)
            raise
        folder.finish_database()
    return manifest
