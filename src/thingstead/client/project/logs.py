"""What happened to devices: events, commands, connections, refusals, custom data."""

from collections.abc import Sequence
from typing import TypeVar

from thingstead.client.call import Call, Listing
from thingstead.client.http import segment
from thingstead.wire.common import Listed
from thingstead.wire.control import CommandItem
from thingstead.wire.device_logs import ConnectionItem, DataItem, EventItem, RejectedItem
from thingstead.wire.diagnosis import Diagnosis, MessageLog

T = TypeVar("T")


def _log(
    device_id: str,
    name: str,
    kind: type[T],
    start_time: float | None,
    end_time: float | None,
    **more: str | None,
) -> Listing[T]:
    query = {"start_time": start_time, "end_time": end_time, **more}
    # The type of a page is made at run time; type checkers cannot infer it.
    return Listing(Call("GET", f"/device/{segment(device_id)}/{name}", Listed[kind], query=query))  # type: ignore[valid-type]


def events(
    device_id: str, *, start_time: float | None = None, end_time: float | None = None, method: str | None = None
) -> Listing[EventItem]:
    """Events, newest first, of one method or of all; times in ms."""
    return _log(device_id, "event_logs", EventItem, start_time, end_time, method=method)


def commands(device_id: str, *, start_time: float | None = None, end_time: float | None = None) -> Listing[CommandItem]:
    """Commands with state and reply, newest first; times in ms."""
    return _log(device_id, "command_logs", CommandItem, start_time, end_time)


def connections(
    device_id: str, *, start_time: float | None = None, end_time: float | None = None
) -> Listing[ConnectionItem]:
    """Connections and disconnections, newest first; times in ms."""
    return _log(device_id, "connection_logs", ConnectionItem, start_time, end_time)


def rejected(
    device_id: str, *, start_time: float | None = None, end_time: float | None = None
) -> Listing[RejectedItem]:
    """Refused messages, newest first; times in ms."""
    return _log(device_id, "rejected_logs", RejectedItem, start_time, end_time)


def data(device_id: str, *, start_time: float | None = None, end_time: float | None = None) -> Listing[DataItem]:
    """Custom data, newest first; times in ms."""
    return _log(device_id, "data_logs", DataItem, start_time, end_time)


def messages(device_id: str, *, before: str = "", kinds: Sequence[str] = (), limit: int = 50) -> Call[MessageLog]:
    """Everything in one order, newest first.

    Args:
        before: ``next_before`` of an earlier answer.
        kinds: of ``event``, ``command``, ``data``, ``connection``, ``rejected``; all if none is given.
    """
    query = {"before": before or None, "kinds": ",".join(kinds) or None, "limit": limit}
    return Call("GET", f"/device/{segment(device_id)}/message_logs", MessageLog, query=query)


def diagnosis(device_id: str) -> Call[Diagnosis]:
    """The checklist: what was found about the device, and what to do about it."""
    return Call("GET", f"/device/{segment(device_id)}/diagnosis", Diagnosis)
