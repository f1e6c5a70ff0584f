"""Does what message rules have decided.

Work is done in the order of its messages. All its effects, the deletion of its row, and what is to be done later are
put into the open commit in one turn of the event loop, so that they are one transaction: work is done once, also when
the process is killed at any moment. Work that the store cannot take now is tried again.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import structlog

from thingstead.clock import Clock
from thingstead.errors import ThingsteadError, Unavailable
from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.rule import DATA_WAIT_MS, DELAYED_COUNT, Outcome
from thingstead.model.message_rules.work import EffectCount, Work, WorkItem
from thingstead.refusals import Reason
from thingstead.services.message_rules.effects import Effect, Effects, FailedAction
from thingstead.services.triggers.trace import RuleMatch, TriggerRule
from thingstead.services.triggers.triggers import PendingWork, Triggers
from thingstead.storage.base import Store
from thingstead.timers import DueQueue

log = structlog.get_logger("thingstead.message_rules")

RULES_PER_READ = 500
WORK_PER_READ = 1_000
WORK_IN_MEMORY = 1_000  # waiting; what is beyond that is read when its turn comes
RETRY_S = 1.0  # after the store could not take work
BROKEN_RETRY_MS = 60_000  # after a failure that is not the store's
DATA_RETRY_MS = 2_000  # until custom data is tried again for a device without a connection
LONGEST_SLEEP_S = 1.0


class _ActionStep(NamedTuple):
    """An action of an item, checked."""

    item: WorkItem
    action: Action
    found: Effect | FailedAction
    evaluation: RuleMatch | None


class RuleRunner:
    """Loads the rules, and does their work. Not active until :meth:`start`.

    Attributes:
        done: items of work that were done since the start.
    """

    def __init__(self, store: Store, clock: Clock, triggers: Triggers, effects: Effects) -> None:
        self._store = store
        self._clock = clock
        self.triggers = triggers
        self._effects = effects
        self._waiting: deque[tuple[int, PendingWork | None]] = deque()
        self._due: DueQueue[int, int] = DueQueue()  # ids of work by ms
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._under_way = 0  # transactions
        self.done = 0
        triggers.on_work = self._take

    async def start(self, *, run: bool = True) -> None:
        """Loads the rules and unfinished work. ``run``: also starts the task that calls :meth:`sweep`."""
        after = ""
        while rules := await self._store.message_rules.list_enabled(after, RULES_PER_READ):
            for rule in rules:
                self.triggers.put(rule)
            after = rules[-1].id
        last = 0
        while found := await self._store.message_rules.list_work(last, WORK_PER_READ):
            for work_id, due_at in found:
                if due_at:
                    self._due.put(work_id, due_at)
                else:
                    self._waiting.append((work_id, None))
            last = found[-1][0]
        self.triggers.ids_used(last)
        if run:
            self._task = asyncio.create_task(self._run(), name="message-rules")

    async def close(self) -> None:
        """Stops the task. Unfinished work is on disk."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def sweep(self) -> None:
        """Does what is due."""
        now = self._clock.now_ms()
        while (work_id := self._due.take(now)) is not None:
            self._waiting.append((work_id, None))
        while self._waiting:
            work_id, pending = self._waiting[0]
            try:
                await self._do(work_id, pending)
            except Unavailable:
                raise
            except Exception:
                log.exception("work of message rules failed; it is tried again later", work=work_id)
                self._due.put(work_id, self._clock.now_ms() + BROKEN_RETRY_MS)
            self._waiting.popleft()

    def _take(self, pending: PendingWork) -> None:
        kept = pending if len(self._waiting) < WORK_IN_MEMORY else None
        self._waiting.append((pending.work.id, kept))
        self._wake.set()

    async def _run(self) -> None:
        while True:
            idle_s = RETRY_S
            try:
                await self.sweep()
                due = self._due.next_due()
                idle_s = LONGEST_SLEEP_S
                if due is not None:
                    idle_s = min(LONGEST_SLEEP_S, max(0.0, (due - self._clock.now_ms()) / 1000))
            except ThingsteadError as exc:
                log.warning("message rules could not act; retrying", error=exc.message)
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("message rules failed to act; retrying")
                await asyncio.sleep(RETRY_S)
            if not self._waiting:
                with suppress(TimeoutError):
                    async with asyncio.timeout(idle_s):
                        await self._wake.wait()
            self._wake.clear()

    async def _do(self, work_id: int, pending: PendingWork | None) -> None:
        """Does one piece of work, as far as the commit of its effects."""
        work = pending.work if pending is not None else await self._store.message_rules.read_work(work_id)
        if work is None:
            return
        evaluations: Sequence[RuleMatch | None] = (
            pending.evaluations if pending is not None else [self._evaluation_of(item) for item in work.items]
        )
        steps: list[_ActionStep] = []
        later: list[Work] = []
        for item, evaluation in zip(work.items, evaluations, strict=True):
            for action in self._actions_of(item, evaluation):
                if action.delay_ms and item.action is None:
                    self._put_off(later, item, action, item.ts + action.delay_ms, evaluation)
                else:
                    steps.append(_ActionStep(item, action, await self._effects.prepare(item, action), evaluation))
        for step in steps:
            if not isinstance(step.found, FailedAction):
                step.found.check_room()
        self._commit(work, steps, later, evaluations)

    def _actions_of(self, item: WorkItem, evaluation: RuleMatch | None) -> Sequence[Action]:
        rule = self.triggers.index.rules.get(item.rule_id)
        if rule is None:
            if evaluation is not None:
                evaluation.outcome = "off"
            return ()
        return rule.rule.body.actions if item.action is None else (item.action,)

    def _put_off(
        self, later: list[Work], item: WorkItem, action: Action, due_at: int, evaluation: RuleMatch | None,
        expires_at: int = 0,
    ) -> None:  # fmt: skip
        """Lets an action wait for its time."""
        if len(self._due) + len(later) >= DELAYED_COUNT:
            _note(evaluation, item, action, "full")
            return
        waiting = WorkItem(item.project_id, item.device_id, item.rule_id, item.ts, item.cause, action, expires_at)
        later.append(Work(self.triggers.next_id(), due_at, [waiting]))
        if not expires_at:
            _note(evaluation, item, action, "delayed", due_at=due_at)

    def _commit(
        self, work: Work, steps: Sequence[_ActionStep], later: list[Work], evaluations: Sequence[RuleMatch | None]
    ) -> None:
        """Puts everything into the open commit, in this turn of the event loop."""
        now = self._clock.now_ms()
        counts: dict[str, int] = {}
        appended: list[_ActionStep] = []
        for step in steps:
            item, action, found, evaluation = step
            if isinstance(found, FailedAction):
                expires_at = item.expires_at or now + DATA_WAIT_MS
                if found.outcome == "target_offline" and now < expires_at:
                    self._put_off(later, item, action, now + DATA_RETRY_MS, evaluation, expires_at)
                else:
                    _note(evaluation, item, action, found.outcome, why=found.why)
                continue
            try:
                found.append()
            except ThingsteadError as exc:
                _note(evaluation, item, action, "refused", why=exc.reason)
                continue
            appended.append(step)
            counts[item.rule_id] = counts.get(item.rule_id, 0) + 1
        effects = [EffectCount(rule_id, count, now) for rule_id, count in counts.items()]
        commit = self._store.message_rules.finish_work(work.id, later, effects)
        self._under_way += 1
        commit.on_done(partial(self._committed, work, appended, later, evaluations))

    def _committed(
        self,
        work: Work,
        appended: Sequence[_ActionStep],
        later: Sequence[Work],
        evaluations: Sequence[RuleMatch | None],
        error: Exception | None,
    ) -> None:
        self._under_way -= 1
        if error is not None:  # nothing of it happened
            self._due.put(work.id, self._clock.now_ms() + round(RETRY_S * 1000))
            self._wake.set()
            return
        for waiting in later:
            self._due.put(waiting.id, waiting.due_at)
        for step in appended:
            assert not isinstance(step.found, FailedAction), "it was appended"
            refused = step.found.done()
            if refused is None:
                _note(step.evaluation, step.item, step.action, "acted", reference=step.found.reference)
            else:
                _note(step.evaluation, step.item, step.action, "refused", why=refused.reason)
        self.done += len(work.items)
        if not work.due_at:
            self.triggers.waiting = max(0, self.triggers.waiting - len(work.items))
        for item, evaluation in zip(work.items, evaluations, strict=True):
            self._conclude(self.triggers.index.rules.get(item.rule_id), evaluation)
        if later:
            self._wake.set()

    def _conclude(self, rule: TriggerRule | None, evaluation: RuleMatch | None) -> None:
        """Says what a rule came to, once all its actions were tried."""
        if evaluation is None or evaluation.outcome is not None or not evaluation.effects:
            return
        outcomes = [effect["outcome"] for effect in evaluation.effects]
        outcome: Outcome = "acted" if {"acted", "delayed"} & set(outcomes) else outcomes[0]
        evaluation.outcome = outcome
        if rule is not None:
            rule.outcomes[outcome] += 1

    def _evaluation_of(self, item: WorkItem) -> RuleMatch | None:
        """The evaluation that an item comes from, if it is still in memory."""
        rule = self.triggers.index.rules.get(item.rule_id)
        if rule is None:
            return None
        for evaluation in reversed(rule.last):
            if evaluation.message_id == item.cause.message_id and evaluation.device_id == item.device_id:
                return evaluation
        made = RuleMatch(item.ts, item.device_id, item.cause.message_id, rule.rule.version, {}, None)
        rule.note(made)  # of an earlier run of the server
        return made


def _note(
    evaluation: RuleMatch | None,
    item: WorkItem,
    action: Action,
    outcome: str,
    *,
    why: Reason | None = None,
    reference: str = "",
    due_at: int = 0,
) -> None:
    """Notes what an action came to."""
    if evaluation is None:
        return
    effect: dict[str, Any] = {
        "action": action.kinds[0], "device_id": action.device or item.device_id, "outcome": outcome,
    }  # fmt: skip
    if why is not None:
        effect |= {"reason": why.message, "code": why.code, "args": dict(why.args)}
    if reference:
        effect["id"] = reference
    if due_at:
        effect["due_at"] = due_at
    evaluation.effects.append(effect)
