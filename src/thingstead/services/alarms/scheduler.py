"""Evaluates alarms without a report: when time passes, and when rules, devices or presence change.

A queue contains every device with a pending change by its due instant. The device is then evaluated by the functions
that evaluate reports; it is loaded from the store if it is not in memory.
"""

import asyncio
from contextlib import suppress

import structlog

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import ThingsteadError
from thingstead.model.alarms.alarm import Alarm, AlarmChange
from thingstead.model.alarms.rule import AlarmRule
from thingstead.model.audit.differences import differences
from thingstead.model.audit.log import Edit
from thingstead.model.device import Device
from thingstead.refusals import reason
from thingstead.rules.device_rules import RuleRecord
from thingstead.rules.evaluator import FAR
from thingstead.services.alarms.evaluations import AlarmEvaluations, check_ready
from thingstead.services.alarms.invalidation import AlarmInvalidation, handle_each
from thingstead.services.alarms.rule_advice import what_is_impossible
from thingstead.services.shared.commits import settled
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.alarms")

RULES_PER_READ = 500
DEVICES_PER_READ = 200
DEVICES_PER_TURN = 20  # evaluated before other tasks run
LONGEST_SLEEP_S = 1.0
SHORTEST_SLEEP_S = 0.005
SHELVES_EVERY_MS = 1_000


