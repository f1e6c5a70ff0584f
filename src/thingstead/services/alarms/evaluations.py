"""Registry of devices with alarm state in memory: evaluates their reports, and adds the changes to the commits of the
reports.

The decision about a report is in the commit of the report, so no report is acknowledged without its alarm. Memory is
ahead of the disk by the open commit; if a commit fails, its devices are loaded again, and refuse reports until then.
"""

import asyncio
import weakref
from collections.abc import Iterable, Sequence
from functools import partial

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import ThingsteadError, Unavailable
from thingstead.model.alarms.alarm import RAISED, AlarmChange, AlarmLog
from thingstead.model.device import Device
from thingstead.model.messages import AlarmChanged
from thingstead.model.report import Report
from thingstead.refusals import reason
from thingstead.rules.decision import Decision
from thingstead.rules.evaluator import FAR
from thingstead.services.alarms.device import DeviceAlarms
from thingstead.services.alarms.rule_index import RuleIndex
from thingstead.services.forwarding.tap import ForwardTap
from thingstead.services.shared.commits import settled
from thingstead.services.shared.lru import Lru
from thingstead.storage.base import Commit, Store
from thingstead.timers import DueQueue

DEVICES_KEPT = 10_000  # devices with rules in memory without a connection
LEFT_SOURCE = reason("cleared_not_watched").message
# Prefix of the person, in the reason of an alarm that was cleared manually.
CLEARED_BY = reason("cleared_by_person", by="").message


class _Batch:
    """What belongs to one commit: devices that were changed in memory, and messages to publish after it."""

    __slots__ = ("devices", "news")

    def __init__(self) -> None:
        self.devices: dict[str, DeviceAlarms] = {}
        self.news: list[AlarmChanged] = []


