"""Registry of devices with alarm state in memory: evaluates their reports, and adds the changes to the commits of the
reports.

What is decided about a report goes into the commit of the report, so that no report can be acknowledged without its
alarm. Memory runs ahead of the disk by the open commit; when a commit fails, the devices in it are read again, and take
no reports until that is done.
"""

import asyncio
import weakref
from collections.abc import Iterable, Sequence
from functools import partial

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import ThingsteadError, Unavailable
from thingstead.model.alarms.alarm import AlarmChange, AlarmLog
from thingstead.model.device import Device
from thingstead.model.messages import AlarmChanged
from thingstead.model.report import Report
from thingstead.rules.decision import Decision
from thingstead.rules.evaluator import FAR
from thingstead.services.alarms.device import DeviceAlarms
from thingstead.services.alarms.rule_index import RuleLibrary
from thingstead.services.shared.commits import settled
from thingstead.services.shared.lru import Lru
from thingstead.storage.base import Commit, Store
from thingstead.timers import DueQueue

WATCHES_KEPT = 10_000  # devices with rules that are kept in memory although no connection holds them
LEFT_SOURCE = "the rule no longer watches the device"


class _Batch:
    """What goes with one commit: devices whose memory runs ahead of the disk, and news to tell once it is there."""

    __slots__ = ("news", "watches")

    def __init__(self) -> None:
        self.watches: dict[str, DeviceAlarms] = {}
        self.news: list[AlarmChanged] = []


