"""What happened to devices: events, commands, connections, refusals, custom data."""

from typing import Any, TypeVar

import msgspec

from thingstead.client.call import Call, Listing, Page
from thingstead.client.http import segment

T = TypeVar("T")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a device reported."""

    id: str
    method: str
    params: dict[str, Any]
    ts: int  # ms


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command that was sent to a device."""

    id: str
    method: str
    params: Any
    command_id: int
    state: str
    reason: str
    reply: Any = None
    create_time: int  # ms
    expire_time: int  # ms
    update_time: int  # ms


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A session began, was taken over, or ended."""

    ts: int  # ms
    online: bool
    reason: str
    session_id: str
    replaced: str | None = None
    protocol: str
    client_id: str
    remote_address: str


class RefusedField(msgspec.Struct, frozen=True, kw_only=True):
    """A part that was refused."""

    field: str
    message: str


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was refused, as a whole or in part."""

    ts: int  # ms
    topic: str
    reason: str
    errors: list[RefusedField]
    payload: str
    suppressed: int


class DataMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a custom data stream."""

    ts: int  # ms
    identifier: str
    direction: str
    size_bytes: int
    payload: str


def _log(device_id: str, name: str, kind: type[T], start_time: float | None, end_time: float | None) -> Listing[T]:
    query = {"start_time": start_time, "end_time": end_time}
    # The type of a page is made at run time, which a type checker cannot follow.
    return Listing(Call("GET", f"/device/{segment(device_id)}/{name}", Page[kind], query=query))  # type: ignore[valid-type]


def events(device_id: str, *, start_time: float | None = None, end_time: float | None = None) -> Listing[Event]:
    """Newest first; times in ms."""
    return _log(device_id, "event_logs", Event, start_time, end_time)


def commands(device_id: str, *, start_time: float | None = None, end_time: float | None = None) -> Listing[Command]:
    """Newest first, with how far each came and its reply."""
    return _log(device_id, "command_logs", Command, start_time, end_time)


def connections(
    device_id: str, *, start_time: float | None = None, end_time: float | None = None
) -> Listing[Connection]:
    """Newest first."""
    return _log(device_id, "connection_logs", Connection, start_time, end_time)


def rejected(device_id: str, *, start_time: float | None = None, end_time: float | None = None) -> Listing[Rejected]:
    """Newest first."""
    return _log(device_id, "rejected_logs", Rejected, start_time, end_time)


def data(device_id: str, *, start_time: float | None = None, end_time: float | None = None) -> Listing[DataMessage]:
    """Newest first."""
    return _log(device_id, "data_logs", DataMessage, start_time, end_time)
