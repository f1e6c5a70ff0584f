"""Operations on message rules: validation, storage, their results, and test runs."""

import msgspec

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import Conflict
from thingstead.model import ids, limits
from thingstead.model.device import Page
from thingstead.model.limits import Problems
from thingstead.model.message_rules.outside_checks import keep_secrets
from thingstead.model.message_rules.rule import (
    EVALUATIONS_KEPT,
    RULES_COUNT,
    RULES_OF_SOURCE_COUNT,
    MessageRule,
    MessageRuleFilter,
)
from thingstead.model.message_rules.rule_checks import check_form
from thingstead.model.message_rules.rule_form import MessageRuleForm, MessageRulePatch, form_of, patched
from thingstead.model.message_rules.state import EvaluationRecord
from thingstead.model.messages import ThingChanged
from thingstead.services.functions.pool import FunctionPool
from thingstead.services.message_rules.outcomes import RuleOutcomes
from thingstead.services.message_rules.outside.outbox import Outbox
from thingstead.services.message_rules.runner import RuleRunner
from thingstead.services.outbound.request_checks import is_url
from thingstead.services.registry.rule_source import find_device, source_definitions
from thingstead.storage.base import Store
from thingstead.wire.rules.message_rules import (
    MessageRuleStatistics,
    MessageRuleTrace,
    RuleEffect,
    RuleEvaluation,
    SwitchedOff,
)


