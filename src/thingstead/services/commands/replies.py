"""Matches a reply of a device with its command (wire reference §3.3)."""

from typing import Any

import msgspec
import structlog

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.model import limits
from thingstead.model.device import Device
from thingstead.model.messages import CommandChanged
from thingstead.refusals import reason
from thingstead.services.commands.states import CommandMoves
from thingstead.services.forwarding.tap import ForwardTap
from thingstead.services.shared.commits import settled
from thingstead.services.shared.device_logs import DeviceLogService
from thingstead.services.shared.rate_limit import TokenBuckets
from thingstead.storage.base import CommandStore, Store

log = structlog.get_logger("thingstead.control")

LATE_REPLIES = 100  # ended commands that a late reply may match
UNSOLICITED_LOGGED, UNSOLICITED_INTERVAL_S = 3, 60.0  # per device: a burst, then one per interval


class CommandReplies:
    """Handles replies and updates the commands that they match."""

    def __init__(
        self, store: Store, bus: Bus, clock: Clock, moves: CommandMoves, logs: DeviceLogService, forwards: ForwardTap
    ) -> None:
        self._store = store
        self._forwards = forwards
        self._bus = bus
        self._clock = clock
        self._moves = moves
        self._logs = logs
        self._unsolicited = TokenBuckets(clock, UNSOLICITED_LOGGED, UNSOLICITED_INTERVAL_S)

    async def take(self, device: Device, topic_id: int | None, body: dict[str, Any]) -> None:
        """Stores a reply with its command. A reply without a matching open command is accepted, published and
        logged."""
        body_id, method = wire_id(body.get("id")), body.get("method")
        row_id = await find_answered(self._store.commands, device.id, topic_id, body)
        now = self._clock.now_ms()
        if row_id is not None:
            await self._moves.stored(row_id)
            await self._moves.move(row_id, "replied", reply=body)
        else:
            news_id = topic_id or 0 if body_id is None else body_id
            news = CommandChanged(device.id, "", news_id, str(method) if method else "", "replied", reply=body)
            self._log_unsolicited(device, news_id, body)
            self._bus.publish(news)
        commit = self._store.history.touch(device.number, "command_reply", now)
        self._forwards.command_reply(device, commit, now, body)
        await settled(commit)

    def _log_unsolicited(self, device: Device, command_id: int, body: dict[str, Any]) -> None:
        suppressed = self._unsolicited.take(device.number)
        if suppressed is not None:
            method = str(body.get("method"))[:64]
            event = "a device replied to no open command"
            log.info(event, device=device.id, command_id=command_id, method=method, suppressed=suppressed)
            why = reason("reply_answers_none", id=command_id, method=method)
            self._logs.rejected(device, "command/reply", why, (), msgspec.json.encode(body))


async def find_answered(
    commands: CommandStore, device_id: str, topic_id: int | None, body: dict[str, Any]
) -> str | None:
    """The row id of the device's open command that a reply matches, or None.

    First by the body's ``id``: if several open commands have it (1000 is common), those with the same method, then the
    oldest. Otherwise by the topic's id among those with the same method: official demos reply on topic 1000 whatever
    the id was. Otherwise the newest with the same method, unless the body's id belongs to a command that has ended.
    """
    body_id, method = wire_id(body.get("id")), body.get("method")
    method = method if isinstance(method, str) else None
    if body_id is not None:
        for wanted in (method, None):
            found = await commands.find_open(device_id, command_id=body_id, method=wanted)
            if found is not None:
                return found
        if method is not None and await commands.issued_lately(device_id, body_id, method, LATE_REPLIES):
            return None
    topic_id = wire_id(topic_id)
    if topic_id is not None:
        found = await commands.find_open(device_id, command_id=topic_id, method=method)
        if found is not None:
            return found
    return None if method is None else await commands.find_open(device_id, method=method, newest=True)


def wire_id(value: Any) -> int | None:
    """A command's ``id`` as devices encode it; 1000.0, as some JSON encoders write it, is 1000."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= limits.COMMAND_ID else None