class AlarmEvaluations:
    """Registry of the devices in memory; evaluates their reports and puts the decisions into the open commit.
    ``rule_index`` is empty until it is filled."""

    def __init__(self, store: Store, bus: Bus, clock: Clock) -> None:
        self._store = store
        self.forwards = ForwardTap(store, clock)
        self._bus = bus
        self._clock = clock
        self.rule_index = RuleIndex()
        self.due_queue: DueQueue[str, int] = DueQueue()  # device ids by ms of the server clock
        self.to_reload: dict[str, DeviceAlarms] = {}  # devices to load again after a failed commit
        self.wake = asyncio.Event()  # wakes the scheduler; set after something was added to ``to_reload``
        self._in_memory: weakref.WeakValueDictionary[str, DeviceAlarms] = weakref.WeakValueDictionary()
        self._kept: Lru[str, DeviceAlarms] = Lru(DEVICES_KEPT)
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._commit: Commit | None = None  # the newest, to which _batch belongs
        self._batch = _Batch()
        self.raised = self.cleared = 0

    # Reports

    async def device_alarms(self, device: Device, *, keep: bool = True) -> DeviceAlarms:
        """The alarm state of a device, loaded if necessary; the same object for all callers. ``keep``: cache it for
        later use."""
        device_alarms = self._in_memory.get(device.id)
        if device_alarms is None:
            device_alarms = self._in_memory[device.id] = DeviceAlarms(device)
            if self.rule_index.rules_of(device):
                await self.read(device_alarms)
        elif (reading := self._reading.get(device.id)) is not None:
            await asyncio.wait([reading])
        if device_alarms.armed and keep:
            self._keep(device_alarms)
        return device_alarms

    def report(self, device_alarms: DeviceAlarms, report: Report) -> None:
        """Evaluates a report; call it right after :meth:`follow` with the commit of the report. Decisions go into that
        commit. Only for devices that are armed."""
        if device_alarms.held is not None:
            device_alarms.held.append(report)
            return
        self._batch.devices[device_alarms.device.id] = device_alarms
        evaluator, ts = device_alarms.evaluator, report.ts
        if report.source == "report":
            decisions = evaluator.report(ts, report.attributes, received=True)
        elif report.source == "series":
            decisions = evaluator.report(ts, report.attributes, received_at=report.received_at)
        else:
            received = report.source != "import"
            decisions = evaluator.report(
                ts, report.attributes, False, received=received, received_at=report.received_at
            )
        if decisions:
            self.append(device_alarms, device_alarms.changes(decisions, report.received_at))
        elif evaluator.due < device_alarms.scheduled:
            self.schedule(device_alarms)

    def follow(self, commit: Commit) -> None:
        """Publishes the decisions of a commit when it has ended. Call it before others wait for the commit."""
        if commit is not self._commit:
            self._commit, self._batch = commit, _Batch()
            commit.on_done(partial(self._ended, self._batch))

    def append(self, device_alarms: DeviceAlarms, changes: Sequence[AlarmChange]) -> Commit:
        """Adds changes of a device to the open commit, and schedules its next evaluation."""
        commit = self._store.alarms.append(changes)
        self.follow(commit)
        messages = [message for change in changes for message in change.messages]
        self.forwards.alarms(device_alarms.device, commit, messages)
        self._batch.devices[device_alarms.device.id] = device_alarms
        self._batch.news.extend(map(alarm_changed, messages))
        self.schedule(device_alarms)
        return commit

    def decide(self, device_alarms: DeviceAlarms, decisions: Sequence[Decision], now: int) -> None:
        """Stores decisions that were made without a report."""
        if decisions:
            self.append(device_alarms, device_alarms.changes(decisions, now))
        else:
            self.schedule(device_alarms)

    def schedule(self, device_alarms: DeviceAlarms) -> None:
        """Schedules the next evaluation of a device without a report."""
        device_alarms.scheduled = device_alarms.evaluator.due
        if device_alarms.scheduled != FAR:
            self.due_queue.put(device_alarms.device.id, device_alarms.scheduled)

    def clock_set_back(self, now: int, by_ms: int) -> None:
        """Handles that the server clock was set back to ``now`` (ms): every device with a due evaluation is evaluated
        again."""
        for device_alarms in self.live():
            if device_alarms.armed and device_alarms.held is None and not device_alarms.stale:
                device_alarms.evaluator.set_back(now, by_ms)
                device_alarms.scheduled = FAR
                self.schedule(device_alarms)
        self.due_queue.hasten(now)
        self.wake.set()

    def _ended(self, batch: _Batch, error: Exception | None) -> None:
        if error is None:
            self._publish(batch.news)
            return
        for device_alarms in batch.devices.values():
            device_alarms.stale = True
            self.to_reload[device_alarms.device.id] = device_alarms
        self.wake.set()

    def publish_cleared(self, messages: Iterable[AlarmLog]) -> None:
        """Publishes alarms that the store has cleared, and removes them from memory."""
        messages = list(messages)
        for message in messages:
            device_alarms = self._in_memory.get(message.device_id)
            if device_alarms is not None and device_alarms.alarm_ids.get(message.rule_id) == message.alarm_id:
                del device_alarms.alarm_ids[message.rule_id]
        self.forwards.on_cleared(messages)
        self._publish([alarm_changed(message) for message in messages])

    def _publish(self, messages: Iterable[AlarmChanged]) -> None:
        for news in messages:
            if news.alarm_status:
                self.raised += 1
            else:
                self.cleared += 1
            self._bus.publish(news)

    # Reading

    def live(self) -> list[DeviceAlarms]:
        """Every device in memory."""
        return list(self._in_memory.values())

    def find(self, device_id: str) -> DeviceAlarms | None:
        """The alarm state of a device, if it is in memory."""
        return self._in_memory.get(device_id)

    def forget(self, device_id: str) -> None:
        """Removes a deleted device from the cache."""
        self._kept.pop(device_id, None)

    async def read(self, device_alarms: DeviceAlarms) -> None:
        """Loads a device from the store and evaluates it. Reports that arrive meanwhile are evaluated afterwards."""
        device_id = device_alarms.device.id
        while (before := self._reading.get(device_id)) is not None:
            await asyncio.wait([before])
        reading = self._reading[device_id] = asyncio.create_task(self._read(device_alarms), name="alarms-read")
        reading.add_done_callback(lambda _: self._reading.pop(device_id, None))
        await asyncio.shield(reading)

    async def _read(self, device_alarms: DeviceAlarms) -> None:
        held: list[Report] = []
        device_alarms.held = held
        device_alarms.armed = True  # so that reports are held back
        try:
            if self._commit is not None and not self._commit.done:
                await ended(self._commit)  # it may contain reports of this device
            left = await device_alarms.load(self._store, self.rule_index.rules_of(device_alarms.device))
            device_alarms.stale = False
        finally:
            device_alarms.held = None
            device_alarms.armed = bool(device_alarms.evaluator.rules)
        now = self._clock.now_ms()
        if left:
            self.publish_cleared(
                await self._store.alarm_rules.leave_source(device_alarms.device.id, left, now, LEFT_SOURCE)
            )
        if not device_alarms.armed:
            return
        if device_alarms.evaluator.facts.data_at > now:
            self._keep(
                device_alarms
            )  # arrived in the future, before the clock was set back: the begin of its silence is only in memory
        decisions = device_alarms.catch_up(now)
        self.decide(device_alarms, decisions, now)
        for report in held:
            self.report(device_alarms, report)

    def _keep(self, device_alarms: DeviceAlarms) -> None:
        self._kept.put(device_alarms.device.id, device_alarms)

    async def close(self) -> None:
        """Waits for devices that are being loaded."""
        if self._reading:
            await asyncio.wait(list(self._reading.values()))


def cleared_by(reason: str) -> str:
    """The person who cleared an alarm, from its reason; empty: no person."""
    return reason.removeprefix(CLEARED_BY) if reason.startswith(CLEARED_BY) else ""


def check_ready(device_alarms: DeviceAlarms) -> None:
    """Raises Unavailable while the state in memory is not the committed one."""
    if device_alarms.stale:
        raise Unavailable("alarms_read_again")


def alarm_changed(message: AlarmLog) -> AlarmChanged:
    """The bus message about an alarm message."""
    raised = "raise" if message.id == message.alarm_id else "level"
    action = raised if message.alarm_status == RAISED else "clear"
    return AlarmChanged(
        message.device_id,
        message.alarm_id,
        message.rule_id,
        message.alarm_status,
        message.alarm_level,
        message.alarm_info,
        message.ts,
        action,
        cleared_by(str(message.alarm_info.get("reason", ""))),
    )


async def ended(commit: Commit) -> None:
    """Waits for the end of a commit, successful or not."""
    try:
        await settled(commit)
    except ThingsteadError:
        pass
