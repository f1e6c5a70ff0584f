"""Files of versions: uploaded in pieces, checked, read by many at once, removed in steps."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator

import structlog

from thingstead.clock import Clock
from thingstead.config import OtaSettings
from thingstead.errors import Conflict, InvalidInput, TooLarge
from thingstead.model.health import HealthWarning, health_warning
from thingstead.model.ids import new_id
from thingstead.model.ota.version import PIECE_BYTES, OtaFile
from thingstead.repeating import Repeating
from thingstead.services.shared.lru import Lru
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.ota")

WRITTEN_PIECES = 4  # in one transaction
READ_PIECES = 8  # by one read, when a whole file is checked
REMOVED_PIECES = 16  # in one transaction
UPLOADS_COUNT = 4  # at the same time, of one project
PAUSE_S = 0.02  # after each step of removing and checking, for other work
TIDY_INTERVAL_S = 3600.0


class OtaFiles:
    """The files. Pieces that are read stay in memory up to ``cache_max_bytes``; a file is checked as a whole before its
    first download after a start of the server.

    Attributes:
        damaged: ids of files whose content is not what was uploaded. They are not offered.
    """

    def __init__(self, store: Store, clock: Clock, settings: OtaSettings) -> None:
        self._store = store.ota_versions
        self._clock = clock
        self._settings = settings
        self._cache: Lru[tuple[str, int], bytes] = Lru(max(1, settings.cache_max_bytes // PIECE_BYTES))
        self._reads: dict[tuple[str, int], asyncio.Task[bytes]] = {}
        self._checked: set[str] = set()
        self._checks: dict[str, asyncio.Task[bool]] = {}
        self.damaged: set[str] = set()
        self._uploading: dict[str, str] = {}  # projects by file
        self._task = Repeating("files of firmware", self.tidy, TIDY_INTERVAL_S, at_start=True)

    @property
    def max_bytes(self) -> int:
        """The largest file."""
        return self._settings.file_max_bytes

    def start(self) -> None:
        """Starts the task that removes what is left over, and checks files."""
        self._task.start()

    async def close(self) -> None:
        """Ends background work."""
        await self._task.close()
        for task in (*self._reads.values(), *self._checks.values()):
            task.cancel()

    def warnings(self) -> list[HealthWarning]:
        """A warning if a file is damaged."""
        return [health_warning("ota_file_damaged", files=len(self.damaged))] if self.damaged else []

    def removed(self) -> None:
        """Call after a version was removed: its file is removed in the background."""
        self._task.want()

    async def upload(
        self, project_id: str, version_id: str, name: str, pieces: AsyncIterator[bytes], sha256: str = ""
    ) -> OtaFile:
        """Stores the file of a version.

        Args:
            sha256: what it must have, in hexadecimal; empty: anything.

        Raises:
            NotFound: no such version.
            Conflict: the version has a file, the files of the project are too many bytes, or too many are being
                uploaded.
            TooLarge: the file is too large.
            InvalidInput: the file is empty, or has another sha256.
        """
        if Counter(self._uploading.values())[project_id] >= UPLOADS_COUNT:
            raise Conflict("too_many_ota_uploads", maximum=UPLOADS_COUNT)
        file = OtaFile(
            id=new_id() + new_id(), version_id=version_id, name=name, size_bytes=0, sha256="", md5="",
            upload_time=self._clock.now_ms(),
        )  # fmt: skip
        self._uploading[file.id] = project_id
        try:
            await self._store.begin_file(project_id, version_id, file, self._settings.project_max_bytes)
            written = await self._write(file, pieces, sha256)
            await self._store.finish_file(written)
        except BaseException:
            self._task.want()  # removes what was written
            raise
        finally:
            del self._uploading[file.id]
        self._checked.add(written.id)
        return written

    async def _write(self, file: OtaFile, pieces: AsyncIterator[bytes], sha256: str) -> OtaFile:
        hashes = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        most, limit = WRITTEN_PIECES * PIECE_BYTES, self._settings.file_max_bytes
        size, position, held = 0, 0, bytearray()

        async def write(count: int) -> None:
            nonlocal position
            data = bytes(held[:count])
            del held[:count]
            rows = [data[begin : begin + PIECE_BYTES] for begin in range(0, len(data), PIECE_BYTES)]
            await self._store.add_pieces(file.id, position, rows, self._settings.project_max_bytes)
            position += len(rows)

        async for piece in pieces:
            size += len(piece)
            if size > limit:
                raise TooLarge("ota_file_too_large", maximum=limit)
            for each in hashes:
                each.update(piece)
            held += piece
            while len(held) >= most:
                await write(most)
        if not size:
            raise InvalidInput.field("body", "empty")
        found = hashes[0].hexdigest()
        if sha256 and sha256.lower() != found:
            raise InvalidInput.field("sha256", "ota_sha256_differs", found=found)
        if held:
            await write(len(held))
        return OtaFile(
            id=file.id, version_id=file.version_id, name=file.name, size_bytes=size, sha256=found,
            md5=hashes[1].hexdigest(), upload_time=file.upload_time,
        )  # fmt: skip

    async def piece(self, file: OtaFile, position: int) -> bytes:
        """A piece of a file; empty if it is not stored any more. Many readers of one piece cause one read."""
        key = (file.id, position)
        cached = self._cache.use(key)
        if cached is not None:
            return cached
        task = self._reads.get(key)
        if task is None:
            task = self._reads[key] = asyncio.create_task(self._read(key), name="a piece of firmware")
        return await asyncio.shield(task)

    async def _read(self, key: tuple[str, int]) -> bytes:
        try:
            found = await self._store.read_pieces(*key, 1)
            if found:
                self._cache.put(key, found[0])
            return found[0] if found else b""
        finally:
            del self._reads[key]

    async def sound(self, file: OtaFile) -> bool:
        """Whether the stored content is what was uploaded. Reads the whole file, once after each start."""
        if file.id in self._checked:
            return True
        if file.id in self.damaged:
            return False
        task = self._checks.get(file.id)
        if task is None:
            task = self._checks[file.id] = asyncio.create_task(self._check(file), name="a check of firmware")
        return await asyncio.shield(task)

    async def _check(self, file: OtaFile) -> bool:
        try:
            digest, size = hashlib.sha256(), 0
            for position in range(0, file.pieces, READ_PIECES):
                found = await self._store.read_pieces(file.id, position, READ_PIECES)
                size += sum(map(len, found))
                await asyncio.to_thread(_update, digest, found)
            sound = (size, digest.hexdigest()) == (file.size_bytes, file.sha256)
            if sound:
                self._checked.add(file.id)
            else:
                self.damaged.add(file.id)
                log.error("the file of a version is damaged; it is not offered", version=file.version_id, file=file.id)
            return sound
        finally:
            del self._checks[file.id]

    async def tidy(self) -> None:
        """Removes the files of removed versions and unfinished uploads, step by step; checks files that were not
        checked since the start."""
        left = True
        while left:
            left = await self._store.remove_pieces(list(self._uploading), REMOVED_PIECES)
            await asyncio.sleep(PAUSE_S)
        files = await self._store.list_files()
        present = {file.id for file in files}
        self._checked &= present
        self.damaged &= present
        for file in files:
            await self.sound(file)
            await asyncio.sleep(PAUSE_S)


def _update(digest: "hashlib._Hash", pieces: list[bytes]) -> None:
    for piece in pieces:
        digest.update(piece)
