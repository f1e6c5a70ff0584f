"""Application subscriptions (wire reference §7): authentication, and which devices an application sees."""

import hmac
from collections.abc import Callable

import msgspec

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import NotAuthenticated
from thingstead.model.device import Device
from thingstead.model.messages import DeviceChanged, ThingChanged
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
    type_id: str | None = None
    group_ids: frozenset[str] | None = None  # None: not read, because nobody needs them


class SubscriptionService:
    """Log-in of application subscribers, and cache of device cards."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, log_ins: LogIns | None = None) -> None:
        self._store = store
        self._log_ins = log_ins or LogIns(clock)
        self._by_number: dict[int, DeviceCard] = {}
        self._numbers: dict[str, int] = {}  # by device id; the cached ones
        self._view_keys: dict[str, str] = {}  # by id, of projects that somebody subscribed to
        self._changes = 0
        self._group_readers = 0  # subscribers for whom the groups of devices matter
        self.stale: Callable[[], None] = lambda: None  # called after cards were dropped
        self._subscription = bus.subscribe(DeviceChanged, self._changed)
        self._groups_subscription = bus.subscribe(ThingChanged, self._groups_changed)

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
            self.failed(remote_host, project)
            raise NotAuthenticated("view_login_failed")
        self._view_keys[project.id] = project.view_key
        return project

    def failed(self, remote_host: str, project: Project | None) -> None:
        """Counts a failed log-in. Raises TooManyRequests after too many from this address."""
        self._log_ins.subscribers.failed(remote_host, "" if project is None else project.id)

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
        card = self._by_number.get(number)
        return card if not self._group_readers or card is None or card.group_ids is not None else None

    def card_by_id(self, device_id: str) -> DeviceCard | None:
        """The cached card of a device, by its id."""
        number = self._numbers.get(device_id)
        return None if number is None else self.card(number)

    def read_groups(self, readers: int) -> None:
        """Adds (1) or removes (-1) a subscriber for whom the groups of devices matter: cards have them while there is
        one."""
        self._group_readers += readers

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
            group_ids: frozenset[str] | None = None
            if self._group_readers:
                group_ids = frozenset(each for each, _ in await store.device_groups.list_of_device(found.number))
            # Otherwise this device may have changed meanwhile.
            if changes == self._changes and (group_ids is not None or not self._group_readers):
                return self._remember(found, project, group_ids)

    def _remember(self, device: Device, project: Project, group_ids: frozenset[str] | None) -> DeviceCard:
        shown = {"id": device.id, "name": device.name, "device_key": device.device_key}
        prefix = f"{project.view_key}/{device.view_token}/"
        card = DeviceCard(device.id, prefix, msgspec.Raw(_encode(shown)), device.type_id, group_ids)
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
            self.stale()

    def _groups_changed(self, message: ThingChanged) -> None:
        if self._group_readers and message.kind == "device_group":
            self._changes += 1
            self._by_number.clear()
            self._numbers.clear()
            self.stale()

    async def close(self) -> None:
        """Ends the subscriptions to the bus."""
        self._subscription.cancel()
        self._groups_subscription.cancel()
