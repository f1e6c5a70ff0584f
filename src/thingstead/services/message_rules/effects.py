"""The actions of message rules: checked, then put into the open commit in one turn of the event loop, then sent."""

from copy import deepcopy
from typing import Any, Protocol

from thingstead.bus.base import Bus
from thingstead.errors import DeviceOffline, InvalidInput, NotFound, ThingsteadError, Unavailable
from thingstead.model.command import Command
from thingstead.model.device import Device
from thingstead.model.message_rules.action import Action, DataAction
from thingstead.model.message_rules.rule import Outcome
from thingstead.model.message_rules.work import WorkItem
from thingstead.model.messages import AttributesPushed
from thingstead.model.report import Source
from thingstead.refusals import Reason
from thingstead.services.alarms.evaluations import check_ready
from thingstead.services.commands.control import ControlService
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.ingest.ingest import IngestService
from thingstead.services.ingest.streams import StreamService
from thingstead.services.shared.payloads import encode_message
from thingstead.storage.base import Store


class FailedAction:
    """An action that has no effect, and why."""

    def __init__(self, outcome: Outcome, why: Reason) -> None:
        self.outcome = outcome
        self.why = why


class Effect(Protocol):
    """An action that was checked."""

    def check_room(self) -> None:
        """Raises Unavailable if it cannot be put into the open commit now."""
        ...

    def append(self) -> None:
        """Puts it into the open commit. Raises ThingsteadError if that refuses it; nothing of it is in the commit
        then."""
        ...

    def done(self) -> ThingsteadError | None:
        """Call after the commit: sends it. Returns why it was refused in the commit."""
        ...

    @property
    def reference(self) -> str:
        """The id of its row; empty: it has none."""
        ...

    @property
    def refusal(self) -> ThingsteadError | None:
        """Why it was refused in the commit. Also for a later write of the same commit, in the writer thread."""
        ...


class Effects:
    """Prepares actions."""

    def __init__(
        self, store: Store, bus: Bus, ingest: IngestService, control: ControlService, streams: StreamService
    ) -> None:
        self._store = store
        self._bus = bus
        self._ingest = ingest
        self._control = control
        self._streams = streams

    async def prepare(self, item: WorkItem, action: Action) -> Effect | FailedAction:
        """Looks up what an action needs, and checks it. Raises Unavailable if the store cannot take it now."""
        try:
            device = await self._store.devices.get(item.project_id, action.device or item.device_id)
        except NotFound as exc:
            return FailedAction("target_gone", exc.reason)
        try:
            if action.command is not None:
                sent = action.command
                command = await self._control.draft(device, sent.method, sent.params, sent.id, sent.wait_ms)
                return _CommandEffect(self._store, self._control, command)
            if action.data is not None:
                return await self._data(device, action.data)
            source: Source = "push" if action.push is not None else "cloud"
            link = await self._ingest.link(device)
            values = action.push if action.push is not None else action.set_ or {}
            return _ValuesEffect(self._bus, self._ingest, link, deepcopy(values), source)
        except Unavailable:
            raise
        except ThingsteadError as exc:
            return FailedAction("refused", exc.reason)

    async def _data(self, device: Device, data: DataAction) -> Effect | FailedAction:
        payload = encode_message(data.format, data.body)
        try:
            await self._streams.target(device.project_id, device.id, data.identifier, payload)
        except DeviceOffline as exc:
            return FailedAction("target_offline", exc.reason)
        return _DataEffect(self._streams, device, data.identifier, payload)


class _ValuesEffect:
    """Attributes that are stored, and pushed if their source is ``push``."""

    reference = ""
    refusal: ThingsteadError | None = None

    def __init__(
        self, bus: Bus, ingest: IngestService, link: DeviceContext, values: dict[str, Any], source: Source
    ) -> None:
        self._bus = bus
        self._ingest = ingest
        self._link = link
        self._values = values
        self._source = source

    def check_room(self) -> None:
        device_alarms, history = self._link.device_alarms, self._ingest.history
        if device_alarms.stale:
            check_ready(device_alarms)
        if history.refusal is not None:
            raise Unavailable(history.refusal)
        if history.congested or history.crowded(self._link.device.number):
            raise Unavailable("device_congested")

    def append(self) -> None:
        outcome = self._ingest.set_values(self._link, self._values, self._source)
        if outcome.commit is None:
            raise InvalidInput.of(outcome.refused)

    def done(self) -> ThingsteadError | None:
        if self._source == "push":
            device = self._link.device
            self._bus.publish(AttributesPushed(device.project_id, device.id, self._values))
        return None


class _CommandEffect:
    """A command, which waits in its row until a connection takes it."""

    def __init__(self, store: Store, control: ControlService, command: Command) -> None:
        self._store = store
        self._control = control
        self._command = command
        self._refused: list[ThingsteadError] = []

    @property
    def reference(self) -> str:
        return self._command.id

    @property
    def refusal(self) -> ThingsteadError | None:
        return self._refused[0] if self._refused else None

    def check_room(self) -> None:
        """It has room in any commit."""

    def append(self) -> None:
        _, self._refused = self._store.commands.append(self._command)

    def done(self) -> ThingsteadError | None:
        if self._refused:
            return self._refused[0]
        self._control.announce(self._command)
        return None


class _DataEffect:
    """Custom data, which is logged."""

    reference = ""
    refusal: ThingsteadError | None = None

    def __init__(self, streams: StreamService, device: Device, identifier: str, payload: bytes) -> None:
        self._streams = streams
        self._device = device
        self._identifier = identifier
        self._payload = payload

    def check_room(self) -> None:
        """It has room in any commit."""

    def append(self) -> None:
        self._streams.append(self._device, self._identifier, self._payload)

    def done(self) -> ThingsteadError | None:
        self._streams.appended(self._device, self._identifier, self._payload)
        return None