class AlarmEvaluations:
    """Every device that is watched now. Rules come from the library, which is empty until it is filled."""

    def __init__(self, store: Store, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self.library = RuleLibrary()
        self.due_queue: DueQueue[str, int] = DueQueue()  # devices, by ms of the server
        self.mistrusted: dict[str, DeviceAlarms] = {}  # to be read again
        self.trouble = asyncio.Event()  # set when something was added to ``mistrusted``
        self._watches: weakref.WeakValueDictionary[str, DeviceAlarms] = weakref.WeakValueDictionary()
        self._kept: Lru[str, DeviceAlarms] = Lru(WATCHES_KEPT)
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._commit: Commit | None = None  # the newest, which _batch belongs to
        self._batch = _Batch()
        self.raised = self.cleared = 0

    # Reports

    async def watch(self, device: Device, *, keep: bool = True) -> DeviceAlarms:
        """The watch of a device; the same object for all who hold one. ``keep``: it will probably be wanted again."""
        watch = self._watches.get(device.id)
        if watch is None:
            watch = self._watches[device.id] = DeviceAlarms(device)
            if self.library.book_of(device):
                await self.read(watch)
        elif (reading := self._reading.get(device.id)) is not None:
            await asyncio.wait([reading])
        if watch.armed and keep:
            self._keep(watch)
        return watch

    def report(self, watch: DeviceAlarms, report: Report) -> None:
        """Evaluates a report in the turn in which it was appended to the commit that was followed last; what changes
        goes into that commit. Only for watches that are armed.
        """
        if watch.held is not None:
            watch.held.append(report)
            return
        self._batch.watches[watch.device.id] = watch
        monitor, ts = watch.monitor, report.ts
        if report.source == "report":
            decisions = monitor.report(ts, report.attributes, received=True)
        elif report.source == "series":
            decisions = monitor.report(ts, report.attributes, received_at=report.received_at)
        else:
            received = report.source != "import"
            decisions = monitor.report(ts, report.attributes, False, received=received, received_at=report.received_at)
        if decisions:
            self.append(watch, watch.changes(decisions, report.received_at))
        elif monitor.due < watch.scheduled:
            self.schedule(watch)

    def follow(self, commit: Commit) -> None:
        """Tells what is decided in a commit once it is on disk. Called before anyone else waits for the commit."""
        if commit is not self._commit:
            self._commit, self._batch = commit, _Batch()
            commit.on_done(partial(self._ended, self._batch))

    def append(self, watch: DeviceAlarms, changes: Sequence[AlarmChange]) -> Commit:
        """Puts changes of a device into the open commit, and notes when to look at it again."""
        commit = self._store.alarms.append(changes)
        self.follow(commit)
        self._batch.watches[watch.device.id] = watch
        self._batch.news.extend(news_of(message) for change in changes for message in change.messages)
        self.schedule(watch)
        return commit

    def decide(self, watch: DeviceAlarms, decisions: Sequence[Decision], now: int) -> None:
        """Keeps what was decided without a report."""
        if decisions:
            self.append(watch, watch.changes(decisions, now))
        else:
            self.schedule(watch)

    def schedule(self, watch: DeviceAlarms) -> None:
        """Notes when time alone may change something on a device."""
        watch.scheduled = watch.monitor.due
        if watch.scheduled != FAR:
            self.due_queue.put(watch.device.id, watch.scheduled)

    def clock_set_back(self, now: int, by_ms: int) -> None:
        """The server's clock was set back, and shows ``now`` (ms): every device that waits is looked at again."""
        for watch in self.live():
            if watch.armed and watch.held is None and not watch.stale:
                watch.monitor.set_back(now, by_ms)
                watch.scheduled = FAR
                self.schedule(watch)
        self.due_queue.hasten(now)
        self.trouble.set()

    def _ended(self, batch: _Batch, error: Exception | None) -> None:
        if error is None:
            self._tell(batch.news)
            return
        for watch in batch.watches.values():
            watch.stale = True
            self.mistrusted[watch.device.id] = watch
        self.trouble.set()

    def tell(self, messages: Iterable[AlarmLog]) -> None:
        """Takes note of alarms that were cleared on disk, and tells of them."""
        messages = list(messages)
        for message in messages:
            watch = self._watches.get(message.device_id)
            if watch is not None and watch.alarm_ids.get(message.rule_id) == message.alarm_id:
                del watch.alarm_ids[message.rule_id]
        self._tell([news_of(message) for message in messages])

    def _tell(self, messages: Iterable[AlarmChanged]) -> None:
        for news in messages:
            if news.alarm_status:
                self.raised += 1
            else:
                self.cleared += 1
            self._bus.publish(news)

    # Reading

    def live(self) -> list[DeviceAlarms]:
        """Every device in memory."""
        return list(self._watches.values())

    def find(self, device_id: str) -> DeviceAlarms | None:
        return self._watches.get(device_id)

    def forget(self, device_id: str) -> None:
        """Lets go of a device that was removed."""
        self._kept.pop(device_id, None)

    async def read(self, watch: DeviceAlarms) -> None:
        """Reads a device from the store, and decides what follows from what is known of it by now. Reports that come
        in the meantime are evaluated afterwards."""
        device_id = watch.device.id
        while (before := self._reading.get(device_id)) is not None:
            await asyncio.wait([before])
        reading = self._reading[device_id] = asyncio.create_task(self._read(watch), name="alarms-read")
        reading.add_done_callback(lambda _: self._reading.pop(device_id, None))
        await asyncio.shield(reading)

    async def _read(self, watch: DeviceAlarms) -> None:
        held: list[Report] = []
        watch.held = held
        watch.armed = True  # so that reports are held back
        try:
            if self._commit is not None and not self._commit.done:
                await ended(self._commit)  # reports of this device may be on their way to the disk
            left = await watch.load(self._store, self.library.book_of(watch.device))
            watch.stale = False
        finally:
            watch.held = None
            watch.armed = bool(watch.monitor.book)
        now = self._clock.now_ms()
        if left:
            self.tell(await self._store.alarm_rules.leave_source(watch.device.id, left, now, LEFT_SOURCE))
        if not watch.armed:
            return
        if watch.monitor.facts.data_at > now:
            self._keep(
                watch
            )  # it was heard of by another clock: when its silence began by this one is known here alone
        decisions = watch.catch_up(now)
        self.decide(watch, decisions, now)
        for report in held:
            self.report(watch, report)

    def _keep(self, watch: DeviceAlarms) -> None:
        self._kept.put(watch.device.id, watch)

    async def close(self) -> None:
        """Waits for what is being read."""
        if self._reading:
            await asyncio.wait(list(self._reading.values()))


def check_ready(watch: DeviceAlarms) -> None:
    """Raises Unavailable while what is in memory is not what is on disk."""
    if watch.stale:
        raise Unavailable("alarms_read_again")


def news_of(message: AlarmLog) -> AlarmChanged:
    """What the bus is told of a message."""
    return AlarmChanged(
        message.device_id,
        message.alarm_id,
        message.rule_id,
        message.alarm_status,
        message.alarm_level,
        message.alarm_info,
        message.ts,
    )


async def ended(commit: Commit) -> None:
    """Returns when a commit has ended, well or not."""
    try:
        await settled(commit)
    except ThingsteadError:
        pass
