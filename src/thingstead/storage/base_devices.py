"""The contract of a store, devices: events, commands, logs, presence."""

from typing import Any, Protocol

from thingstead.model.command import Command, CommandState, OpenCommand
from thingstead.model.device import (
    DeviceSession,
    Page,
)
from thingstead.model.device_log import DeviceLog, LogKind
from thingstead.model.limits import INSTANT_MS
from thingstead.model.messages import CommandChanged
from thingstead.model.report import (
    EventRecord,
)
from thingstead.storage.commit import Commit


class EventStore(Protocol):
    """Events as devices reported them."""

    def append(self, event: EventRecord, device_number: int) -> Commit:
        """Puts an event into a commit, without waiting. Touches ``event``. An event whose device is removed before
        the commit is dropped with it. InvalidInput for what is no JSON value."""
        ...

    async def list_page(
        self, device_id: str, page: Page, start: int = 0, end: int = INSTANT_MS, method: str | None = None
    ) -> tuple[list[EventRecord], int]:
        """One page of the events with ``start <= ts <= end`` (ms), newest first, and their number; with ``method`` only
        those of this method."""
        ...


class CommandStore(Protocol):
    """Commands, whose states only move forward (``model.command.TRANSITIONS``)."""

    async def create(self, command: Command) -> None:
        """Conflict where ``OPEN_COMMANDS_COUNT`` commands of the device are open, or ``OPEN_COMMANDS_BYTES`` would be
        passed."""
        ...

    async def get(self, device_id: str, row_id: str) -> Command: ...

    async def get_of_project(self, project_id: str, row_id: str) -> Command: ...

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
        """Moves a command forward, and its ``expire_time`` (ms) to no earlier than the one given; None where its
        present state does not allow that, it has ended, or it is gone with its device, and nothing changes."""
        ...

    async def expire(self, now: int, limit: int) -> list[CommandChanged]:
        """Ends up to ``limit`` open commands whose ``expire_time`` is not after ``now`` (ms), earliest first; returns
        them in the state in which they ended (see :class:`~thingstead.model.command.Command`)."""
        ...

    async def clock_set_back(self, now: int, reply_lifetime_ms: int) -> None:
        """The clock shows ``now`` (ms) and had shown more. An open command that was issued after that expires as long
        after ``now`` as it was to wait when it was issued; one that was sent after it, after ``reply_lifetime_ms``."""
        ...

    async def list_open(self, device_id: str) -> list[OpenCommand]:
        """Commands that have not ended, in the order in which they were created."""
        ...

    async def find_open(
        self, device_id: str, *, command_id: int | None = None, method: str | None = None, newest: bool = False
    ) -> str | None:
        """The row id of the oldest (or the newest) open command with these; None counts as any."""
        ...

    async def issued_lately(self, device_id: str, command_id: int, method: str, among: int) -> bool:
        """Whether one of the device's newest ``among`` commands has these, open or not."""
        ...

    async def list_page(
        self, device_id: str, page: Page, start: int = 0, end: int = INSTANT_MS
    ) -> tuple[list[Command], int]:
        """One page of the commands with ``start <= create_time <= end`` (ms), newest first, and their number."""
        ...


class DeviceLogStore(Protocol):
    """What happened to devices lately; of each device and kind only the newest entries are kept."""

    def append(self, device_number: int, kind: LogKind, ts: int, body: dict[str, Any]) -> Commit:
        """Puts an entry into a commit, without waiting. An entry of a device that is gone is dropped. One of a kind for
        which nobody waits goes into a later commit where that fails."""
        ...

    def newest_ts(self, device_number: int, kind: LogKind) -> int:
        """When the entry that was appended last is from (ms); 0: there is none."""
        ...

    async def list_page(
        self, device_number: int, kind: LogKind, page: Page, start: int = 0, end: int = INSTANT_MS
    ) -> tuple[list[DeviceLog], int]:
        """One page of the entries with ``start <= ts <= end`` (ms), newest first, and their number."""
        ...


class PresenceStore(Protocol):
    """Which device has a live session, and where."""

    def count_all(self) -> int:
        """How many devices of all projects have a live session."""
        ...

    async def open_session(self, device_number: int, session: DeviceSession) -> DeviceSession | None:
        """Makes this the device's session; returns the one that it replaces. Touches ``connect``."""
        ...

    async def close_session(self, device_number: int, session_id: str) -> bool:
        """Ends the session, if it is still the device's; False where another has taken over."""
        ...

    async def find_session(self, device_number: int) -> DeviceSession | None: ...

    async def clear_node(self, node: str) -> list[tuple[int, str]]:
        """Ends every session of a node that is starting (its connections died with its process); device number and
        session id of each."""
        ...
