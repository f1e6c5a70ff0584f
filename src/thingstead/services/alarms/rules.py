"""Operations on alarm rules: validation, storage, and what a change does to open alarms."""

from collections.abc import Sequence
from typing import Any

import msgspec

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import Conflict
from thingstead.model import ids, limits
from thingstead.model.alarms.notification import Channel, KeptChannel
from thingstead.model.alarms.rule import (
    RULES_COUNT,
    AlarmRule,
    AlarmRuleFilter,
    RuleCounts,
    RuleStatistics,
    RuleWarning,
)
from thingstead.model.alarms.rule_checks import check_body
from thingstead.model.alarms.rule_form import RuleForm, RulePatch, form_of, patched
from thingstead.model.device import Page
from thingstead.model.limits import Problems
from thingstead.model.messages import AlarmRuleChanged
from thingstead.refusals import Unusable, reason
from thingstead.rules.schedule import zone_named
from thingstead.services.alarms.evaluations import AlarmEvaluations
from thingstead.services.alarms.invalidation import RULE_CHANGED
from thingstead.services.alarms.rule_advice import never_reported
from thingstead.services.notifications.channels import check_channels, hide_secrets, keep_channels
from thingstead.services.registry.rule_source import source_definitions
from thingstead.storage.base import Store

RULE_REMOVED = reason("cleared_rule_removed").message
RULE_DISABLED = reason("cleared_rule_disabled").message
DISABLED_HERE = reason("cleared_disabled_here").message
DAY_MS = 24 * 3600 * 1000


