"""Keeps alarms right when nothing is reported: time passes, rules change, devices change, come and go.

Every device that waits for something stands in the agenda by the instant at which its time comes, and is looked at
then, through the same functions that evaluate reports; it is read from the store if it is not in memory.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import structlog

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import NotFound, ThingsteadError
from thingstead.model.alarm import Alarm, AlarmChange
from thingstead.model.alarm_rule import AlarmRule
from thingstead.model.device import Device
from thingstead.model.messages import AlarmRuleChanged, DeviceChanged, PresenceChanged
from thingstead.rules.facts import ALWAYS_ONLINE
from thingstead.rules.monitor import FAR
from thingstead.services.alarm_watches import LEFT_SOURCE, AlarmWatches, check_ready
from thingstead.services.commits import committed
from thingstead.storage.base import Store

T = TypeVar("T")
log = structlog.get_logger("thingstead.alarms")

RULES_PER_READ = 500
DEVICES_PER_READ = 200
DEVICES_PER_TURN = 20  # looked at before other work gets its turn
LONGEST_SLEEP_S = 1.0
SHORTEST_SLEEP_S = 0.005
SHELVES_EVERY_MS = 1_000
RULE_CHANGED = "the rule was changed"


class AlarmEngine:
    """The rules of every project at work. Until :meth:`start` there are none."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, watches: AlarmWatches) -> None:
        self._store = store
        self._clock = clock
        self.watches = watches
        self._library = watches.library
        self._agenda = watches.agenda
        self._surveys: deque[AlarmRule] = deque()  # rules whose devices must all be looked at
        self._presence: dict[str, PresenceChanged] = {}  # by device id: the newest news
        self._rules: dict[str, str] = {}  # changed ones: project by rule id
        self._devices: dict[str, str] = {}  # changed ones, by id
        self._shelves_at = 0  # ms, when the ends of shelves are looked for again
        self._wake = watches.trouble
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._subscriptions = [
            bus.subscribe(AlarmRuleChanged, self._heard_rule),
            bus.subscribe(DeviceChanged, self._heard_device),
            bus.subscribe(PresenceChanged, self._heard_presence),
        ]

    async def start(self, *, run: bool = True) -> None:
        """Reads the rules, and notes what waits for its time. ``run``: also looks, by itself, when that has come."""
        after = ""
        while rules := await self._store.alarm_rules.list_enabled(after, RULES_PER_READ):
            for rule in rules:
                await self._put(rule)
            after = rules[-1].id
        for due in await self._store.alarms.list_due():
            self._agenda.put(due.device_id, due.due_at)
        failing = [record for record in self._library.records.values() if record.rule.rule.failing]
        for record in failing:
            record.unsaid = True  # whether it still is, the survey shows
        first = {rule.id: rule for rule in [*self._library.timed(), *(record.rule.rule for record in failing)]}
        self._surveys.extend(first.values())
        if run:
            self._task = asyncio.create_task(self._run(), name="alarms")

    async def close(self) -> None:
        """Ends the looking. What waits for its time is on disk."""
        for subscription in self._subscriptions:
            subscription.cancel()
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self.watches.close()

    async def _run(self) -> None:
        while not self._closing:
            idle_s = LONGEST_SLEEP_S  # where it fails
            try:
                await self.sweep()
                idle_s = self._idle_s()
            except ThingsteadError as exc:
                log.warning("alarms could not be looked at; trying again", error=exc.message)
            except Exception:
                log.exception("looking at alarms failed; trying again")
            with suppress(TimeoutError):
                async with asyncio.timeout(idle_s):
                    await self._wake.wait()
            self._wake.clear()

    def _idle_s(self) -> float:
        if self._surveys or self.watches.mistrusted:
            return SHORTEST_SLEEP_S
        due = self._agenda.next_due()
        if due is None:
            return LONGEST_SLEEP_S
        return min(LONGEST_SLEEP_S, max(SHORTEST_SLEEP_S, (due - self._clock.now_ms()) / 1000))

    async def sweep(self) -> None:
        """Does all that is due by now. What fails stays due."""
        await _each(self._rules, lambda rule_id, project_id: self._refresh_rule(project_id, rule_id))
        await _each(self._devices, lambda device_id, _: self._refresh_device(device_id))
        await _each(self._presence, self._note_presence)
        await self._look_at_due()
        await _each(self.watches.mistrusted, lambda _, watch: self.watches.read(watch), again=True)
        while self._surveys:
            await self._survey(self._surveys[0])
            self._surveys.popleft()
        await self._end_shelves()
        await self._say_failing()

    async def _look_at_due(self) -> None:
        now = self._clock.now_ms()
        looked_at = 0
        while (device_id := self._agenda.take(now)) is not None:
            try:
                device = await self._store.devices.find(device_id)
                if device is not None:
                    await self._look_at(device, now)
            except ThingsteadError:
                self._agenda.put(device_id, now)
                raise
            except Exception:
                log.exception("looking at the alarms of a device failed", device=device_id)
            looked_at += 1
            if looked_at % DEVICES_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _look_at(self, device: Device, now: int) -> None:
        watch = await self.watches.watch(device, keep=False)
        if watch.armed and not watch.stale:
            watch.scheduled = FAR
            self.watches.decide(watch, watch.monitor.pass_time(watch.device_time(now)), now)

    async def _survey(self, rule: AlarmRule) -> None:
        """Has every device of a rule in memory once: what follows from its present values is decided then."""
        after: Device | None = None
        while devices := await self._store.alarm_rules.devices_of(rule, after, DEVICES_PER_READ):
            for number, device in enumerate(devices):
                await self.watches.watch(device, keep=False)
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

    async def _say_failing(self) -> None:
        for record in list(self._library.records.values()):
            if record.unsaid:
                record.unsaid = False
                device_id, reason = next(iter(record.failing.items()), ("", ""))
                more = f" (and on {len(record.failing) - 1} more devices)" if len(record.failing) > 1 else ""
                told = f"on device {device_id}: {reason}{more}" if reason else ""
                await self._store.alarm_rules.note_failing(record.rule.id, told)

    # What others change

    def _heard_rule(self, news: AlarmRuleChanged) -> None:
        self._rules[news.rule_id] = news.project_id
        self._wake.set()

    def _heard_device(self, news: DeviceChanged) -> None:
        self._devices[news.device_id] = news.device_id
        self._wake.set()

    def _heard_presence(self, news: PresenceChanged) -> None:
        if self._library.absences:
            self._presence[news.device_id] = news
            self._wake.set()

    async def refreshed(self) -> None:
        """Returns when every change that was announced up to now is in effect."""
        await self.sweep()

    async def _refresh_rule(self, project_id: str, rule_id: str) -> None:
        try:
            rule: AlarmRule | None = await self._store.alarm_rules.get(project_id, rule_id)
        except NotFound:
            rule = None
        reset = True
        if rule is not None and rule.enabled:
            reset = await self._put(rule)
        else:
            self._library.drop(rule_id)
        for watch in self.watches.live():
            book = self._library.book_of(watch.device)
            concerned = rule_id in book.records
            if concerned and not watch.armed:
                await self.watches.read(watch)
            elif watch.armed and (concerned or rule_id in watch.monitor.book.records):
                await self._retarget(watch.device, (rule_id,) if reset else (), RULE_CHANGED)
        if rule is not None and rule.enabled:
            self._surveys.append(rule)

    async def _put(self, rule: AlarmRule) -> bool:
        """Takes a rule into the library; whether it must be evaluated from the beginning. One that cannot be evaluated
        on this machine is shown as failing."""
        try:
            return self._library.put(rule)
        except ValueError as exc:
            log.error("an alarm rule cannot be evaluated here", rule=rule.id, project=rule.project_id, error=str(exc))
            await self._store.alarm_rules.note_failing(rule.id, f"cannot be evaluated on this server: {exc}")
            return True

    async def _refresh_device(self, device_id: str) -> None:
        device = await self._store.devices.find(device_id)
        watch = self.watches.find(device_id)
        if device is None:
            self.watches.forget(device_id)
        elif watch is None:
            rules = self._library.book_of(device).records
            left = [kept.rule_id for kept in await self._store.alarms.states(device_id) if kept.rule_id not in rules]
            if left:
                now = self._clock.now_ms()
                self.watches.tell(await self._store.alarm_rules.leave_source(device_id, left, now, LEFT_SOURCE))
            await self.watches.watch(device)
        else:
            watch.device = device
            if watch.armed:
                await self._retarget(device, (), LEFT_SOURCE)
            elif self._library.book_of(device):
                await self.watches.read(watch)

    async def _retarget(self, device: Device, reset: tuple[str, ...], reason: str) -> None:
        """Gives a device in memory the rules that concern it now; ``reset``: rules to begin anew with."""
        watch = await self.watches.watch(device)
        book = self._library.book_of(device)
        if book.absences and not watch.monitor.book.absences:
            watch.online = await self._store.presence.find_session(device.number) is not None
        if watch.stale or (book.records == watch.monitor.book.records and not reset):
            return
        now = self._clock.now_ms()
        changes = watch.retarget(book, reset, reason, now)
        changes += watch.changes(watch.catch_up(now), now)
        if changes:
            self.watches.append(watch, changes)
        else:
            self.watches.schedule(watch)

    async def _note_presence(self, device_id: str, news: PresenceChanged) -> None:
        device = await self._store.devices.find(device_id)
        if device is None:
            return
        watch = await self.watches.watch(device)
        if watch.armed and watch.monitor.book.absences and not watch.stale:
            now = self._clock.now_ms()
            watch.online = news.online
            since = ALWAYS_ONLINE if news.online else watch.device_time(news.ts)
            self.watches.decide(watch, watch.monitor.presence(since, watch.device_time(now)), now)

    async def clear_by_hand(self, alarm: Alarm, reason: str) -> None:
        """Clears an alarm because a person says so; returns when that is on disk."""
        device = await self._store.devices.get(alarm.project_id, alarm.device_id)
        watch = await self.watches.watch(device)
        check_ready(watch)
        now = self._clock.now_ms()
        watch.alarm_ids[alarm.rule_id] = alarm.id
        message = watch.close_message(alarm.rule_id, alarm.rule_name, alarm.alarm_level, reason, now)
        cleared = AlarmChange(
            project_id=alarm.project_id,
            device_id=alarm.device_id,
            rule_id=alarm.rule_id,
            state=None,
            messages=() if message is None else (message,),
        )
        decisions = watch.monitor.clear_by_hand(alarm.rule_id, watch.device_time(now))
        await committed(self.watches.append(watch, [cleared, *watch.changes(decisions, now)]))


async def _each(pending: dict[str, T], handle: Callable[[str, T], Awaitable[None]], *, again: bool = False) -> None:
    """Handles what is pending, taken out one by one. What the store could not do is pending again, unless newer news
    came; a fault of ours is logged, so that it keeps nobody else waiting, and is pending again where ``again`` says so.
    """
    for key in list(pending):
        value = pending.pop(key)
        try:
            await handle(key, value)
        except Exception as exc:
            if not again and not isinstance(exc, ThingsteadError):
                log.exception("an alarm rule or device could not be looked at", id=key)
                continue
            pending.setdefault(key, value)
            raise
        except BaseException:
            pending.setdefault(key, value)
            raise
