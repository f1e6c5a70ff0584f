"""Cache of rows that every request reads."""

from typing import Generic, TypeVar

from thingstead.model.browser_session import BrowserSession
from thingstead.model.device import Device
from thingstead.model.device_type import DeviceType
from thingstead.model.project import Administrator, Application, Project

K = TypeVar("K")
V = TypeVar("V")

DEVICES_LIMIT = 10_000
OTHERS_LIMIT = 1_000


class Cache(Generic[K, V]):
    """Bounded mapping; when it is full, the entry that was added first is dropped."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.drops = 0  # entries dropped since the start; a row that was read meanwhile may be older than that
        self._entries: dict[K, V] = {}
        self.find = self._entries.get

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: K, value: V) -> None:
        """Stores an entry; a full cache drops its oldest entry."""
        entries = self._entries
        if len(entries) >= self._limit and key not in entries:
            del entries[next(iter(entries))]
        entries[key] = value

    def drop(self, key: K) -> None:
        """Removes an entry, if it exists."""
        self.drops += 1
        self._entries.pop(key, None)


class Caches:
    """Cached rows by id, never older than the last commit that any caller was told of.

    The database is authoritative. One process writes, and its writer thread makes all writes. When a write has
    ended, the changed rows are dropped from the cache before its caller continues, in one step of the event loop. A
    missing row is cached only if nothing was dropped since its read began, so no older row can be cached after the
    drop. Only existing rows are cached: reads of unknown ids fill nothing.

    A device is cached once, by id. The indexes by AccessToken and by number are hints; they count only if the device
    still has that token or number.
    """

    def __init__(self) -> None:
        self.projects: Cache[str, Project] = Cache(OTHERS_LIMIT)
        self.applications: Cache[str, Application] = Cache(OTHERS_LIMIT)
        self.administrators: Cache[str, Administrator] = Cache(OTHERS_LIMIT)
        self.browser_sessions: Cache[bytes, BrowserSession] = Cache(OTHERS_LIMIT)  # by the hash of the secret
        self.device_types: Cache[str, DeviceType] = Cache(OTHERS_LIMIT)
        self.devices: Cache[str, Device] = Cache(DEVICES_LIMIT)
        self._ids_by_token: Cache[str, str] = Cache(DEVICES_LIMIT)
        self._ids_by_number: Cache[int, str] = Cache(DEVICES_LIMIT)

    def device(self, device_id: str) -> Device | None:
        """The cached device with this id."""
        return self.devices.find(device_id)

    def device_by_token(self, access_token: str) -> Device | None:
        """The cached device with this access token."""
        device_id = self._ids_by_token.find(access_token)
        device = self.devices.find(device_id) if device_id is not None else None
        return device if device is not None and device.access_token == access_token else None

    def device_by_number(self, number: int) -> Device | None:
        """The cached device with this number."""
        device_id = self._ids_by_number.find(number)
        device = self.devices.find(device_id) if device_id is not None else None
        return device if device is not None and device.number == number else None

    def put_device(self, device: Device) -> None:
        """Stores a device under its id, access token and number."""
        self.devices.put(device.id, device)
        self._ids_by_token.put(device.access_token, device.id)
        self._ids_by_number.put(device.number, device.id)

    def drop_device(self, device_id: str) -> None:
        """Removes a device; its token and number then find nothing."""
        self.devices.drop(device_id)
