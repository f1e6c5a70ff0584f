"""Does one piece of work of message rules.

All its effects, the deletion of its row, and what is to be done later are put into the open commit in one turn of the
event loop, so that they are one transaction: work is done once, also when the process is killed at any moment.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import structlog

from thingstead.clock import Clock
from thingstead.errors import ThingsteadError, Unavailable
from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.rule import DATA_WAIT_MS, Outcome
from thingstead.model.message_rules.state import RuleEffectRecord, kept_logs
from thingstead.model.message_rules.work import EffectCount, Work, WorkItem
from thingstead.refusals import Reason
from thingstead.services.message_rules.effect_kinds import Effect, FailedAction
from thingstead.services.message_rules.effects import Effects
from thingstead.services.triggers.trace import RuleMatch, TriggerRule
from thingstead.services.triggers.triggers import PendingWork, Triggers, shortened
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.message_rules")

DATA_RETRY_MS = 2_000  # until custom data is tried again for a device without a connection

Ended = Callable[[Work, Sequence[Work], Exception | None], None]


class _PutOff(NamedTuple):
    """An action that waits for its time."""

    due_at: int  # ms
    place: int  # of the action in its rule


class _ActionStep(NamedTuple):
    """An action of an item, checked."""

    item: WorkItem
    action: Action
    found: Effect | FailedAction | _PutOff
    evaluation: RuleMatch | None


class WorkDoer:
    """Does work.

    Args:
        ended: called after the commit of the effects with the work, what is to be done later, and the error if the
            commit failed: then nothing of it happened.
    """

    def __init__(self, store: Store, clock: Clock, triggers: Triggers, effects: Effects, ended: Ended) -> None:
        self._store = store
        self._clock = clock
        self._triggers = triggers
        self._effects = effects
        self._ended = ended
        self.done = 0  # items
        self.broken = 0  # actions that ended with an error of the server

    async def do(self, work: Work, pending: PendingWork | None, *, last: bool = False) -> None:
        """Does one piece of work, as far as the commit of its effects.

        Args:
            last: it failed before, and is not tried again: an action that raises an error has no effect.

        Raises:
            Unavailable: the store cannot take it now.
        """
        evaluations: Sequence[RuleMatch | None] = (
            pending.evaluations if pending is not None else [self._evaluation_of(item) for item in work.items]
        )
        devices: dict[str, list[int]] = {}
        for place, item in enumerate(work.items):
            devices.setdefault(item.device_id, []).append(place)
        steps: list[_ActionStep] = []
        plans = [
            self._plan([(work.items[place], evaluations[place]) for place in places], last)
            for places in devices.values()
        ]
        # Only devices are independent of each other: the actions of one are done in their order.
        for plan in [await plans[0]] if len(plans) == 1 else await asyncio.gather(*plans, return_exceptions=True):
            if isinstance(plan, BaseException):
                raise plan
            steps.extend(plan)
        for step in steps:
            if not isinstance(step.found, FailedAction | _PutOff):
                step.found.check_room()
        self._commit(work, steps, evaluations)

    async def _plan(self, items: Sequence[tuple[WorkItem, RuleMatch | None]], last: bool) -> list[_ActionStep]:
        steps: list[_ActionStep] = []
        for item, evaluation in items:
            for index, action in self._actions_of(item, evaluation):
                if action.delay_ms and item.action is None:
                    steps.append(_ActionStep(item, action, _PutOff(item.ts + action.delay_ms, index), evaluation))
                    continue
                for done, found in await self._prepared(item, action, index, last):
                    steps.append(_ActionStep(item, done, found, evaluation))
        return steps

    async def _prepared(
        self, item: WorkItem, action: Action, index: int, last: bool
    ) -> Sequence[tuple[Action, Effect | FailedAction]]:
        try:
            return await self._effects.prepare_all(item, action, index)
        except Unavailable:
            raise
        except ThingsteadError as exc:
            return [(action, FailedAction("refused", exc.reason))]
        except Exception:
            if not last:
                raise
            log.exception("an action of a message rule failed", rule=item.rule_id, device=item.device_id)
            self.broken += 1
            return [(action, FailedAction("error", detail="the server failed; its log has the error"))]

    def _actions_of(self, item: WorkItem, evaluation: RuleMatch | None) -> Sequence[tuple[int, Action]]:
        rule = self._triggers.index.rules.get(item.rule_id)
        if rule is None:
            if evaluation is not None:
                evaluation.outcome = "off"
            return ()
        return list(enumerate(rule.rule.body.actions)) if item.action is None else [(item.index, item.action)]

    def _put_off(self, step: _ActionStep, until: _PutOff, expires_at: int = 0) -> Work | None:
        """An action that waits for its time; None: there is no room for it."""
        item, action, _, evaluation = step
        message = item.message if action.reads_message else b""
        waiting = WorkItem(
            item.project_id, item.device_id, item.rule_id, item.ts, item.cause, action, expires_at, message, until.place
        )
        if not self._triggers.room.take(item.project_id, waiting.size_bytes):
            _note(evaluation, item, action, "full")
            return None
        if not expires_at:
            _note(evaluation, item, action, "delayed", due_at=until.due_at)
        return Work(self._triggers.next_id(), until.due_at, [waiting], item.project_id)

    def _commit(self, work: Work, steps: Sequence[_ActionStep], evaluations: Sequence[RuleMatch | None]) -> None:
        """Puts everything into the open commit, in this turn of the event loop."""
        now = self._clock.now_ms()
        counts: dict[str, int] = {}
        appended: list[tuple[_ActionStep, Effect]] = []
        waiting: list[Work | None] = []
        for step in steps:  # before anything is in the commit: what raises here is tried again as a whole
            item, action, found, evaluation = step
            if isinstance(found, _PutOff):
                waiting.append(self._put_off(step, found))
            elif isinstance(found, FailedAction):
                expires_at = item.expires_at or now + DATA_WAIT_MS
                if found.outcome == "target_offline" and now < expires_at <= now + DATA_WAIT_MS:
                    waiting.append(self._put_off(step, _PutOff(now + DATA_RETRY_MS, item.index), expires_at))
                else:
                    _note(evaluation, item, action, found.outcome, why=found.why, failed=found)
        for step in steps:
            if not isinstance(step.found, FailedAction | _PutOff) and self._append(step, step.found):
                appended.append((step, step.found))
                counts[step.item.rule_id] = counts.get(step.item.rule_id, 0) + 1
        later = [each for each in waiting if each is not None]
        effects = [EffectCount(rule_id, count, now) for rule_id, count in counts.items()]
        commit = self._store.message_rules.finish_work(work.id, later, effects)
        commit.on_done(partial(self._committed, work, appended, later, evaluations))

    def _append(self, step: _ActionStep, effect: Effect) -> bool:
        """Puts an effect into the open commit, if that does not refuse it."""
        item, action, _, evaluation = step
        try:
            effect.append()
        except ThingsteadError as exc:
            why = exc.errors[0].reason if exc.errors else exc.reason
            _note(evaluation, item, action, "refused", why=why)
            return False
        except Exception:
            log.exception("an effect of a message rule failed", rule=item.rule_id, device=item.device_id)
            self.broken += 1
            _note(evaluation, item, action, "error")
            return False
        return True

    def _committed(
        self,
        work: Work,
        appended: Sequence[tuple[_ActionStep, Effect]],
        later: Sequence[Work],
        evaluations: Sequence[RuleMatch | None],
        error: Exception | None,
    ) -> None:
        if error is not None:
            for each in later:
                for item in each.items:
                    self._triggers.room.give(item.project_id, item.size_bytes)
            self._ended(work, later, error)
            return
        for step, effect in appended:
            refused = effect.done()
            if refused is None:
                _note(step.evaluation, step.item, step.action, "acted", reference=effect.reference)
            else:
                _note(step.evaluation, step.item, step.action, "refused", why=refused.reason)
        self.done += len(work.items)
        for item, evaluation in zip(work.items, evaluations, strict=True):
            self._conclude(self._triggers.index.rules.get(item.rule_id), evaluation)
        self._ended(work, later, None)

    def _conclude(self, rule: TriggerRule | None, evaluation: RuleMatch | None) -> None:
        """Says what a rule came to, once all its actions were tried."""
        if evaluation is None or evaluation.outcome is not None or not evaluation.effects:
            return
        outcomes = [effect.outcome for effect in evaluation.effects]
        outcome: Outcome = "acted" if {"acted", "delayed"} & set(outcomes) else outcomes[0]  # type: ignore[assignment]
        evaluation.outcome = outcome
        if rule is not None:
            rule.outcomes[outcome] += 1

    def _evaluation_of(self, item: WorkItem) -> RuleMatch | None:
        """The evaluation that an item comes from, if it is still in memory."""
        rule = self._triggers.index.rules.get(item.rule_id)
        if rule is None:
            return None
        came = item.cause.rule_ids[:-1]
        for evaluation in reversed(rule.last):
            cause = evaluation.cause
            if (cause.message_id, cause.rule_ids, evaluation.device_id) == (
                item.cause.message_id, came, item.device_id,
            ):  # fmt: skip
                return evaluation
        cause = type(item.cause)(item.cause.message_id, came)
        made = RuleMatch(item.ts, item.device_id, cause, rule.rule.version, {}, None)
        rule.note(made)  # of an earlier run of the server
        return made


def _note(
    evaluation: RuleMatch | None,
    item: WorkItem,
    action: Action,
    outcome: str,
    *,
    why: Reason | None = None,
    failed: FailedAction | None = None,
    reference: str = "",
    due_at: int = 0,
) -> None:
    """Notes what an action came to."""
    if evaluation is None:
        return
    effect = RuleEffectRecord(
        action=action.kinds[0],
        device_id=action.device or item.device_id,
        outcome=outcome,
        id=reference,
        due_at=due_at,
    )
    if why is not None:
        effect.reason, effect.code, effect.args = (
            why.message,
            why.code,
            {name: shortened(arg) for name, arg in why.args.items()},
        )
    if failed is not None:
        effect.logs = kept_logs(failed.logs)
        if why is None:
            effect.reason = failed.detail
        evaluation.detail = evaluation.detail or effect.reason
    evaluation.effects.append(effect)
