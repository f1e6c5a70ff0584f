"""The store of a single node: one SQLite file, owned by one process."""

import asyncio
from pathlib import Path

import structlog

from thingstead.clock import Clock
from thingstead.config import StorageSettings
from thingstead.model.health import HealthWarning, health_warning
from thingstead.refusals import Reason
from thingstead.storage.sql.store import SqlStore
from thingstead.storage.sqlite.engine.database import BUSY_TIMEOUT_MS, SqliteDatabase
from thingstead.storage.sqlite.engine.disk import DiskWatch
from thingstead.storage.sqlite.engine.schema import prepare

log = structlog.get_logger("thingstead.storage")


class SqliteStore(SqlStore):
    """See :class:`~thingstead.storage.base.Store`. Use :meth:`open`; also an async context manager."""

    def __init__(self, database: SqliteDatabase, clock: Clock, settings: StorageSettings) -> None:
        super().__init__(database, clock)
        self._database = database
        self.disk = DiskWatch(database, self.history.refuse, settings.low_disk_bytes)

    @classmethod
    async def open(
        cls,
        path: Path,
        clock: Clock,
        settings: StorageSettings = StorageSettings(),  # noqa: B008 - frozen
        *,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> "SqliteStore":
        """Opens the file; creates it or migrates its schema if needed.

        Args:
            busy_timeout_ms: how long a write waits for another process that has locked the file.

        Raises:
            ConfigError: the file cannot be opened, is not a database of Thingstead, or was written by a newer release.
            Unavailable: the file cannot be opened now: the disk is full or fails, or a needed page is damaged.
        """
        begun_s = clock.monotonic_s()
        await asyncio.to_thread(prepare, path, now_ms=clock.now_ms())
        store = cls(SqliteDatabase(path, busy_timeout_ms=busy_timeout_ms, clock=clock), clock, settings)
        try:
            await store.history.open()
            store.disk.start()
        except BaseException:
            await store._database.close()
            raise
        log.info("store opened", path=str(path), took_ms=round((clock.monotonic_s() - begun_s) * 1000))
        return store

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self._database.path

    @property
    def disk_free_bytes(self) -> int | None:
        return self.disk.free_bytes

    @property
    def damage_met(self) -> int:
        return self._database.damage_met

    def trouble(self) -> Reason | None:
        return super().trouble() or self.disk.refusal

    def warnings(self) -> list[HealthWarning]:
        warnings = super().warnings()
        if self._database.damage is not None:
            warnings.append(health_warning("damaged_pages", detail=self._database.damage))
        return warnings

    async def close(self) -> None:
        try:
            await self.disk.close()
        finally:
            await super().close()
