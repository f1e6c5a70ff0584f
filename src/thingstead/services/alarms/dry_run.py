"""Replays a rule over stored history with the functions that evaluate reports, and returns when it would have raised
and cleared."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Any

import msgspec

from thingstead.clock import Clock
from thingstead.errors import InvalidInput, TooManyRequests
from thingstead.model import limits
from thingstead.model.alarms.alarm import CLEARED, RAISED, Phase
from thingstead.model.alarms.rule import AlarmRule, attributes_of
from thingstead.model.alarms.rule_form import RuleForm
from thingstead.model.device import Device
from thingstead.model.report import SeriesPoint
from thingstead.refusals import reason
from thingstead.rules.decision import Decision
from thingstead.rules.device_rules import DeviceRules, RuleRecord
from thingstead.rules.evaluation import phase_of
from thingstead.rules.evaluator import DeviceEvaluator
from thingstead.rules.facts import NEVER, Facts
from thingstead.rules.rule import CompiledRule
from thingstead.services.alarms.rules import AlarmRuleService
from thingstead.storage.base import Store
from thingstead.wire.alarm_rules import DryRun, DryRunItem

DEVICES = 100  # replayed in one request
POINTS = 200_000  # read in one request
POINTS_PER_READ = 10_000
ITEMS = 1_000  # in the answer
REPORTS_PER_TURN = 100  # processed before other tasks run
RUNS_COUNT = 2  # concurrently, of different projects; each holds its points in memory
PROJECT_RUNS_COUNT = 5  # of one project, queued ones included
DAY_MS = 24 * 3600 * 1000
Reports = dict[int, list[dict[str, Any]]]  # by timestamp: the reports with it, in order of arrival
NO_PRESENCE = reason("history_without_presence").message


class AlarmDryRunService:
    """Tests rules on stored history."""

    def __init__(self, store: Store, clock: Clock, rules: AlarmRuleService) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._places = asyncio.Semaphore(RUNS_COUNT)
        self._turns: dict[str, asyncio.Lock] = {}  # by project; only locks in use
        self._asked: Counter[str] = Counter()  # runs by project, queued ones included

    async def run(
        self,
        project_id: str,
        rule: RuleForm | str,
        device_ids: Sequence[str] = (),
        start_time: int | None = None,
        end_time: int | None = None,
    ) -> DryRun:
        """Replays a rule, given as a form or by its id, from ``start_time`` to ``end_time`` (ms; default: the last
        day), on the given devices or on the first ones of its source.

        Raises:
            InvalidInput: names every invalid part of the rule or the range.
            NotFound: no such rule or device.
            TooManyRequests: too many runs of the project are queued.
        """
        async with self._turn(project_id):
            return await self._run(project_id, rule, device_ids, self._range(start_time, end_time))

    async def _run(
        self, project_id: str, rule: RuleForm | str, device_ids: Sequence[str], span: tuple[int, int]
    ) -> DryRun:
        start, end = span
        if isinstance(rule, str):
            tried = await self._rules.get(project_id, rule)
        else:
            await self._rules.check(project_id, rule)
            untold = msgspec.structs.replace(rule, notify=())
            tried = self._rules.rule_of(project_id, "tried", untold, self._clock.now_ms())
        devices, complete = await self._devices(project_id, tried, device_ids)
        replay = _Replay(self._store, tried, start, end)
        for device in devices:
            await replay.device(device)
        notes = [NO_PRESENCE] if CompiledRule(tried).absences else []
        return DryRun(
            items=replay.items[:ITEMS],
            raised_total=replay.raised,
            cleared_total=replay.cleared,
            open_total=replay.raised - replay.cleared,
            open_ms=replay.open_ms,
            phases=dict(replay.phases),
            devices=len(devices),
            points=replay.points,
            complete=complete and replay.points < POINTS and len(replay.items) <= ITEMS,
            notes=notes,
        )

    @asynccontextmanager
    async def _turn(self, project_id: str) -> AsyncIterator[None]:
        """Runs of one project are serialized; the number of runs of all projects is limited."""
        if self._asked[project_id] >= PROJECT_RUNS_COUNT:
            raise TooManyRequests("too_many_rules_tried", retry_after_s=1)
        self._asked[project_id] += 1
        try:
            async with self._turns.setdefault(project_id, asyncio.Lock()), self._places:
                yield
        finally:
            self._asked[project_id] -= 1
            if not self._asked[project_id]:
                del self._asked[project_id], self._turns[project_id]

    def _range(self, start_time: int | None, end_time: int | None) -> tuple[int, int]:
        now = self._clock.now_ms()
        end = now if end_time is None else min(end_time, now)
        start = end - DAY_MS if start_time is None else start_time
        if start > end:
            raise InvalidInput.field("start_time", "start_after_end_or_now")
        if end - start > limits.SERIES_SPAN_MS:
            raise InvalidInput.field("end_time", "range_too_wide")
        return start, end

    async def _devices(self, project_id: str, rule: AlarmRule, device_ids: Sequence[str]) -> tuple[list[Device], bool]:
        if not device_ids:
            devices = await self._store.alarm_rules.devices_of(rule, None, DEVICES + 1)
            return devices[:DEVICES], len(devices) <= DEVICES
        return [await self._store.devices.get(project_id, device_id) for device_id in device_ids[:DEVICES]], True


class _Replay:
    """Replays one rule over a range of time, one device after another."""

    def __init__(self, store: Store, rule: AlarmRule, start: int, end: int) -> None:
        self._store = store
        self._rule = rule
        self._start = start
        self._end = end
        self._open_since: int | None = None  # of the device in progress
        self.items: list[DryRunItem] = []
        self.phases: Counter[Phase] = Counter()  # phase of the rule at the end, by number of devices
        self.points = self.raised = self.cleared = self.open_ms = 0

    async def device(self, device: Device) -> None:
        rule = CompiledRule(self._rule)
        names = set(attributes_of(self._rule.body))
        if any(name is None for name, _ in rule.silences):  # any report ends a silence of the device
            names |= set(await self._store.history.current(device.number))
        facts = Facts(device.create_time)
        reports: Reports = {}
        for name in sorted(names):
            await self._read(device, name, facts, reports, previous=name in rule.changes)
        facts.newest = max(facts.times.values(), default=NEVER)
        facts.data_at = max(facts.data_at, facts.newest)
        facts.heard = dict(facts.times)
        evaluator = DeviceEvaluator(device.id, DeviceRules([RuleRecord(rule)]), facts, {})
        self._take(device, evaluator.look(max(0, self._start)))
        for number, ts in enumerate(sorted(reports), 1):
            for attributes in reports[ts]:
                self._take(device, evaluator.report(ts, attributes))
            if number % REPORTS_PER_TURN == 0:
                await asyncio.sleep(0)
        self._take(device, evaluator.pass_time(self._end))
        self._close(self._end)
        self.phases[phase_of(evaluator.state_of(rule))] += 1

    async def _read(self, device: Device, name: str, facts: Facts, reports: Reports, *, previous: bool) -> None:
        """Reads the points of an attribute in the range, and its value at the begin."""
        history, number = self._store.history, device.number
        if self._start > 0:
            before = await history.series(number, name, 0, self._start - 1, offset=0, limit=2)
            if before:
                facts.values[name], facts.times[name] = before[0].value, before[0].ts
            if previous and len(before) == 2:
                facts.previous[name] = before[1].value
        offset = 0
        found: list[SeriesPoint] = []  # newest first; of equal timestamps only the last that arrived
        while self.points < POINTS:
            limit = min(POINTS_PER_READ, POINTS - self.points)
            points = await history.series(number, name, self._start, self._end, offset=offset, limit=limit)
            found += points
            self.points += len(points)
            offset += len(points)
            if len(points) < limit:
                break
        for taken, (ts, same) in enumerate(itertools.groupby(reversed(found), attrgetter("ts")), 1):
            if taken % REPORTS_PER_TURN == 0:
                await asyncio.sleep(0)
            instant = reports.setdefault(ts, [])
            for number, point in enumerate(same):
                if number == len(instant):
                    instant.append({})
                instant[number][name] = point.value

    def _take(self, device: Device, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            for transition, conditions, attributes in decision.occurrences:
                self.raised += transition.before == 0
                self.cleared += transition.level == 0
                if transition.before == 0:
                    self._open_since = max(self._start, transition.at)
                elif transition.level == 0:
                    self._close(transition.at)
                if len(self.items) <= ITEMS:
                    self.items.append(
                        DryRunItem(
                            device_id=device.id,
                            ts=transition.at,
                            alarm_status=RAISED if transition.level else CLEARED,
                            alarm_level=transition.level or transition.before,
                            phase=Phase.RAISED if transition.level else Phase.IDLE,
                            attributes=attributes,
                            conditions=conditions,
                        )
                    )

    def _close(self, at: int) -> None:
        """Adds the time for which the alarm of the device was open."""
        if self._open_since is not None:
            self.open_ms += max(0, at - self._open_since)
            self._open_since = None
