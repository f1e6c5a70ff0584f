"""The contract of a store, devices: events, commands, logs, presence."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from thingstead.errors import ThingsteadError
from thingstead.model.command import Command, CommandState, OpenCommand
from thingstead.model.device import (
    DeviceSession,
    Page,
)
from thingstead.model.device_log import DeviceLog, LogKind
from thingstead.model.forwarding.segment import Segment
from thingstead.model.limits import INSTANT_MS
from thingstead.model.messages import CommandChanged
from thingstead.model.report import (
    EventRecord,
)
from thingstead.storage.commit import Commit


class EventStore(Protocol):
    """Events of devices."""

    def append(self, event: EventRecord, device_number: int) -> Commit:
        """Adds an event to a commit, without waiting, and touches the uplink kind ``event``. If the device is removed
        before the commit, the event is dropped. Raises InvalidInput if the parameters are not valid JSON."""
        ...

    async def list_page(
        self, device_id: str, page: Page, start: int = 0, end: int = INSTANT_MS, method: str | None = None
    ) -> tuple[list[EventRecord], int]:
        """One page of events with ``start <= ts <= end`` (ms), newest first, and their number; with ``method``, only
        events of this method."""
        ...


class CommandStore(Protocol):
    """Commands. Their states only move forward (``model.command.TRANSITIONS``)."""

    async def create(self, command: Command) -> None:
        """Adds a command. Raises Conflict if the device has ``OPEN_COMMANDS_COUNT`` open commands, or would exceed
        ``OPEN_COMMANDS_BYTES``."""
        ...

    def append(self, command: Command) -> tuple[Commit, list[ThingsteadError]]:
        """Adds a command to the open commit, without waiting. After the commit the list contains why it was not added,
        as :meth:`create` raises it; the rest of the commit is written all the same."""
        ...

    async def get(self, device_id: str, row_id: str) -> Command: ...

    async def get_of_project(self, project_id: str, row_id: str) -> Command:
        """A command by its row id in a project. Raises NotFound."""
        ...

    async def advance(
        self,
        row_id: str,
        state: CommandState,
        at: int,
        *,
        reason: str = "",
        reply: Any = None,
        expire_time: int = 0,
        sent_qos: int | None = None,
    ) -> CommandChanged | None:
        """Moves a command to a later state, and its ``expire_time`` (ms) to the given one if that is later.

        Returns:
            None, with nothing changed, if its present state does not allow that, it has ended, or its device was
                removed.
        """
        ...

    async def expire(self, now: int, limit: int) -> list[CommandChanged]:
        """Ends up to ``limit`` open commands whose ``expire_time`` is not after ``now`` (ms), earliest first. Returns
        them in their final state (see :class:`~thingstead.model.command.Command`)."""
        ...

    async def clock_set_back(self, now: int, reply_lifetime_ms: int) -> None:
        """Moves expiries after the clock was set back to ``now`` (ms). An open command issued after ``now`` keeps its
        whole lifetime from ``now`` on; one sent after ``now`` expires ``reply_lifetime_ms`` after it."""
        ...

    async def list_open(self, device_id: str) -> list[OpenCommand]:
        """Open commands of a device, in the order in which they were created."""
        ...

    async def find_open(
        self, device_id: str, *, command_id: int | None = None, method: str | None = None, newest: bool = False
    ) -> str | None:
        """Row id of the oldest (or newest) open command with this ``command_id`` and ``method``; None matches any."""
        ...

    async def issued_lately(self, device_id: str, command_id: int, method: str, among: int) -> bool:
        """Whether one of the device's newest ``among`` commands, open or not, has this ``command_id`` and
        ``method``."""
        ...

    async def list_page(
        self, device_id: str, page: Page, start: int = 0, end: int = INSTANT_MS
    ) -> tuple[list[Command], int]:
        """One page of commands with ``start <= create_time <= end`` (ms), newest first, and their number."""
        ...


class DeviceLogStore(Protocol):
    """Recent log entries of devices. For each device and kind only the newest are kept."""

    def append(self, device_number: int, kind: LogKind, ts: int, body: dict[str, Any]) -> Commit:
        """Adds an entry to a commit, without waiting. If the device no longer exists, the entry is dropped. Entries of
        kinds that no caller waits for are retried in a later commit if this one fails."""
        ...

    async def newest_ts(self, device_number: int, kind: LogKind) -> int:
        """Timestamp (ms) of the entry that was appended last; 0: there is none."""
        ...

    async def list_page(
        self, device_number: int, kind: LogKind, page: Page, start: int = 0, end: int = INSTANT_MS
    ) -> tuple[list[DeviceLog], int]:
        """One page of entries with ``start <= ts <= end`` (ms), newest first, and their number."""
        ...


class ConnectionEntry(NamedTuple):
    """An entry in the connection log of a device, in the transaction of the change that it tells.

    Attributes:
        ts: instant (ms).
        body: of the id of the session that the change ended; None: it ended none. Called in the writer's thread, again
            if the transaction is tried again.
        segment: what is forwarded of the change.
    """

    ts: int
    body: Callable[[str | None], dict[str, Any]]
    segment: Segment | None = None


class PresenceStore(Protocol):
    """Live sessions of devices, with the node that holds each. A change and its entry in the connection log are one
    transaction: if a call raises, nothing was changed, or it cannot be known."""

    async def count_all(self) -> int:
        """How many devices of all projects have a live session."""
        ...

    async def open_session(
        self, device_number: int, session: DeviceSession, entry: ConnectionEntry | None = None
    ) -> DeviceSession | None:
        """Makes this the device's session, and touches the uplink kind ``connect``. Returns the session that it
        replaces."""
        ...

    async def close_session(self, device_number: int, session_id: str, entry: ConnectionEntry | None = None) -> bool:
        """Ends the session. Returns False if another session has taken over the device."""
        ...

    async def find_session(self, device_number: int) -> DeviceSession | None:
        """The live session of a device; None if it is offline."""
        ...

    async def clear_node(self, node: str, entry: ConnectionEntry | None = None) -> list[tuple[int, str]]:
        """Ends every session of a node that is starting: its connections ended with its process. Returns device number
        and session id of each. An entry is not earlier than the one before it."""
        ...