class AlarmRuleService:
    """Operations on alarm rules. A change is committed when its coroutine returns, and takes effect shortly after."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, evaluations: AlarmEvaluations) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._evaluations = evaluations

    async def create(self, project_id: str, form: RuleForm) -> AlarmRule:
        """Creates a rule. It is evaluated on the current values of all its devices in the background.

        Raises:
            InvalidInput: names every part that is invalid or refers to an unknown object.
            Conflict: the project has reached its limit of rules.
        """
        await self.check(project_id, form)
        if await self._store.alarm_rules.count(project_id) >= RULES_COUNT:
            raise Conflict("too_many_alarm_rules", maximum=RULES_COUNT)
        await self._check_room(project_id, form)
        now = self._clock.now_ms()
        rule = self.rule_of(project_id, ids.new_id(), form, now)
        await self._store.alarm_rules.create(rule)
        self._tell(rule)
        return rule

    async def get(self, project_id: str, rule_id: str) -> AlarmRule:
        """Raises NotFound for an unknown rule."""
        return await self._store.alarm_rules.get(project_id, rule_id)

    async def list_page(self, project_id: str, rule_filter: AlarmRuleFilter, page: Page) -> tuple[list[AlarmRule], int]:
        """One page of rules, oldest first, and the number of matches."""
        return await self._store.alarm_rules.list_page(project_id, rule_filter, page)

    async def update(self, project_id: str, rule_id: str, patch: RulePatch) -> AlarmRule:
        """Changes the given members. If evaluation depends on any of them, open alarms of the rule are cleared and
        every device is evaluated again; a new name or other channels do not affect alarms.

        Raises:
            NotFound, InvalidInput: as :meth:`create`.
        """
        before = await self.get(project_id, rule_id)
        form = patched(form_of(before, channels_of(before, hidden=True)), patch)
        await self.check(project_id, form)
        now = self._clock.now_ms()
        rule = self.rule_of(project_id, rule_id, form, now, before)
        same = (rule.body, rule.type_id, set(rule.device_ids)) == (before.body, before.type_id, set(before.device_ids))
        if not same:
            await self._check_room(project_id, form, rule_id)
        close_reason = RULE_CHANGED if not same else RULE_DISABLED if before.enabled and not rule.enabled else None
        if same and rule.enabled:
            rule = msgspec.structs.replace(rule, failing=before.failing)
        closed = await self._store.alarm_rules.replace(rule, now, close_reason, patch.version or None)
        self._tell(rule)
        self._evaluations.publish_cleared(closed)
        return await self.get(project_id, rule_id)

    async def delete(self, project_id: str, rule_id: str) -> None:
        """Removes a rule. Its open alarms are cleared, and remain in the lists."""
        rule = await self.get(project_id, rule_id)
        closed = await self._store.alarm_rules.delete(project_id, rule_id, self._clock.now_ms(), RULE_REMOVED)
        self._tell(rule)
        self._evaluations.publish_cleared(closed)

    async def enable_for_device(self, project_id: str, rule_id: str, device_id: str, *, enabled: bool) -> None:
        """Disables a rule for one device of its source, which clears its alarm there, or enables it again."""
        limits.require_id(device_id, "no_such_device")
        rule = await self.get(project_id, rule_id)
        close_reason = None if enabled else DISABLED_HERE
        now = self._clock.now_ms()
        closed = await self._store.alarm_rules.set_exception(project_id, rule_id, device_id, now, close_reason)
        self._tell(rule)
        self._evaluations.publish_cleared(closed)

    async def warnings(self, rule: AlarmRule) -> list[RuleWarning]:
        """Warnings for the user who saved a rule."""
        return await never_reported(self._store, rule)

    async def statistics(self, project_id: str, rule_id: str) -> RuleStatistics:
        """Statistics of the alarms of a rule."""
        await self.get(project_id, rule_id)
        return await self._store.alarm_rules.statistics(project_id, rule_id, self._clock.now_ms() - DAY_MS)

    async def counts(self, rule_ids: Sequence[str]) -> dict[str, RuleCounts]:
        """By rule id: the number of open alarms, and of those raised in the last day."""
        return await self._store.alarm_rules.counts(rule_ids, self._clock.now_ms() - DAY_MS)

    async def check(self, project_id: str, form: RuleForm) -> None:
        """Raises InvalidInput with every part of a rule that is invalid or refers to an unknown object."""
        problems = Problems()
        problems.name(form.name)
        problems.descr(form.descr)
        check_channels(form.notify, problems, "notify", groups=True)
        definitions = await source_definitions(self._store, project_id, form.type, form.devices, problems)
        if form.levels and form.raise_:
            problems.add("levels", "levels_with_raise")
        elif form.levels and form.clear:
            problems.add("clear", "clear_with_levels")
        elif not form.levels and not form.raise_:
            problems.add("raise", "required")
        elif len(msgspec.json.encode(form.body())) > limits.RULE_BYTES:
            problems.add("raise" if form.flat else "levels", "json_too_large", maximum=limits.RULE_BYTES)
        else:
            check_body(form.body(), definitions, problems, flat=form.flat)
        if form.schedule:
            try:
                zone_named(form.schedule.timezone)
            except Unusable as exc:
                problems.add("schedule.timezone", exc.reason)
        problems.refuse()

    async def _check_room(self, project_id: str, form: RuleForm, rule_id: str | None = None) -> None:
        """Raises Conflict if the rules of a source would exceed their byte limit, which bounds the cost of a report."""
        others = await self._store.alarm_rules.source_bytes(project_id, form.type or None, form.devices, rule_id)
        if others and others + len(msgspec.json.encode(form.body())) > limits.RULES_OF_SOURCE_BYTES:
            code = "rules_of_type_too_large" if form.type else "rules_of_device_too_large"
            raise Conflict(code, maximum=limits.RULES_OF_SOURCE_BYTES)

    def rule_of(
        self, project_id: str, rule_id: str, form: RuleForm, now: int, before: AlarmRule | None = None
    ) -> AlarmRule:
        """The rule that a checked form describes.

        Raises:
            InvalidInput: a channel contains ``***`` for a secret that is not stored.
        """
        problems = Problems()
        channels = keep_channels(form.notify, before.channels if before is not None else (), problems, "notify")
        problems.refuse()
        return AlarmRule(
            id=rule_id,
            project_id=project_id,
            name=form.name,
            descr=form.descr,
            type_id=form.type or None,
            device_ids=tuple(dict.fromkeys(form.devices)),
            enabled=form.enabled,
            disabled_devices=before.disabled_devices if before is not None else (),
            body=form.body(),
            channels=channels,
            group_ids=tuple(dict.fromkeys(channel.group for channel in form.notify if channel.group is not None)),
            create_time=before.create_time if before is not None else now,
            update_time=now,
        )

    def _tell(self, rule: AlarmRule) -> None:
        self._bus.publish(AlarmRuleChanged(rule.project_id, rule.id))


def channels_of(rule: AlarmRule, *, hidden: bool) -> tuple[Channel, ...]:
    """The channels of a rule, in the form of the API; ``hidden``: without secrets."""
    own: tuple[KeptChannel, ...] = rule.channels
    shown = tuple(hide_secrets(each.channel) if hidden else each.channel for each in own)
    return (*shown, *(Channel(group=group_id) for group_id in rule.group_ids))


def plain_rule(rule: AlarmRule) -> dict[str, Any]:
    """A rule as JSON values, without secrets."""
    form: dict[str, Any] = msgspec.to_builtins(form_of(rule, channels_of(rule, hidden=True)))
    return form
