"""State transitions of commands: each is stored, and then published."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import structlog

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import FieldError, Unavailable
from thingstead.model import limits
from thingstead.model.command import Command, CommandState
from thingstead.model.messages import CommandIssued
from thingstead.services.shared.rate_limit import TokenBuckets
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.control")

RETRY_S = 2.0  # delay before a state change that could not be stored is retried
WARNING_INTERVAL_S = 60.0
REPLY_LIFETIME_MS = 60_000  # how long a device may take to reply to a sent command before it expires


class CommandMoves:
    """Stores the state changes of commands, in order for each command."""

    def __init__(self, store: Store, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._closing = asyncio.Event()
        self._warnings = TokenBuckets(clock, 1, WARNING_INTERVAL_S)
        self._moves: dict[str, asyncio.Task[None]] = {}  # by row id: the last change, which the next waits for

    async def move(
        self, row_id: str, state: CommandState, reason: str = "", reply: Any = None, sent_qos: int | None = None
    ) -> None:
        """Stores a later state of a command, and publishes it; no effect if the command is already further."""
        now = self._clock.now_ms()
        # Until it is sent, the time of its sender applies; from then on the time for the reply.
        expire_time = now + REPLY_LIFETIME_MS if state == "sent" else 0
        news = await self._store.commands.advance(
            row_id, state, now, reason=reason, reply=reply, expire_time=expire_time, sent_qos=sent_qos
        )
        if news is not None:
            self._bus.publish(news)

    def move_later(self, row_id: str, state: CommandState, reason: str = "", sent_qos: int | None = None) -> None:
        """:meth:`move` in the background, after earlier changes of the same row. Retried while the store is
        unavailable."""
        before = self._moves.get(row_id)

        async def in_turn() -> None:
            if before is not None:
                await asyncio.wait([before])
            while not await self._moved_now(row_id, state, reason, sent_qos):
                with suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S):
                        await self._closing.wait()

        self._moves[row_id] = task = asyncio.get_running_loop().create_task(in_turn())
        task.add_done_callback(self._moved(row_id))

    async def _moved_now(self, row_id: str, state: CommandState, reason: str, sent_qos: int | None) -> bool:
        """Whether the change is done: stored, or abandoned because of the shutdown."""
        try:
            await self.move(row_id, state, reason, sent_qos=sent_qos)
        except Unavailable as exc:
            suppressed = self._warnings.take("")
            if suppressed is not None:
                event = "the state of a command cannot be stored; retrying"
                log.warning(event, command=row_id, error=exc.message, suppressed=suppressed)
            return self._closing.is_set()
        return True

    def _moved(self, row_id: str) -> Callable[[asyncio.Task[None]], None]:
        def forget(task: asyncio.Task[None]) -> None:
            if self._moves.get(row_id) is task:
                del self._moves[row_id]
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("the state of a command could not be stored", command=row_id, exc_info=error)

        return forget

    def under_way(self, row_id: str) -> bool:
        """Whether a change of this row is not stored yet."""
        return row_id in self._moves

    async def stored(self, *row_ids: str) -> None:
        """Waits for earlier changes of these rows, so that a reply is stored after its delivery."""
        before = [self._moves[row_id] for row_id in row_ids if row_id in self._moves]
        if before:
            await asyncio.wait(before)

    async def close(self) -> None:
        """Waits for changes in progress, without retries."""
        self._closing.set()
        await asyncio.gather(*self._moves.values(), return_exceptions=True)


class PendingCommand(NamedTuple):
    """A command that its device has not acknowledged."""

    command: CommandIssued
    sent: bool  # on a connection that may have ended before it arrived


class PendingCommands(NamedTuple):
    """The oldest commands that wait for a device, in order of issue."""

    commands: list[PendingCommand]
    more: bool  # further commands wait


def issued(command: Command) -> CommandIssued:
    """The bus message that announces a queued command."""
    return CommandIssued(
        command.project_id,
        command.device_id,
        command.id,
        command.command_id,
        command.method,
        command.params,
        command.expire_time,
        command.size_bytes,
    )


def params_size_bytes(params: Any, errors: list[FieldError]) -> int:
    """The size of params as JSON; appends to ``errors`` what a command cannot contain."""
    try:
        size_bytes = len(msgspec.json.encode(params))
    except (OverflowError, UnicodeEncodeError, RecursionError):
        errors.append(FieldError.of("params", "params_not_json"))
        return 0
    if size_bytes > limits.COMMAND_PARAMS_BYTES:
        errors.append(FieldError.of("params", "params_too_large", maximum=limits.COMMAND_PARAMS_BYTES))
    return size_bytes