class AlarmScheduler:
    """Evaluates the rules of all projects without reports. Not active until :meth:`start`."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, evaluations: AlarmEvaluations) -> None:
        self._store = store
        self._clock = clock
        self.evaluations = evaluations
        self._rule_index = evaluations.rule_index
        self._due_queue = evaluations.due_queue
        self._invalidation = AlarmInvalidation(store, bus, clock, evaluations)
        self._surveys = self._invalidation.surveys
        self._shelves_at = 0  # ms, when to check next for shelvings that end
        self._wake = evaluations.wake
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def start(self, *, run: bool = True) -> None:
        """Loads the rules and due evaluations. ``run``: also starts the task that calls :meth:`sweep`."""
        after = ""
        while rules := await self._store.alarm_rules.list_enabled(after, RULES_PER_READ):
            for rule in rules:
                self._invalidation.put(rule)
            after = rules[-1].id
        for due in await self._store.alarms.list_due():
            self._due_queue.put(due.device_id, due.due_at)
        failing = [record for record in self._rule_index.records.values() if record.rule.rule.failing]
        for record in failing:
            record.unstored = True  # unknown until the survey
            record.impossible = await what_is_impossible(self._store, record.rule.rule)
        first = {rule.id: rule for rule in [*self._rule_index.timed(), *(record.rule.rule for record in failing)]}
        self._surveys.extend(first.values())
        if run:
            self._task = asyncio.create_task(self._run(), name="alarms")

    async def close(self) -> None:
        """Stops the task. Due evaluations are on disk."""
        self._invalidation.close()
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self.evaluations.close()

    async def _run(self) -> None:
        while not self._closing:
            idle_s = LONGEST_SLEEP_S  # after a failure
            try:
                await self.sweep()
                idle_s = self._idle_s()
            except ThingsteadError as exc:
                log.warning("alarms could not be evaluated; retrying", error=exc.message)
            except Exception:
                log.exception("evaluating alarms failed; retrying")
            with suppress(TimeoutError):
                async with asyncio.timeout(idle_s):
                    await self._wake.wait()
            self._wake.clear()

    def _idle_s(self) -> float:
        if self._surveys or self.evaluations.to_reload:
            return SHORTEST_SLEEP_S
        due = self._due_queue.next_due()
        if due is None:
            return LONGEST_SLEEP_S
        return min(LONGEST_SLEEP_S, max(SHORTEST_SLEEP_S, (due - self._clock.now_ms()) / 1000))

    async def sweep(self) -> None:
        """Processes everything that is due. What fails stays due."""
        failure: Exception | None = None
        for step in (
            self._invalidation.apply,
            self._evaluate_due,
            self._reload,
            self._survey_all,
            self._end_shelves,
            self._store_failing,
        ):
            try:
                await step()
            except Exception as exc:  # noqa: BLE001 - raised when the others have had their turn
                failure = failure or exc
        if failure is not None:
            raise failure

    async def _reload(self) -> None:
        await handle_each(
            self.evaluations.to_reload, lambda _, device_alarms: self.evaluations.read(device_alarms), again=True
        )

    async def _survey_all(self) -> None:
        while self._surveys and not self._closing:
            await self._survey(self._surveys[0])
            self._surveys.popleft()

    async def _evaluate_due(self) -> None:
        now = self._clock.now_ms()
        evaluated = 0
        while not self._closing and (device_id := self._due_queue.take(now)) is not None:
            try:
                device = await self._store.devices.find(device_id)
                if device is not None:
                    await self._evaluate(device, now)
            except ThingsteadError:
                self._due_queue.put(device_id, now)
                raise
            except Exception:
                log.exception("evaluating the alarms of a device failed", device=device_id)
            evaluated += 1
            if evaluated % DEVICES_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _evaluate(self, device: Device, now: int) -> None:
        device_alarms = await self.evaluations.device_alarms(device, keep=False)
        if device_alarms.armed and not device_alarms.stale:
            device_alarms.scheduled = FAR
            self.evaluations.decide(device_alarms, device_alarms.evaluator.pass_time(now), now)

    async def _survey(self, rule: AlarmRule) -> None:
        """Evaluates every device of a rule on its current values, by loading it once."""
        after: Device | None = None
        while devices := await self._store.alarm_rules.devices_of(rule, after, DEVICES_PER_READ):
            for number, device in enumerate(devices):
                try:
                    await self.evaluations.device_alarms(device, keep=False)
                except ThingsteadError:
                    raise
                except Exception:
                    log.exception("evaluating the alarms of a device failed", device=device.id)
                if number % DEVICES_PER_TURN == 0:
                    await asyncio.sleep(0)
            if self._closing:
                return
            after = devices[-1]

    async def _end_shelves(self) -> None:
        now = self._clock.now_ms()
        if now >= self._shelves_at:
            self._shelves_at = now + SHELVES_EVERY_MS
            await self._store.alarms.end_shelves(now)

    async def _store_failing(self) -> None:
        await handle_each(self._invalidation.impossible, self._store.alarm_rules.note_failing)
        for record in list(self._rule_index.records.values()):
            if record.unstored:
                told = record.impossible or _failing(record)
                record.unstored = False
                try:
                    await self._store.alarm_rules.note_failing(record.rule.id, told)
                except BaseException:
                    record.unstored = True  # retried by the next sweep
                    raise

    async def clear_by_hand(self, alarm: Alarm, reason: str) -> None:
        """Clears an alarm manually; returns after the commit."""
        device = await self._store.devices.get(alarm.project_id, alarm.device_id)
        device_alarms = await self.evaluations.device_alarms(device)
        check_ready(device_alarms)
        now = self._clock.now_ms()
        device_alarms.alarm_ids[alarm.rule_id] = alarm.id
        message = device_alarms.close_message(alarm.rule_id, alarm.rule_name, alarm.alarm_level, reason, now)
        cleared = AlarmChange(
            project_id=alarm.project_id,
            device_id=alarm.device_id,
            rule_id=alarm.rule_id,
            state=None,
            messages=() if message is None else (message,),
        )
        decisions = device_alarms.evaluator.clear_by_hand(alarm.rule_id, now)
        changes = differences({}, {"reason": reason})
        self._store.audit.beside(Edit(alarm.project_id, "alarm", alarm.id, alarm.rule_name, "clear", changes))
        await settled(self.evaluations.append(device_alarms, [cleared, *device_alarms.changes(decisions, now)]))


def _failing(record: RuleRecord) -> str:
    """Why a rule cannot be evaluated on the first of its failing devices; "" if there is none."""
    device_id, problem = next(iter(record.failing.items()), ("", ""))
    if not problem:
        return ""
    if (count := len(record.failing) - 1) > 0:
        return reason("rule_fails_on_devices", device=device_id, problem=problem, count=count).message
    return reason("rule_fails_on_device", device=device_id, problem=problem).message
