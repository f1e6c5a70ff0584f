"""Everything that happened to a device in one order: events, commands, custom data, connections, refused messages."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NamedTuple, get_args

from thingstead.errors import InvalidInput
from thingstead.model.command import Command
from thingstead.model.device import Device, Page
from thingstead.model.device_log import DeviceLog
from thingstead.model.limits import INSTANT_MS
from thingstead.model.report import EventRecord
from thingstead.services.shared.device_logs import DeviceLogService

MessageKind = Literal["event", "command", "data", "connection", "rejected"]
KINDS: tuple[MessageKind, ...] = get_args(MessageKind)
DIGITS = 16
MAX_PASSED = 10_000  # entries of one instant that a cursor skips


class LoggedMessage(NamedTuple):
    """One entry, with what its own log has of it."""

    ts: int  # ms
    kind: MessageKind
    entry: EventRecord | Command | DeviceLog


class LoggedPage(NamedTuple):
    """Entries, newest first, and the cursor of those before them; empty after the last."""

    entries: list[LoggedMessage]
    next_before: str


class MessageLogService:
    """Merges the logs of a device. Entries of one instant have a fixed order: by kind, then as their log has them."""

    def __init__(self, logs: DeviceLogService) -> None:
        self._logs = logs

    async def read(self, device: Device, kinds: Sequence[MessageKind], limit: int, before: str = "") -> LoggedPage:
        """The newest entries of these kinds, or those before a cursor; fewer than ``limit`` if they are large.

        Raises:
            InvalidInput: the cursor is unknown.
        """
        until, passed = _cursor(before)
        while True:
            try:
                found = await self._found(device, kinds, limit, until, passed)
                break
            except InvalidInput as exc:
                limit = _fitting(exc) - passed - 1
                if limit < 1:
                    raise
        entries = found[:limit]
        if len(found) <= limit:
            return LoggedPage(entries, "")
        last = entries[-1].ts
        same = sum(message.ts == last for message in entries) + (passed if last == until else 0)
        return LoggedPage(entries, f"{last}-{same}")

    async def _found(
        self, device: Device, kinds: Sequence[MessageKind], limit: int, until: int, passed: int
    ) -> list[LoggedMessage]:
        """Entries up to an instant without the first ``passed``: ``limit``, and one more of each kind if there are."""
        found: list[LoggedMessage] = []
        for kind in KINDS:
            if kind in kinds:
                # Those of the cursor's instant that were returned before are read again, and skipped.
                page = Page(records=limit + passed + 1)
                found += [LoggedMessage(ts, kind, entry) for ts, entry in await self._reader(kind)(device, page, until)]
        found.sort(key=lambda message: -message.ts)  # stable: kinds and logs keep their order
        return found[passed:]

    def _reader(self, kind: MessageKind) -> Callable[[Device, Page, int], Awaitable[list[tuple[int, Any]]]]:
        logs = self._logs

        async def events(device: Device, page: Page, until: int) -> list[tuple[int, Any]]:
            found, _ = await logs.list_events(device, page, 0, until)
            return [(event.ts, event) for event in found]

        async def commands(device: Device, page: Page, until: int) -> list[tuple[int, Any]]:
            found, _ = await logs.list_commands(device, page, 0, until)
            return [(command.create_time, command) for command in found]

        async def others(device: Device, page: Page, until: int) -> list[tuple[int, Any]]:
            assert kind in ("data", "connection", "rejected")  # the others have tables of their own
            found, _ = await logs.list_page(device, kind, page, 0, until)
            return [(entry.ts, entry) for entry in found]

        return {"event": events, "command": commands}.get(kind, others)


def _fitting(exc: InvalidInput) -> int:
    """How many entries of one log an answer can contain, by the refusal of a page that was too large; else 0."""
    why = exc.errors[0].reason if exc.errors else exc.reason
    fitting = why.args.get("fitting", 0)
    return fitting if isinstance(fitting, int) else 0


def _cursor(text: str) -> tuple[int, int]:
    """The instant (ms) up to which to read, and how many of that instant were returned before."""
    if not text:
        return INSTANT_MS, 0
    ts, separator, passed = text.partition("-")
    numbers = [part for part in (ts, passed) if part.isascii() and part.isdecimal() and len(part) <= DIGITS]
    if not separator or len(numbers) < 2:
        raise InvalidInput.field("before", "bad_cursor")
    return min(int(ts), INSTANT_MS), min(int(passed), MAX_PASSED)