class MessageRuleService:
    """Operations on message rules. A change is committed, and in effect, when its coroutine returns."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        runner: RuleRunner,
        outcomes: RuleOutcomes,
        functions: FunctionPool,
        outbox: Outbox,
    ) -> None:
        self._bus = bus
        self._outcomes = outcomes
        self._functions = functions
        self._store = store
        self._clock = clock
        self.runner = runner
        self.outbox = outbox
        self._triggers = runner.triggers
        self._triggers.on_off = self._told_off

    async def start(self) -> None:
        """Loads the rules, and has their work done."""
        await self.runner.start()
        self._outcomes.start()
        if not self._triggers.off:
            await self.outbox.start()

    async def close(self) -> None:
        """Stops the work, and stores what the rules came to."""
        await self.runner.close()
        await self.outbox.close()
        await self._outcomes.close()

    def functions_off(self, rule_id: str) -> list[SwitchedOff]:
        """The functions of a rule that were switched off because they failed."""
        rule = self._triggers.index.rules.get(rule_id)
        found = [] if rule is None else sorted(rule.functions_off.items())
        return [SwitchedOff(action=index, reason=off.reason, ts=off.at) for index, off in found]

    def _told_off(self, rule: MessageRule) -> None:
        """Tells subscribers of the project that a function was switched off."""
        news = ThingChanged(rule.project_id, "message_rule", rule.id, rule.version, "function_off", "")
        self._bus.publish(news)

    async def create(self, project_id: str, form: MessageRuleForm) -> MessageRule:
        """Creates a rule.

        Raises:
            InvalidInput: names every part that is invalid or refers to an unknown object.
            Conflict: the project, or the source, has reached its limit of rules.
        """
        problems = Problems()
        keep_secrets(form.actions, (), problems)
        problems.refuse()
        await self.check(project_id, form)
        if await self._store.message_rules.count(project_id) >= RULES_COUNT:
            raise Conflict("too_many_message_rules", maximum=RULES_COUNT)
        await self._check_source(project_id, form)
        rule = self.rule_of(project_id, ids.new_id(), form)
        await self._store.message_rules.create(rule)
        self._triggers.put(rule)
        return rule

    async def get(self, project_id: str, rule_id: str) -> MessageRule:
        """Raises NotFound for an unknown rule."""
        return await self._store.message_rules.get(project_id, rule_id)

    async def list_page(
        self, project_id: str, rule_filter: MessageRuleFilter, page: Page
    ) -> tuple[list[MessageRule], int]:
        """One page of rules, oldest first, and the number of matches."""
        return await self._store.message_rules.list_page(project_id, rule_filter, page)

    async def update(self, project_id: str, rule_id: str, patch: MessageRulePatch) -> MessageRule:
        """Changes the given members. Actions that already wait for their time are done as they were.

        Raises:
            NotFound, InvalidInput, Conflict: as :meth:`create`; or another version.
        """
        before = await self.get(project_id, rule_id)
        form = patched(form_of(before), patch)
        problems = Problems()
        form = msgspec.structs.replace(form, actions=keep_secrets(form.actions, before.body.actions, problems))
        problems.refuse()
        await self.check(project_id, form)
        if (form.type or None, set(form.devices)) != (before.type_id, set(before.device_ids)):
            await self._check_source(project_id, form, rule_id)
        await self._store.message_rules.replace(self.rule_of(project_id, rule_id, form, before), patch.version or None)
        return await self._loaded(project_id, rule_id, saved=True)

    async def delete(self, project_id: str, rule_id: str) -> None:
        """Removes a rule. Its actions that wait for their time are not done."""
        await self._store.message_rules.delete(project_id, rule_id)
        self._triggers.drop(rule_id)
        self.runner.drop_later(project_id, rule_id)
        self.outbox.retry(rule_id)  # its messages were removed with it: their lanes give the room back

    async def enable_for_device(self, project_id: str, rule_id: str, device_id: str, *, enabled: bool) -> None:
        """Disables a rule for one device of its source, or enables it again."""
        limits.require_id(device_id, "no_such_device")
        await self._store.message_rules.set_exception(project_id, rule_id, device_id, enabled=enabled)
        await self._loaded(project_id, rule_id)

    async def statistics(self, project_id: str, rule_id: str) -> MessageRuleStatistics:
        """What a rule came to."""
        totals = await self._store.message_rules.totals(project_id, rule_id)
        rule = self._triggers.index.rules.get(rule_id)
        state = rule.state() if rule is not None else await self._store.message_rules.state(project_id, rule_id)
        counted = {"condition": state.unmet, "no_attribute": state.absent, **state.outcomes}
        return MessageRuleStatistics(
            seen=state.matched + state.unmet + state.absent,
            matched=state.matched,
            outcomes={outcome: count for outcome, count in counted.items() if count},
            effects=totals.effects,
            last_effect_at=totals.last_effect_at,
        )

    async def trace(self, project_id: str, rule_id: str, device_id: str | None = None) -> MessageRuleTrace:
        """The last evaluations of a rule, or those of one device among them."""
        rule = await self.get(project_id, rule_id)
        known = self._triggers.index.rules.get(rule_id)
        found = [] if known is None else [each.record() for each in known.evaluations()]
        if len(found) < EVALUATIONS_KEPT:
            oldest = min((each.ts for each in found), default=self._clock.now_ms() + 1)
            stored = await self._store.message_rules.list_evaluations(project_id, rule_id, EVALUATIONS_KEPT)
            known_ids = {(each.message_id, each.ts) for each in found}
            found += [each for each in stored if (each.message_id, each.ts) not in known_ids and each.ts <= oldest]
        items = [_shown(each) for each in found[:EVALUATIONS_KEPT] if device_id is None or each.device_id == device_id]
        return MessageRuleTrace(enabled=rule.enabled, items=items)

    async def check(self, project_id: str, form: MessageRuleForm) -> None:
        """Raises InvalidInput with every part of a rule that is invalid or refers to an unknown object."""
        problems = Problems()
        definitions = await source_definitions(self._store, project_id, form.type, form.devices, problems)
        check_form(form, definitions, problems)
        for index, action in enumerate(form.actions):
            if action.device is not None and await find_device(self._store, project_id, action.device) is None:
                problems.add(f"actions[{index}].device", "not_in_project")
            if action.url is not None and not is_url(action.url):
                problems.add(f"actions[{index}].url", "bad_url")
            if action.function is not None and not problems.errors:
                checked = await self._functions.check(action.function, project=project_id)
                if checked.reason:
                    problems.add(f"actions[{index}].function", "function_unusable", detail=checked.detail[:500])
        problems.refuse()

    async def _loaded(self, project_id: str, rule_id: str, *, saved: bool = False) -> MessageRule:
        """The stored rule, put into effect.

        Args:
            saved: somebody has changed it, so that functions that were switched off are tried again.
        """
        rule = await self.get(project_id, rule_id)
        known = self._triggers.index.rules.get(rule_id)
        if known is None:
            state = await self._store.message_rules.state(project_id, rule_id)
        else:
            await self._outcomes.save_rules([rule_id])
        self._triggers.put(rule)
        now = self._triggers.index.rules.get(rule_id)
        if now is not None and known is None:
            now.restore(state)
        if now is not None and saved:
            now.functions_off = {}
            for index in range(len(rule.body.actions)):
                self._functions.reset(f"{rule.id}:{index}")
            await self._outcomes.save_rules([rule_id])
        self.outbox.retry(rule.id)
        return rule

    async def _check_source(self, project_id: str, form: MessageRuleForm, rule_id: str | None = None) -> None:
        """Raises Conflict if a source would have too many rules, whose number bounds the cost of a report."""
        others = await self._store.message_rules.count_of_source(project_id, form.type or None, form.devices, rule_id)
        if others >= RULES_OF_SOURCE_COUNT:
            raise Conflict("too_many_rules_of_source", maximum=RULES_OF_SOURCE_COUNT)

    def rule_of(
        self, project_id: str, rule_id: str, form: MessageRuleForm, before: MessageRule | None = None
    ) -> MessageRule:
        """The rule that a checked form describes."""
        now = self._clock.now_ms()
        return MessageRule(
            id=rule_id,
            project_id=project_id,
            name=form.name,
            descr=form.descr,
            on_message=form.on,
            type_id=form.type or None,
            device_ids=tuple(dict.fromkeys(form.devices)),
            enabled=form.enabled,
            disabled_devices=before.disabled_devices if before is not None else (),
            body=form.body(),
            create_time=before.create_time if before is not None else now,
            update_time=now,
        )


def _shown(record: EvaluationRecord) -> RuleEvaluation:
    """A stored evaluation as it is answered."""
    members = msgspec.structs.asdict(record)
    members["effects"] = [RuleEffect(**msgspec.structs.asdict(effect)) for effect in record.effects]
    return RuleEvaluation(**members)
