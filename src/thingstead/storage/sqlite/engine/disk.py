"""Watches free disk space: reports are refused before the disk is full, and accepted again when there is space."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog

from thingstead.errors import ThingsteadError
from thingstead.refusals import Reason, reason
from thingstead.storage.sqlite.engine.database import ROOM_BYTES, SqliteDatabase

log = structlog.get_logger("thingstead.storage")

CHECK_INTERVAL_S = 5.0
COMMIT_CHECK_INTERVAL_S = 0.05  # least time between two checks after commits: even a fast disk writes little meanwhile
HYSTERESIS = 1.05  # reports are accepted again at this multiple of the space under which they are refused
MIB = 1 << 20


def free_bytes(path: Path) -> int:
    """Free disk space for this user on the file system of a path."""
    return shutil.disk_usage(path.parent).free


def require_room(path: Path) -> None:
    """Writes and deletes a file beside another one, to check for free space. A small commit alone would not show it: it
    may fit into the existing -wal file.

    Raises:
        OSError: there is no free space.
    """
    with tempfile.TemporaryFile(dir=path.parent) as probe:
        probe.write(bytes(ROOM_BYTES))
        probe.flush()
        os.fsync(probe.fileno())


class DiskWatch:
    """Checks the free disk space regularly and after commits, so that the writes between two checks cannot fill the
    disk.

    Args:
        refuse: called with the reason when reports must be refused, and with None when they can be accepted again.
        low_bytes: free space under which reports are refused; 0: never.
        free: returns the free space in bytes.
    """

    def __init__(
        self,
        database: SqliteDatabase,
        refuse: Callable[[Reason | None], None],
        low_bytes: int,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._database = database
        self._refuse = refuse
        self._low_bytes = low_bytes
        self._free = free
        self._loop = asyncio.get_running_loop()
        self._look_at_s = 0.0  # a commit after this time triggers the next check
        self._task: asyncio.Task[None] | None = None
        self.free_bytes = free(database.path)
        self.refusal: Reason | None = None

    def start(self) -> None:
        """Starts the task; :meth:`close` ends it."""
        self.look()
        self._database.writer.on_commit = self._look_after_commit
        self._task = self._loop.create_task(self._watch())

    async def close(self) -> None:
        self._database.writer.on_commit = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _look_after_commit(self) -> None:
        if self._low_bytes and self._loop.time() >= self._look_at_s:
            try:
                self.look()
            except OSError as exc:
                log.error("the free disk space cannot be read", error=str(exc))
            except Exception:
                log.exception("checking the disk failed")  # the commit is on disk, so its callers must still be told

    def look(self) -> None:
        """Checks the disk once."""
        self._look_at_s = self._loop.time() + COMMIT_CHECK_INTERVAL_S
        self.free_bytes = self._free(self._database.path)
        if self.refusal is None and self.free_bytes < self._low_bytes:
            self._change(reason("disk_nearly_full", free=self.free_bytes // MIB, least=self._low_bytes // MIB))
            log.error("the disk is nearly full; reports are refused", free_bytes=self.free_bytes)
        elif self.refusal is not None and self.free_bytes >= self._low_bytes * HYSTERESIS:
            self._change(None)
            log.warning("the disk has free space again; reports are accepted", free_bytes=self.free_bytes)

    def _change(self, refusal: Reason | None) -> None:
        self.refusal = refusal
        self._refuse(refusal)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            try:
                self.look()
                if self._database.trouble() is not None:
                    await asyncio.to_thread(require_room, self._database.path)
                    await self._database.probe()
            except ThingsteadError as exc:
                log.warning("the database still cannot be written", error=exc.message)
            except OSError as exc:
                log.error("the disk cannot be used", error=str(exc))
            except Exception:
                log.exception("checking the disk failed; retrying")
