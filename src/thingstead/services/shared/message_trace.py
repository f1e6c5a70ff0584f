"""Live trace of the messages of single devices with their outcomes. No cost without a subscriber."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import FieldError, ThingsteadError
from thingstead.model.device import Device
from thingstead.model.messages import MessageTraced
from thingstead.refusals import Reason, reason
from thingstead.services.shared.excerpts import ERRORS_NOTED, noted_field, noted_reason
from thingstead.services.shared.rate_limit import TokenBuckets
from thingstead.storage.base import Commit

Plane = Literal["mqtt", "http", "tcp", "gateway", ""]  # "": the device is not connected
TraceOutcome = Literal["accepted", "partly", "refused", "delivered", "queued", "dropped", "no_session"]

PAYLOAD_BYTES = 4_096  # longest payload in the trace; the rest is truncated
TOPIC_CHARACTERS = 256
BURST, INTERVAL_S = 1_000, 1 / 500  # per project: a burst of messages, then one per interval
NOT_CONNECTED = reason("device_offline")
_HIDDEN = "…"
_SECRETS = {"gateway/connect": ("type_key", "product")}  # members with credentials, by topic


class Taken(Protocol):
    """The result of a handled message."""

    @property
    def commit(self) -> Commit | None: ...

    @property
    def refused(self) -> Sequence[FieldError]: ...


T = TypeVar("T")


class MessageTrace:
    """Counts the subscribers of traced devices, and publishes the messages of these devices on the bus.

    Attributes:
        active: whether any device is traced; a hot path checks it first.
    """

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self.active = False
        self._bus = bus
        self._now_ms = clock.now_ms
        self._now_s = clock.monotonic_s
        self._listened: Counter[tuple[str, str]] = Counter()  # number of subscribers by project id and view token
        self._projects: Counter[str] = Counter()  # the same by project id
        self._buckets = TokenBuckets(clock, BURST, INTERVAL_S)

    def listen(self, project_id: str, view_token: str) -> None:
        """Adds a subscriber of a device."""
        self._listened[project_id, view_token] += 1
        self._projects[project_id] += 1
        self.active = True

    def leave(self, project_id: str, view_token: str) -> None:
        """Removes a subscriber of a device."""
        self._listened[project_id, view_token] -= 1
        if not self._listened[project_id, view_token]:
            del self._listened[project_id, view_token]
        self._projects[project_id] -= 1
        if not self._projects[project_id]:
            del self._projects[project_id]
        self.active = bool(self._listened)

    def wants(self, device: Device) -> bool:
        """Whether the device has a subscriber."""
        return self.active and (device.project_id, device.view_token) in self._listened

    def traces(self, project_id: str) -> bool:
        """Whether any device of the project has a subscriber."""
        return self.active and project_id in self._projects

    # Up

    def up(
        self,
        device: Device,
        plane: Plane,
        topic: str,
        payload: bytes,
        qos: int | None,
        take: Callable[[], T],
        taken_of: Callable[[T], Taken | None],
    ) -> T:
        """Handles a message from a device with ``take``, and publishes its outcome: after the commit, if it was
        stored."""
        traced = Traced(self, device, "up", plane, topic, bytes(payload), qos)
        try:
            result = take()
        except ThingsteadError as exc:
            traced.refused(exc.reason, exc.errors)
            raise
        taken = taken_of(result)
        if taken is None or taken.commit is None:
            traced.taken(() if taken is None else taken.refused, kept=taken is None)
        else:
            commit, refused = taken.commit, taken.refused
            commit.on_done(lambda error: traced.settled(commit, refused, error))
        return result

    def request(self, device: Device, plane: Plane, topic: str, payload: bytes) -> None:
        """Tells of a request up, which is answered and not stored."""
        Traced(self, device, "up", plane, topic, payload, None).taken((), kept=True)

    # Down

    def down(
        self, device: Device, plane: Plane, topic: str, payload: bytes, outcome: TraceOutcome, why: Reason | None = None
    ) -> None:
        """Publishes a message to a device with a known outcome."""
        if self.wants(device):
            Traced(self, device, "down", plane, topic, payload, None).end(outcome, _errors(why, ()))

    def answer(self, device: Device, topic: str, payload: bytes, after: Commit | None) -> None:
        """Publishes an answer that is sent after the commit ``after``."""
        traced = Traced(self, device, "down", "mqtt", topic, payload, 0)
        if after is None or after.done:
            traced.end("delivered", [])
        else:
            after.on_done(lambda error: traced.end("delivered", []) if error is None else None)

    def no_session(
        self, project_id: str, device_id: str, topic: str, payload: bytes, outcome: TraceOutcome = "no_session"
    ) -> None:
        """Publishes a message to a device without a connection, even without a subscriber of the device: the caller
        checks :meth:`traces`."""
        errors = _errors(NOT_CONNECTED, ())
        self._publish(project_id, device_id, ("down", "", topic, payload, None), outcome, errors, 0, self._now_ms())

    def _publish(
        self,
        project_id: str,
        device_id: str,
        message: tuple[Literal["up", "down"], Plane, str, bytes, int | None],
        outcome: TraceOutcome,
        errors: list[dict[str, Any]],
        took_us: int,
        ts: int,
    ) -> None:
        suppressed = self._buckets.take(project_id)
        if suppressed is None:
            return
        direction, plane, topic, payload, qos = message
        text, encoding, cut = shown(topic, payload)
        self._bus.publish(
            MessageTraced(
                device_id=device_id,
                direction=direction,
                plane=plane,
                topic=topic[:TOPIC_CHARACTERS],
                payload=text,
                encoding=encoding,
                cut=cut,
                size_bytes=len(payload),
                qos=qos,
                outcome=outcome,
                errors=errors,
                took_us=took_us,
                suppressed=suppressed,
                ts=ts,
            )
        )


class Traced:
    """A message in progress."""

    __slots__ = ("_began_s", "_device", "_message", "_trace", "_ts")

    def __init__(
        self,
        trace: MessageTrace,
        device: Device,
        direction: Literal["up", "down"],
        plane: Plane,
        topic: str,
        payload: bytes,
        qos: int | None,
    ) -> None:
        self._trace = trace
        self._device = device
        self._message = (direction, plane, topic, payload, qos)
        self._ts = trace._now_ms()
        self._began_s = trace._now_s()

    def settled(self, commit: Commit, refused: Sequence[FieldError], error: Exception | None) -> None:
        """Handles the end of the commit of a message."""
        late = getattr(commit, "refusal", None)  # of a RefusableCommit
        if late is not None:
            self.refused(late.reason, late.errors)
        elif error is not None:
            self.failed(error)
        else:
            self.taken(refused, kept=True)

    def failed(self, error: Exception) -> None:
        """The message could not be stored, and is not acknowledged."""
        why = error.reason if isinstance(error, ThingsteadError) else reason("internal_error")
        self.end("dropped", _errors(why, ()))

    def refused(self, why: Reason, fields: Sequence[FieldError]) -> None:
        """The whole message was refused."""
        self.end("refused", _errors(why, fields))

    def taken(self, refused: Sequence[FieldError], *, kept: bool) -> None:
        """The message was accepted, in whole or in part."""
        outcome: TraceOutcome = "accepted" if not refused else "partly" if kept else "refused"
        self.end(outcome, _errors(None, refused))

    def end(self, outcome: TraceOutcome, errors: list[dict[str, Any]]) -> None:
        """Publishes the message with its outcome."""
        took_us = max(0, round((self._trace._now_s() - self._began_s) * 1_000_000))
        device = self._device
        self._trace._publish(device.project_id, device.id, self._message, outcome, errors, took_us, self._ts)


def shown(topic: str, payload: bytes) -> tuple[str, Literal["text", "hex"], bool]:
    """A payload for display, without credentials: as text, otherwise as hexadecimal digits. Also returns which, and
    whether it was truncated."""
    hidden = _SECRETS.get(topic)
    if hidden is not None:
        payload = _without(hidden, payload)
    cut = len(payload) > PAYLOAD_BYTES
    beginning = bytes(payload[:PAYLOAD_BYTES])
    try:
        return beginning.decode("utf-8"), "text", cut
    except UnicodeDecodeError as exc:
        if cut and exc.start > PAYLOAD_BYTES - 4:  # within a character
            return beginning[: exc.start].decode("utf-8"), "text", cut
        return beginning.hex(), "hex", cut


def _without(hidden: Sequence[str], payload: bytes) -> bytes:
    try:
        body = msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _HIDDEN.encode()  # an invalid payload may contain credentials too
    return msgspec.json.encode({name: _HIDDEN if name in hidden else value for name, value in body.items()})


def _errors(why: Reason | None, fields: Sequence[FieldError]) -> list[dict[str, Any]]:
    if fields:
        return [noted_field(error) for error in fields[:ERRORS_NOTED]]
    return [] if why is None else [{"field": "", **noted_reason(why)}]
