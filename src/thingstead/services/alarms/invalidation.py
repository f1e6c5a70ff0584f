"""Collects changes of rules, devices and presence from the bus, and applies them to the evaluated devices on the
scheduler's next turn."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import NotFound, ThingsteadError
from thingstead.model.alarms.rule import AlarmRule
from thingstead.model.device import Device
from thingstead.model.messages import (
    AlarmRuleChanged,
    AttributesRemoved,
    DeviceChanged,
    DevicesAdded,
    DeviceTypeChanged,
    PresenceChanged,
)
from thingstead.refusals import reason
from thingstead.rules.facts import ALWAYS_ONLINE
from thingstead.services.alarms.evaluations import LEFT_SOURCE, AlarmEvaluations
from thingstead.services.alarms.rule_advice import types_of, what_is_impossible
from thingstead.storage.base import Store

T = TypeVar("T")
log = structlog.get_logger("thingstead.alarms")

RULE_CHANGED = reason("cleared_rule_changed").message


class AlarmInvalidation:
    """Collects changes of rules, devices and presence from the bus until :meth:`apply`."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, evaluations: AlarmEvaluations) -> None:
        self._store = store
        self._clock = clock
        self._evaluations = evaluations
        self._rule_index = evaluations.rule_index
        self.surveys: deque[AlarmRule] = deque()  # rules whose devices must all be evaluated
        self.impossible: dict[str, str] = {}  # why rules cannot be evaluated on this server; by rule id, until stored
        self._presence: dict[str, PresenceChanged] = {}  # newest change by device id
        self._rules: dict[str, str] = {}  # changed rules: project by rule id
        self._devices: dict[str, str] = {}  # changed devices, by id
        self._types: dict[str, str] = {}  # changed types: project by type id
        self._added: dict[str, str] = {}  # new devices, by id
        self._removed: dict[str, str] = {}  # devices whose attributes were removed, by id
        self._subscriptions = [
            bus.subscribe(AlarmRuleChanged, self._on_rule),
            bus.subscribe(DeviceChanged, self._on_device),
            bus.subscribe(DeviceTypeChanged, self._on_type),
            bus.subscribe(DevicesAdded, self._on_added),
            bus.subscribe(AttributesRemoved, self._on_removed),
            bus.subscribe(PresenceChanged, self._on_presence),
        ]

    def close(self) -> None:
        """Ends the subscriptions."""
        for subscription in self._subscriptions:
            subscription.cancel()

    async def apply(self) -> None:
        """Applies all collected changes."""
        await handle_each(self._rules, lambda rule_id, project_id: self._refresh_rule(project_id, rule_id))
        await handle_each(self._devices, lambda device_id, _: self._refresh_device(device_id))
        await handle_each(self._added, lambda device_id, _: self._load_new(device_id))
        await handle_each(self._removed, lambda device_id, _: self._read_again(device_id))
        await handle_each(self._types, lambda type_id, project_id: self._refresh_type(project_id, type_id))
        await handle_each(self._presence, self._apply_presence)

    def _on_rule(self, news: AlarmRuleChanged) -> None:
        self._rules[news.rule_id] = news.project_id
        self._evaluations.wake.set()

    def _on_device(self, news: DeviceChanged) -> None:
        self._devices[news.device_id] = news.device_id
        self._evaluations.wake.set()

    def _on_type(self, news: DeviceTypeChanged) -> None:
        self._types[news.type_id] = news.project_id
        self._evaluations.wake.set()

    def _on_added(self, news: DevicesAdded) -> None:
        if news.project_id in self._rule_index.timed_rules:  # for others the first value suffices
            self._added.update((device_id, device_id) for device_id in news.device_ids)
            self._evaluations.wake.set()

    def _on_removed(self, news: AttributesRemoved) -> None:
        """Values are removed from memory at once, so that no report is evaluated with them; the device is evaluated
        later."""
        device_alarms = self._evaluations.find(news.device_id)
        if device_alarms is not None and device_alarms.armed:
            device_alarms.evaluator.forget(news.identifiers)
            self._removed[news.device_id] = news.device_id
            self._evaluations.wake.set()

    def _on_presence(self, news: PresenceChanged) -> None:
        if self._rule_index.absences:
            self._presence[news.device_id] = news
            self._evaluations.wake.set()

    async def _refresh_rule(self, project_id: str, rule_id: str) -> None:
        try:
            rule: AlarmRule | None = await self._store.alarm_rules.get(project_id, rule_id)
        except NotFound:
            rule = None
        reset = True
        if rule is not None and rule.enabled:
            reset = self.put(rule)
        else:
            self._rule_index.drop(rule_id)
        for device_alarms in self._evaluations.live():
            rules = self._rule_index.rules_of(device_alarms.device)
            concerned = rule_id in rules.records
            if concerned and not device_alarms.armed:
                await self._evaluations.read(device_alarms)
            elif device_alarms.armed and (concerned or rule_id in device_alarms.evaluator.rules.records):
                await self._retarget(device_alarms.device, (rule_id,) if reset else (), RULE_CHANGED)
        if rule is not None and rule.enabled:
            self.surveys.append(rule)

    def put(self, rule: AlarmRule) -> bool:
        """Adds a rule to the index. Returns whether it must be evaluated from the beginning. A rule that cannot be
        evaluated on this server is marked as failing."""
        try:
            return self._rule_index.put(rule)
        except ValueError as exc:
            log.error(
                "an alarm rule cannot be evaluated on this server",
                rule=rule.id,
                project=rule.project_id,
                error=str(exc),
            )
            self.impossible[rule.id] = reason("rule_not_evaluable", problem=str(exc)).message
            self._evaluations.wake.set()
            return True

    async def _refresh_device(self, device_id: str) -> None:
        device = await self._store.devices.find(device_id)
        device_alarms = self._evaluations.find(device_id)
        if device is None:
            self._evaluations.forget(device_id)
        elif device_alarms is None:
            rules = self._rule_index.rules_of(device).records
            left = [kept.rule_id for kept in await self._store.alarms.states(device_id) if kept.rule_id not in rules]
            if left:
                now = self._clock.now_ms()
                self._evaluations.publish_cleared(
                    await self._store.alarm_rules.leave_source(device_id, left, now, LEFT_SOURCE)
                )
            await self._evaluations.device_alarms(device)
        else:
            device_alarms.device = device
            if device_alarms.armed:
                await self._retarget(device, (), LEFT_SOURCE)
            elif self._rule_index.rules_of(device):
                await self._evaluations.read(device_alarms)

    async def _load_new(self, device_id: str) -> None:
        """Loads a new device once, so that its silence and absence are counted from its creation."""
        device = await self._store.devices.find(device_id)
        if device is not None:
            await self._evaluations.device_alarms(device, keep=False)

    async def _read_again(self, device_id: str) -> None:
        device_alarms = self._evaluations.find(device_id)
        if device_alarms is not None and device_alarms.armed:
            await self._evaluations.read(device_alarms)

    async def _refresh_type(self, project_id: str, type_id: str) -> None:
        """Handles a removed or changed type. A removed type had no devices, and its rules were removed with it; a
        changed definition may invalidate rules, or make them valid again."""
        try:
            await self._store.device_types.get(project_id, type_id)
        except NotFound:
            for rule_id in self._rule_index.rules_of_type(type_id):
                self._rule_index.drop(rule_id)
            return
        for record in list(self._rule_index.records.values()):
            rule = record.rule.rule
            if rule.project_id != project_id or type_id not in await types_of(self._store, rule):
                continue
            impossible = await what_is_impossible(self._store, rule)
            if impossible != record.impossible:
                record.impossible, record.unstored = impossible, True
                if impossible:
                    log.warning(
                        "an alarm rule can no longer be evaluated", rule=rule.id, project=project_id, reason=impossible
                    )

    async def _retarget(self, device: Device, reset: tuple[str, ...], reason: str) -> None:
        """Applies the current rules to a device in memory; ``reset``: rules that start again."""
        device_alarms = await self._evaluations.device_alarms(device)
        rules = self._rule_index.rules_of(device)
        if rules.absences and not device_alarms.evaluator.rules.absences:
            device_alarms.online = await self._store.presence.find_session(device.number) is not None
        if device_alarms.stale or (rules.records == device_alarms.evaluator.rules.records and not reset):
            return
        now = self._clock.now_ms()
        changes = device_alarms.retarget(rules, reset, reason, now)
        changes += device_alarms.changes(device_alarms.catch_up(now), now)
        if changes:
            self._evaluations.append(device_alarms, changes)
        else:
            self._evaluations.schedule(device_alarms)

    async def _apply_presence(self, device_id: str, news: PresenceChanged) -> None:
        device = await self._store.devices.find(device_id)
        if device is None:
            return
        device_alarms = await self._evaluations.device_alarms(device)
        if device_alarms.armed and device_alarms.evaluator.rules.absences and not device_alarms.stale:
            now = self._clock.now_ms()
            device_alarms.online = news.online
            since = ALWAYS_ONLINE if news.online else min(news.ts, now)
            self._evaluations.decide(device_alarms, device_alarms.evaluator.presence(since, now), now)


async def handle_each(
    pending: dict[str, T], handle: Callable[[str, T], Awaitable[None]], *, again: bool = False
) -> None:
    """Handles each entry and removes it. An entry that failed because of the store is added again, unless there is a
    newer one. Any other exception is logged and does not stop the other entries; with ``again`` its entry is added
    again, and it is raised at the end."""
    fault: Exception | None = None
    for key in list(pending):
        value = pending.pop(key)
        try:
            await handle(key, value)
        except Exception as exc:
            if again or isinstance(exc, ThingsteadError):
                pending.setdefault(key, value)
            if isinstance(exc, ThingsteadError):
                raise
            if again:
                fault = fault or exc
            else:
                log.exception("an alarm rule or device could not be evaluated", id=key)
        except BaseException:
            pending.setdefault(key, value)
            raise
    if fault is not None:
        raise fault
