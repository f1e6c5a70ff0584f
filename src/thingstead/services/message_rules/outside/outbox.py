"""Delivers what rules send to addresses outside: at least once, with an id that stays the same.

A message is a row of the transaction in which its rule acted, and is removed once it was accepted, refused for good, or
too old. Messages of one action of a rule are a lane: a lane that fails waits, longer after each failure, without
delaying others. The lanes that send at once are limited, in all and of one project, so that addresses that never answer
hold up their own project alone.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress

import structlog

from thingstead.clock import Clock
from thingstead.errors import ThingsteadError
from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.outgoing import (
    OUTGOING_BYTES,
    OUTGOING_COUNT,
    OUTGOING_LIFETIME_MS,
    OutgoingMessage,
)
from thingstead.model.message_rules.rule import Outcome
from thingstead.model.tenant import TENANT
from thingstead.refusals import reason
from thingstead.services.message_rules.outside.sender import Delivered, OutsideSender
from thingstead.services.outbound.http import SendFailed
from thingstead.services.shared.fair_room import FairRoom
from thingstead.services.triggers.triggers import Triggers
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.outbox")

LANES_LIMIT = 32  # that send at once
PROJECT_LANES_LIMIT = 8  # of one project
BATCH_COUNT = 100  # messages of a lane, read and sent at once
BATCH_MAX_BYTES = 1_048_576  # of them; a single message may be larger
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0
STORE_RETRY_S = 1.0

OUTCOMES: tuple[Outcome, ...] = ("delivered", "retrying", "undelivered", "expired", "off")

Lane = tuple[str, str, int]  # project, rule, index of the action


class Outbox:
    """Delivers messages on the active node. Not active until :meth:`start`.

    Attributes:
        outcomes: numbers of messages since the start; of ``retrying``, of attempts.
    """

    def __init__(self, store: Store, clock: Clock, triggers: Triggers, sender: OutsideSender) -> None:
        self._store = store
        self.now_ms = clock.now_ms
        self._triggers = triggers
        self._sender = sender
        self._room = FairRoom(OUTGOING_COUNT, OUTGOING_BYTES)
        self._lanes: dict[Lane, asyncio.Task[None]] = {}
        self._sizes: dict[Lane, tuple[int, int]] = {}  # messages that wait in a lane, and their bytes
        self._woken: set[Lane] = set()  # something was added since the lane last looked
        self._waits: dict[Lane, asyncio.Event] = {}  # of lanes that send; set to try again without waiting
        self._turns = asyncio.Semaphore(LANES_LIMIT)
        self._project_turns: dict[str, asyncio.Semaphore] = {}
        self._active = False
        self._last_number = 0
        self.outcomes: dict[Outcome, int] = dict.fromkeys(OUTCOMES, 0)

    @property
    def waiting(self) -> int:
        """Messages that wait."""
        return self._room.count

    async def start(self) -> None:
        """Goes on with what waits. The rules must be loaded."""
        self._last_number = await self._store.outgoing.last_number()
        self._active = True
        for lane in await self._store.outgoing.list_lanes():
            self._room.put(lane.project_id, lane.messages, lane.size_bytes)
            self._entered((lane.project_id, lane.rule_id, lane.action), lane.messages, lane.size_bytes)

    async def close(self) -> None:
        """Stops sending. What waits is on disk; a message that is being sent may be sent again."""
        self._active = False
        tasks = list(self._lanes.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._sender.close()

    def next_number(self) -> int:
        """A number greater than those before."""
        self._last_number = max(self._last_number + 1, self.now_ms() * 1000)
        return self._last_number

    def append(self, message: OutgoingMessage) -> bool:
        """Puts a message into the open commit, and sends it after that; False: there is no room."""
        if not self._room.take(message.project_id, message.size_bytes):
            return False
        commit = self._store.outgoing.append(message)
        commit.on_done(lambda error: self._committed(message, error))
        return True

    def _committed(self, message: OutgoingMessage, error: Exception | None) -> None:
        if error is not None:
            self._room.give(message.project_id, message.size_bytes)
        else:
            self._entered((message.project_id, message.rule_id, message.action), 1, message.size_bytes)

    def retry(self, rule_id: str) -> None:
        """Lets the messages of a rule be tried again now: it was changed."""
        for lane, wait in self._waits.items():
            if lane[1] == rule_id:
                wait.set()

    def _entered(self, lane: Lane, count: int, size_bytes: int) -> None:
        before = self._sizes.get(lane, (0, 0))
        self._sizes[lane] = before[0] + count, before[1] + size_bytes
        self._woken.add(lane)
        if self._active and lane not in self._lanes:
            self._lanes[lane] = asyncio.create_task(self._run(lane), name="outbox-lane")

    # Lanes

    async def _run(self, lane: Lane) -> None:
        """Sends the messages of a lane until none waits."""
        project_id = lane[0]
        TENANT.set(project_id)
        turns = self._project_turns.setdefault(project_id, asyncio.Semaphore(PROJECT_LANES_LIMIT))
        self._waits[lane] = asyncio.Event()
        failures = 0
        try:
            while lane in self._woken:
                try:
                    async with turns, self._turns:
                        failed = await self._send_some(lane)
                except ThingsteadError as exc:
                    log.warning("messages of rules cannot be sent now", rule=lane[1], error=exc.message)
                    await asyncio.sleep(STORE_RETRY_S)
                    continue
                failures = 0 if failed is None else failures + 1
                if failed is not None:
                    await self._wait(lane, _wait_s(failures, failed))
        finally:
            del self._lanes[lane], self._waits[lane]
            if not any(each[0] == project_id for each in self._lanes):
                self._project_turns.pop(project_id, None)

    async def _wait(self, lane: Lane, seconds: float) -> None:
        wait = self._waits[lane]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await wait.wait()
        wait.clear()

    async def _send_some(self, lane: Lane) -> SendFailed | None:
        """Sends the oldest messages of a lane. Returns the failure after which it has to wait."""
        self._woken.discard(lane)
        _, rule_id, index = lane
        messages = await self._store.outgoing.list_waiting(rule_id, index, BATCH_COUNT, BATCH_MAX_BYTES)
        if not messages:
            if lane not in self._woken:  # what still counts was removed with its rule
                self._left(lane, *self._sizes.get(lane, (0, 0)))
            return None
        self._woken.add(lane)  # there may be more
        since = self.now_ms() - OUTGOING_LIFETIME_MS
        over: dict[int, SendFailed | None] = {
            message.number: SendFailed(reason("outgoing_expired"), permanent=True)
            for message in messages
            if message.create_time < since
        }
        left = [message for message in messages if message.number not in over]
        action = self._action_of(lane)
        if action is None:
            over |= {message.number: SendFailed(reason("outgoing_off"), permanent=True) for message in left}
        elif left:
            over |= await self._delivered(action, left)
        failed = next((each for each in over.values() if each is not None and not each.permanent), None)
        await self._conclude(messages, over)
        return failed

    async def _delivered(self, action: Action, messages: Sequence[OutgoingMessage]) -> Delivered:
        try:
            return await self._sender.deliver(action, messages)
        except ThingsteadError:
            raise  # of the store: nothing was sent
        except Exception:
            log.exception("messages of a rule cannot be sent", rule=messages[0].rule_id)  # a bug
            return {messages[0].number: SendFailed(reason("notice_not_made"))}

    async def _conclude(self, messages: Sequence[OutgoingMessage], over: Delivered) -> None:
        """Removes what is over, and tells the trace of the rule."""
        ended = [each for each in messages if each.number in over and _is_over(over[each.number])]
        while ended:
            try:
                await self._store.outgoing.remove([message.number for message in ended])
                break
            except ThingsteadError as exc:  # sending them again would not help
                log.warning("delivered messages of rules cannot be removed now", error=exc.message)
                await asyncio.sleep(STORE_RETRY_S)
        if ended:
            lane = (ended[0].project_id, ended[0].rule_id, ended[0].action)
            self._left(lane, len(ended), sum(message.size_bytes for message in ended))
        for message in messages:
            if message.number in over:
                self._tell(message, over[message.number])

    def _left(self, lane: Lane, count: int, size_bytes: int) -> None:
        """Gives the room of messages back."""
        before = self._sizes.pop(lane, (0, 0))
        if before[0] > count:
            self._sizes[lane] = before[0] - count, before[1] - size_bytes
        if count:
            self._room.give(lane[0], size_bytes, count)

    def _action_of(self, lane: Lane) -> Action | None:
        """The action as it is now; None: the rule, or the action, is gone or disabled."""
        _, rule_id, index = lane
        rule = self._triggers.index.rules.get(rule_id)
        if rule is None or index >= len(rule.rule.body.actions):
            return None
        action = rule.rule.body.actions[index]
        return action if action.url is not None or action.mqtt is not None else None

    def _tell(self, message: OutgoingMessage, failed: SendFailed | None) -> None:
        self.outcomes[_outcome(failed)] += 1
        rule = self._triggers.index.rules.get(message.rule_id)
        if rule is not None:
            rule.tell(
                message.id, message.device_id, self.now_ms(), _outcome(failed), None if failed is None else failed.why
            )


def _is_over(failed: SendFailed | None) -> bool:
    return failed is None or failed.permanent


def _outcome(failed: SendFailed | None) -> Outcome:
    if failed is None:
        return "delivered"
    if not failed.permanent:
        return "retrying"
    return {"outgoing_expired": "expired", "outgoing_off": "off"}.get(failed.why.code, "undelivered")  # type: ignore[return-value]


def _wait_s(failures: int, failed: SendFailed) -> float:
    longest_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(failures - 1, 20))
    return max(random.uniform(longest_s / 2, longest_s), failed.retry_after_s or 0)  # noqa: S311 - jitter
