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
from thingstead.rules.facts import ALWAYS_ONLINE
from thingstead.services.alarms.evaluations import LEFT_SOURCE, AlarmEvaluations
from thingstead.services.alarms.rule_advice import types_of, what_is_impossible
from thingstead.storage.base import Store

T = TypeVar("T")
log = structlog.get_logger("thingstead.alarms")

RULE_CHANGED = "the rule was changed"


class AlarmInvalidation:
    """Changes that are not in effect yet."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, evaluations: AlarmEvaluations) -> None:
        self._store = store
        self._clock = clock
        self._evaluations = evaluations
        self._rule_index = evaluations.rule_index
        self.surveys: deque[AlarmRule] = deque()  # rules whose devices must all be looked at
        self.impossible: dict[str, str] = {}  # rules that cannot be evaluated: why, until the store was told
        self._presence: dict[str, PresenceChanged] = {}  # by device id: the newest news
        self._rules: dict[str, str] = {}  # changed ones: project by rule id
        self._devices: dict[str, str] = {}  # changed ones, by id
        self._types: dict[str, str] = {}  # changed ones: project by type id
        self._added: dict[str, str] = {}  # devices that are new, by id
        self._removed: dict[str, str] = {}  # devices of which attributes were removed, by id
        self._subscriptions = [
            bus.subscribe(AlarmRuleChanged, self._heard_rule),
            bus.subscribe(DeviceChanged, self._heard_device),
            bus.subscribe(DeviceTypeChanged, self._heard_type),
            bus.subscribe(DevicesAdded, self._heard_added),
            bus.subscribe(AttributesRemoved, self._heard_removed),
            bus.subscribe(PresenceChanged, self._heard_presence),
        ]

    def close(self) -> None:
        """Hears nothing more."""
        for subscription in self._subscriptions:
            subscription.cancel()

    async def take_effect(self) -> None:
        """Brings everything that was announced into effect."""
        await handle_each(self._rules, lambda rule_id, project_id: self._refresh_rule(project_id, rule_id))
        await handle_each(self._devices, lambda device_id, _: self._refresh_device(device_id))
        await handle_each(self._added, lambda device_id, _: self._begin(device_id))
        await handle_each(self._removed, lambda device_id, _: self._read_again(device_id))
        await handle_each(self._types, lambda type_id, project_id: self._refresh_type(project_id, type_id))
        await handle_each(self._presence, self._note_presence)

    def _heard_rule(self, news: AlarmRuleChanged) -> None:
        self._rules[news.rule_id] = news.project_id
        self._evaluations.trouble.set()

    def _heard_device(self, news: DeviceChanged) -> None:
        self._devices[news.device_id] = news.device_id
        self._evaluations.trouble.set()

    def _heard_type(self, news: DeviceTypeChanged) -> None:
        self._types[news.type_id] = news.project_id
        self._evaluations.trouble.set()

    def _heard_added(self, news: DevicesAdded) -> None:
        if news.project_id in self._rule_index.timed_rules:  # others begin with the first value
            self._added.update((device_id, device_id) for device_id in news.device_ids)
            self._evaluations.trouble.set()

    def _heard_removed(self, news: AttributesRemoved) -> None:
        """Values are forgotten at once, so that no report is judged beside them; what follows is decided in a turn."""
        device_alarms = self._evaluations.find(news.device_id)
        if device_alarms is not None and device_alarms.armed:
            device_alarms.evaluator.forget(news.identifiers)
            self._removed[news.device_id] = news.device_id
            self._evaluations.trouble.set()

    def _heard_presence(self, news: PresenceChanged) -> None:
        if self._rule_index.absences:
            self._presence[news.device_id] = news
            self._evaluations.trouble.set()

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
        """Takes a rule into the library; whether it must be evaluated from the beginning. One that cannot be evaluated
        on this machine is shown as failing."""
        try:
            return self._rule_index.put(rule)
        except ValueError as exc:
            log.error(
                "an alarm rule cannot be evaluated on this server",
                rule=rule.id,
                project=rule.project_id,
                error=str(exc),
            )
            self.impossible[rule.id] = f"cannot be evaluated on this server: {exc}"
            self._evaluations.trouble.set()
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

    async def _begin(self, device_id: str) -> None:
        """Has a new device in memory once, so that its silence and absence count from its creation."""
        device = await self._store.devices.find(device_id)
        if device is not None:
            await self._evaluations.device_alarms(device, keep=False)

    async def _read_again(self, device_id: str) -> None:
        device_alarms = self._evaluations.find(device_id)
        if device_alarms is not None and device_alarms.armed:
            await self._evaluations.read(device_alarms)

    async def _refresh_type(self, project_id: str, type_id: str) -> None:
        """A type that was removed took its rules along; it had no devices any more. One that defines something else may
        make rules impossible, or possible again."""
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
                record.impossible, record.unsaid = impossible, True
                if impossible:
                    log.warning(
                        "an alarm rule can no longer be evaluated", rule=rule.id, project=project_id, reason=impossible
                    )

    async def _retarget(self, device: Device, reset: tuple[str, ...], reason: str) -> None:
        """Gives a device in memory the rules that concern it now; ``reset``: rules to begin anew with."""
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

    async def _note_presence(self, device_id: str, news: PresenceChanged) -> None:
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
    """Handles what is pending, taken out one by one. What the store could not do is pending again, unless newer news
    came; a fault of ours is logged, so that it keeps nobody else waiting, and where ``again`` says so it is pending
    again, and raised when the others have had their turn."""
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
