"""Reports that cloud functions change before they are stored.

Only the reports of a device with such rules wait, in a queue of the device, so that they keep their order. A report is
kept as it came if the functions fail, take too long, or it has waited too long; its acknowledgement still means that it
is on disk.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from thingstead.clock import Clock
from thingstead.errors import InvalidInput, NotFound, Unavailable
from thingstead.model.ids import new_id
from thingstead.model.message_rules.rule import Outcome as RuleOutcome
from thingstead.services.functions.pool import FunctionPool, reads_current
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.shared.commits import Commit, RefusableCommit, settled
from thingstead.services.triggers.trace import RuleMatch, TriggerRule
from thingstead.services.triggers.triggers import Triggers, shortened
from thingstead.storage.base import Store

HELD_COUNT = 1_000  # reports of one device in the queue; one more is kept as it came, behind them
HELD_LIMIT_COUNT = 10_000  # … and one more than these is not taken now
HELD_MS = 250  # a report that has waited longer is kept as it came

Keep = Callable[[DeviceContext, dict[str, Any], int | None, int], Commit]


class _Queue:
    """The reports of a device that wait, in order."""

    __slots__ = ("length", "lock")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.length = 0


class Preprocessing:
    """Calls the functions of ``before_report`` rules.

    Args:
        keep: stores checked values at once: (context, attributes, timestamp of the device, instant of receipt in ms).
    """

    def __init__(
        self, store: Store, clock: Clock, functions: FunctionPool | None, triggers: Triggers, keep: Keep
    ) -> None:
        self._store = store
        self._clock = clock
        self._functions = functions
        self._triggers = triggers
        self._keep = keep
        self._queues: dict[str, _Queue] = {}  # by device id, while reports wait

    def take(self, link: DeviceContext, attributes: dict[str, Any], ts: int | None) -> Commit | None:
        """Takes a report that must wait; None: it need not, no rule acts on it.

        Raises:
            Unavailable: too many reports of the device wait.
        """
        triggers = link.triggers
        if triggers is None or self._functions is None:
            return None
        rules = self._triggers.before(link.device, triggers, attributes)
        queue = self._queues.get(link.device.id)
        if not rules and queue is None:
            return None
        if queue is None:
            queue = self._queues[link.device.id] = _Queue()
        if queue.length >= HELD_LIMIT_COUNT:
            raise Unavailable("device_congested")
        late = queue.length >= HELD_COUNT
        queue.length += 1
        return RefusableCommit(self._run(queue, link, rules, attributes, ts, self._clock.now_ms(), late))

    async def _run(
        self,
        queue: _Queue,
        link: DeviceContext,
        rules: Sequence[TriggerRule],
        attributes: dict[str, Any],
        ts: int | None,
        received_at: int,
        late: bool,
    ) -> None:
        begun_s = self._clock.monotonic_s()
        try:
            async with queue.lock:
                waited_ms = (self._clock.monotonic_s() - begun_s) * 1000
                changed = await self._changed(link, rules, attributes, late or waited_ms > HELD_MS)
                commit = self._stored(link, changed, attributes, ts, received_at)
        finally:
            queue.length -= 1
            if not queue.length:
                self._queues.pop(link.device.id, None)
        await settled(commit)

    def _stored(
        self, link: DeviceContext, changed: dict[str, Any], original: dict[str, Any], ts: int | None, received_at: int
    ) -> Commit:
        """Stores what the functions returned; the original, if nothing of it is allowed."""
        if changed is original:
            return self._keep(link, original, ts, received_at)
        try:
            return self._keep(link, changed, ts, received_at)
        except InvalidInput:
            return self._keep(link, original, ts, received_at)

    async def _changed(
        self, link: DeviceContext, rules: Sequence[TriggerRule], attributes: dict[str, Any], late: bool
    ) -> dict[str, Any]:
        """The attributes after all functions, each of which gets what the one before returned."""
        message_id = new_id() + new_id()
        assert self._functions is not None, "there are no rules without it"
        until_s = self._clock.monotonic_s() + self._functions.time_limit_ms / 1000
        found = attributes
        for rule in rules:
            read = {name: shortened(value) for name, value in rule.values_of(found).items()}
            evaluation = RuleMatch(
                self._clock.now_ms(), link.device.id, message_id, rule.rule.version, read, "deadline" if late else None
            )
            rule.note(evaluation)
            if late:
                continue
            for index, action in enumerate(rule.rule.body.actions):
                left_ms = round((until_s - self._clock.monotonic_s()) * 1000)
                outcome, detail, result = await self._call(link, rule, index, action.function or "", found, left_ms)
                if outcome == "acted":
                    found = result
                evaluation.effects.append({"action": "function", "device_id": link.device.id, "outcome": outcome})
                evaluation.outcome, evaluation.detail = outcome, detail
            if evaluation.outcome is not None:
                rule.outcomes[evaluation.outcome] += 1
        return found

    async def _call(
        self, link: DeviceContext, rule: TriggerRule, index: int, source: str, attributes: dict[str, Any], left_ms: int
    ) -> tuple[RuleOutcome, str, dict[str, Any]]:
        """What a function made of the attributes; with an outcome other than ``acted``, they stay as they were."""
        assert self._functions is not None, "there are no rules without it"
        if left_ms <= 0:
            return "deadline", "", attributes
        device = link.device
        current = None
        if reads_current(source):
            values = await self._store.history.current(device.number)
            current = {name: value.value for name, value in values.items()}
        result = await self._functions.call(
            f"{rule.rule.id}:{index}",
            source,
            attributes,
            on="before_report",
            project=device.project_id,
            zone=await self._zone(device.project_id),
            device=device_info(link),
            current=current,
            timeout_ms=left_ms,
        )
        if result.reason:
            return result.reason, result.detail, attributes
        if not isinstance(result.value, dict):
            return "function_error", "it must return an object of attributes", attributes
        return "acted", "", result.value

    async def _zone(self, project_id: str) -> str:
        try:
            return (await self._store.projects.get(project_id)).timezone
        except NotFound:
            return "+00:00"


def device_info(link: DeviceContext) -> dict[str, Any]:
    """What a function gets from ``Cloud.getDeviceInfo()``."""
    device = link.device
    return {
        "id": device.id,
        "name": device.name,
        "type": device.type_id or "",
        "tags": dict(device.tags),
        "device_key": device.device_key or "",
        "device_code": device.device_code,
        "sub_device_addr": device.sub_address or "",
    }
