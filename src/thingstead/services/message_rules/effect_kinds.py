"""What actions do within the platform, each as an effect that was checked and can be put into a commit."""

from typing import Any, Protocol

from thingstead.errors import InvalidInput, ThingsteadError, Unavailable
from thingstead.model.command import Command
from thingstead.model.device import Device
from thingstead.model.message_rules.rule import Outcome
from thingstead.model.message_rules.work import Cause
from thingstead.refusals import Reason
from thingstead.services.alarms.evaluations import check_ready
from thingstead.services.commands.control import ControlService
from thingstead.services.ingest.chain import ChangedMessage
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.ingest.ingest import IngestService
from thingstead.services.ingest.pushes import PreparedPush, PushService
from thingstead.services.ingest.streams import StreamService
from thingstead.storage.base import Store


class FailedAction:
    """An action that has no effect, and why."""

    def __init__(
        self, outcome: Outcome, why: Reason | None = None, detail: str = "", logs: tuple[str, ...] = ()
    ) -> None:
        self.outcome = outcome
        self.why = why
        self.detail = detail  # for people, if there is no reason
        self.logs = logs  # of the console of a function


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


def check_values_room(ingest: IngestService, link: DeviceContext) -> None:
    """Raises Unavailable if values of a device cannot be put into the open commit now."""
    device_alarms, history = link.device_alarms, ingest.history
    if device_alarms.stale:
        check_ready(device_alarms)
    if history.refusal is not None:
        raise Unavailable(history.refusal)
    if history.congested or history.crowded(link.device.number):
        raise Unavailable("device_congested")


class PushEffect:
    """Attributes that are stored, and pushed."""

    reference = ""
    refusal: ThingsteadError | None = None

    def __init__(self, ingest: IngestService, pushes: PushService, push: PreparedPush) -> None:
        self._ingest = ingest
        self._pushes = pushes
        self._push = push

    def check_room(self) -> None:
        check_values_room(self._ingest, self._push.link)

    def append(self) -> None:
        outcome = self._pushes.store(self._push)
        if outcome.commit is None:
            raise InvalidInput.of(outcome.refused)

    def done(self) -> ThingsteadError | None:
        self._pushes.send(self._push)
        return None


class SetEffect:
    """Attributes that are stored."""

    reference = ""
    refusal: ThingsteadError | None = None

    def __init__(self, ingest: IngestService, link: DeviceContext, values: dict[str, Any], cause: Cause) -> None:
        self._ingest = ingest
        self._link = link
        self._values = values
        self._cause = cause

    def check_room(self) -> None:
        check_values_room(self._ingest, self._link)

    def append(self) -> None:
        outcome = self._ingest.set_values(self._link, self._values, "cloud", self._cause)
        if outcome.commit is None:
            raise InvalidInput.of(outcome.refused)

    def done(self) -> ThingsteadError | None:
        return None


class ReportEffect:
    """A report, as if the device had sent it; its ``before_report`` rules were applied."""

    reference = ""
    refusal: ThingsteadError | None = None

    def __init__(self, ingest: IngestService, link: DeviceContext, made: ChangedMessage, cause: Cause) -> None:
        self._ingest = ingest
        self._link = link
        self._made = made
        self._cause = cause

    def check_room(self) -> None:
        check_values_room(self._ingest, self._link)

    def append(self) -> None:
        self._ingest.report_changed(self._link, self._made, self._cause)

    def done(self) -> ThingsteadError | None:
        return None


class CommandEffect:
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


class DataEffect:
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
