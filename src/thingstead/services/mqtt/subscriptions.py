"""Application subscriptions (wire reference §7): authentication, and which devices an application sees."""

import hmac

import msgspec

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import NotAuthenticated
from thingstead.model.device import Device
from thingstead.model.messages import DeviceChanged
from thingstead.model.project import Project
from thingstead.services.accounts.log_ins import LogIns
from thingstead.services.accounts.tokens import hash_secret
from thingstead.storage.base import Store

CARDS_LIMIT = 100_000  # cached devices; the one that was read first is dropped
_NO_HASH = bytes(32)

_encode = msgspec.json.Encoder().encode


class DeviceCard(msgspec.Struct, frozen=True, gc=False):
    """What subscribers need of a device: its topics and its description."""

    device_id: str
    prefix: str  # of its topics: ``<ProjectViewKey>/<DeviceViewToken>/``
    json: msgspec.Raw  # ``{"id", "name", "device_key"}`` (wire reference §15.11)


class SubscriptionService:
    """Log-in of application subscribers, and cache of device cards."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, log_ins: LogIns | None = None) -> None:
        self._store = store
        self._log_ins = log_ins or LogIns(clock)
        self._by_number: dict[int, DeviceCard] = {}
        self._numbers: dict[str, int] = {}  # by device id; the cached ones
        self._view_keys: dict[str, str] = {}  # by id, of projects that somebody subscribed to
        self._changes = 0
        self._subscription = bus.subscribe(DeviceChanged, self._changed)

    async def authenticate(self, view_key: str, view_secret: str, remote_host: str) -> Project:
        """The project with this ProjectViewKey and ProjectViewSecret.

        Raises:
            NotAuthenticated: one of them is wrong; the message does not say which.
            TooManyRequests: one of them is wrong, after too many failures from this address. Right ones are never
                throttled: they cannot be guessed, and throttling would let anyone lock out an application.
        """
        project = await self._store.projects.find_by_view_key(view_key)
        known = project.view_secret_hash if project is not None else _NO_HASH
        right = hmac.compare_digest(known, hash_secret(view_secret))
        if project is None or not right:
            self._log_ins.subscribers.failed(remote_host, "" if project is None else project.id)
            raise NotAuthenticated("view_login_failed")
        self._view_keys[project.id] = project.view_key
        return project

    async def project_of(self, view_key: str) -> Project | None:
        """The project with this ProjectViewKey, which is not secret."""
        project = await self._store.projects.find_by_view_key(view_key)
        if project is not None:
            self._view_keys[project.id] = project.view_key
        return project

    def view_key_of(self, project_id: str) -> str | None:
        """ProjectViewKey of a project; None: nobody has subscribed to it."""
        return self._view_keys.get(project_id)

    def card(self, number: int) -> DeviceCard | None:
        """The cached card of a device, by its number."""
        return self._by_number.get(number)

    def card_by_id(self, device_id: str) -> DeviceCard | None:
        """The cached card of a device, by its id."""
        number = self._numbers.get(device_id)
        return None if number is None else self._by_number.get(number)

    async def read_card(self, device: int | str) -> DeviceCard | None:
        """Loads the card of a device by its number or id; None if the device was removed."""
        store = self._store
        while True:
            changes = self._changes
            found = await (
                store.devices.find(device) if isinstance(device, str) else store.devices.find_by_number(device)
            )
            if found is None:
                return None
            project = await store.projects.get(found.project_id)
            if changes == self._changes:  # otherwise this device may have changed meanwhile
                return self._remember(found, project)

    def _remember(self, device: Device, project: Project) -> DeviceCard:
        shown = {"id": device.id, "name": device.name, "device_key": device.device_key}
        card = DeviceCard(device.id, f"{project.view_key}/{device.view_token}/", msgspec.Raw(_encode(shown)))
        while len(self._by_number) >= CARDS_LIMIT:
            oldest = next(iter(self._by_number))
            self._numbers.pop(self._by_number.pop(oldest).device_id, None)
        self._by_number[device.number] = card
        self._numbers[device.id] = device.number
        return card

    def _changed(self, message: DeviceChanged) -> None:
        self._changes += 1
        number = self._numbers.pop(message.device_id, None)
        if number is not None:
            self._by_number.pop(number, None)

    async def close(self) -> None:
        """Ends the subscriptions to the bus."""
        self._subscription.cancel()
