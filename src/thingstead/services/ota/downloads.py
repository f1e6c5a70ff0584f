"""Downloads of devices: links, rate, progress."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from thingstead.clock import Clock
from thingstead.config import OtaSettings
from thingstead.errors import NotFound
from thingstead.model.ota.rollout import Served
from thingstead.model.ota.version import PIECE_BYTES, OtaFile, OtaVersion
from thingstead.mqtt.budget import Budget
from thingstead.repeating import Repeating
from thingstead.services.ota.files import OtaFiles
from thingstead.services.ota.links import hash_of
from thingstead.services.ota.pacing import Pacer
from thingstead.services.ota.watching import OtaWatch
from thingstead.services.shared.commits import settled
from thingstead.services.shared.lru import Lru
from thingstead.storage.base import Store

SENT_BYTES = 16_384  # in one write: others get their turn, and slow devices their time
FLUSH_INTERVAL_S = 2.0  # between two notes of progress
RECEIVING_S, RECEIVING_LOOK_S = 50.0, 0.05  # for the end of a file, after it was sent
DOWNLOADS_OF_DEVICE_LIMIT = 8  # at the same time
BUSY_FACTOR = 2  # of the downloads of a project, which may be had before no further device is told to begin one
RECENT_VERSIONS = 1_000
RECENT_DEVICES = 100_000  # whose parts of a file are added up
WHOLE_SHARE = 0.9  # of a file, that is a download: a resumed one may have begun before the server


class FirmwareLink(NamedTuple):
    """What a link is for."""

    device_id: str
    version: OtaVersion
    file: OtaFile


async def _received(unsent_bytes: Callable[[], int]) -> None:
    """Returns when the device has received everything, or takes no more of it."""
    for _ in range(round(RECEIVING_S / RECEIVING_LOOK_S)):
        if not unsent_bytes():
            return
        await asyncio.sleep(RECEIVING_LOOK_S)


class OtaDownloads:
    """Serves files.

    Attributes:
        served_bytes: since the start.
        outcomes: downloads by how they ended: ``complete``, ``partial``, ``refused``, ``unknown``.
    """

    def __init__(self, store: Store, clock: Clock, settings: OtaSettings, files: OtaFiles, watch: OtaWatch) -> None:
        self._store = store
        self._clock = clock
        self._files = files
        self._watch = watch
        self._pacer = Pacer(settings.download_max_bytes_per_s)
        self._slots = Budget(settings.downloads_max)
        self._held: Counter[str] = Counter()  # slots by project
        self._of_device: Counter[str] = Counter()  # and by device
        self._versions: Lru[str, OtaVersion] = Lru(RECENT_VERSIONS)
        self._served: dict[tuple[str, str], list[int]] = {}  # (device, version): bytes, downloads; not noted yet
        self._since: Lru[tuple[str, str], int] = Lru(RECENT_DEVICES)  # bytes since the last whole download
        self._flush = Repeating("progress of downloads", self.flush, FLUSH_INTERVAL_S)
        self.most = settings.downloads_max
        self.served_bytes = 0
        self.outcomes: Counter[str] = Counter()

    def start(self) -> None:
        """Starts the task that notes progress."""
        self._flush.start()

    async def close(self) -> None:
        """Notes the last progress."""
        await self._flush.close()
        self._pacer.close()
        await self.flush()

    @property
    def active(self) -> int:
        """Downloads under way."""
        return self._slots.used_bytes

    @property
    def waiting(self) -> int:
        """Downloads that wait for their turn."""
        return self._pacer.waiting

    def changed(self, version_id: str) -> None:
        """Call after a version was changed or removed."""
        self._versions.pop(version_id, None)

    async def find(self, token: str) -> FirmwareLink | None:
        """What a token is for; None: nothing, or its version is disabled or damaged."""
        token_hash = hash_of(token)
        link = None
        if token_hash is not None:
            link = await self._store.ota_upgrades.find_token(token_hash, self._clock.now_ms())
        version = None if link is None else await self._version(link.project_id, link.version_id)
        usable = version is not None and version.enabled and version.file is not None
        if link is None or version is None or version.file is None or not usable:
            self.outcomes["unknown"] += 1
            return None
        if not await self._files.sound(version.file):
            self.outcomes["unknown"] += 1
            return None
        return FirmwareLink(link.device_id, version, version.file)

    async def _version(self, project_id: str, version_id: str) -> OtaVersion | None:
        version = self._versions.use(version_id)
        if version is None:
            try:
                version = await self._store.ota_versions.get(project_id, version_id)
            except NotFound:
                return None
            self._versions.put(version_id, version)
        return version

    def admit(self, found: FirmwareLink) -> bool:
        """Takes one of the downloads that may run at the same time, until its pieces end; False: there is none left for
        this project. The fewer are left, the fewer one project may have."""
        project_id, device_id = found.version.project_id, found.device_id
        crowded = self._of_device[device_id] >= DOWNLOADS_OF_DEVICE_LIMIT
        if crowded or not self._slots.room(self._held[project_id], 1):
            self.outcomes["refused"] += 1
            return False
        self._slots.moved(0, 1)
        self._held[project_id] += 1
        self._of_device[device_id] += 1
        return True

    def is_crowded(self, project_id: str) -> bool:
        """Whether a project has half of the downloads that it may have at the same time. Those of others count only as
        far as they leave fewer to it, so that they cannot keep it waiting."""
        held = self._held[project_id] * BUSY_FACTOR
        return held > self.most or not self._slots.room(held, 1)

    def release(self, found: FirmwareLink) -> None:
        """Gives back what :meth:`admit` took."""
        self._slots.moved(1, 0)
        for held, key in ((self._held, found.version.project_id), (self._of_device, found.device_id)):
            held[key] -= 1
            if not held[key]:
                del held[key]

    async def pieces(
        self, found: FirmwareLink, first: int, last: int, unsent_bytes: Callable[[], int]
    ) -> AsyncIterator[bytes]:
        """The bytes from ``first`` to ``last``, at the rate of all downloads. The caller was admitted.

        Args:
            unsent_bytes: how much of what was sent the device has not received yet.
        """
        file, project_id = found.file, found.version.project_id
        position = first
        try:
            while position <= last:
                size = min(SENT_BYTES, last + 1 - position)
                await self._pacer.turn(project_id, size)
                block = await self._files.piece(file, position // PIECE_BYTES)
                offset = position % PIECE_BYTES
                piece = block[offset : offset + min(size, PIECE_BYTES - offset)]
                if not piece:
                    raise NotFound("no_such_ota_version")  # it was removed: the connection is closed
                yield piece
                position += len(piece)
                self._note(found, len(piece), 0)
            await _received(unsent_bytes)
        finally:
            complete = position > last and not unsent_bytes()
            self.release(found)
            self.outcomes["complete" if complete else "partial"] += 1
            if complete and last == file.size_bytes - 1:
                self._ended(found)

    def _note(self, found: FirmwareLink, size: int, downloads: int) -> None:
        self.served_bytes += size
        key = (found.device_id, found.version.id)
        noted = self._served.setdefault(key, [0, 0])
        noted[0] += size
        noted[1] += downloads
        self._since.put(key, (self._since.get(key) or 0) + size)

    def _ended(self, found: FirmwareLink) -> None:
        """Counts a download that reached the end of the file, if the device got nearly a whole file since the last one:
        a client that asks for the last byte alone has not downloaded it."""
        key = (found.device_id, found.version.id)
        if (self._since.get(key) or 0) >= found.file.size_bytes * WHOLE_SHARE:
            self._note(found, 0, 1)
            self._since.pop(key, None)
        self._flush.want()

    async def flush(self) -> None:
        """Notes the progress since the last call."""
        if not self._served:
            return
        served, self._served = self._served, {}
        noted = [Served(device_id, version_id, *counts) for (device_id, version_id), counts in served.items()]
        for each in noted:
            self._watch.served(each)
        await settled(self._store.ota_upgrades.note_served(noted, self._clock.now_ms()))
