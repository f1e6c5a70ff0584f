"""Stores what the rules came to: counters, switched-off functions, and the newest evaluations of each rule."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

import structlog

from thingstead.clock import Clock
from thingstead.model.message_rules.state import FunctionOff, MessageRuleState, StoredEvaluation
from thingstead.repeating import Repeating
from thingstead.services.functions.pool import FunctionPool
from thingstead.services.triggers.triggers import Triggers
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.message_rules")

INTERVAL_S = 5.0
STORED_COUNT: Final = 50  # evaluations of a rule
PROJECT_COUNT = 100  # of a project, each time
STORED_MS = 7 * 24 * 3600 * 1000  # how long they are kept
RULES_PER_WRITE = 1_000
_NOT_STORED = ("condition", "no_attribute", "loop")


class RuleOutcomes:
    """Stores them every few seconds, and at the end. What came to pass since then is lost if the process is killed."""

    def __init__(self, store: Store, clock: Clock, triggers: Triggers, functions: FunctionPool) -> None:
        self._store = store
        self._clock = clock
        self._triggers = triggers
        self._stored: Counter[str] = Counter()  # evaluations by project id, since the last time
        self._saving = Repeating("storing what message rules came to", self.save, INTERVAL_S)
        functions.on_off = self._function_off

    def start(self) -> None:
        """Starts storing."""
        self._saving.start()

    async def close(self) -> None:
        """Ends it, after storing once more."""
        await self._saving.close()
        await self.save()

    async def save(self) -> None:
        """Stores what has changed."""
        self._stored.clear()
        ids = list(self._triggers.index.rules)
        for begin in range(0, len(ids), RULES_PER_WRITE):
            await self.save_rules(ids[begin : begin + RULES_PER_WRITE])
            await asyncio.sleep(0)  # with very many rules, others have their turn

    async def save_rules(self, rule_ids: Sequence[str]) -> None:
        """:meth:`save` for some rules."""
        states: dict[str, MessageRuleState] = {}
        evaluations: list[StoredEvaluation] = []
        for rule_id in rule_ids:
            rule = self._triggers.index.rules.get(rule_id)
            if rule is None:
                continue
            if rule.mark() != rule.saved:
                states[rule_id] = rule.state()
            for each in [each for each in rule.unsaved if each.outcome is not None]:
                rule.unsaved.remove(each)
                if each.outcome not in _NOT_STORED and self._room(rule.rule.project_id):
                    evaluations.append(StoredEvaluation(rule_id, self._triggers.next_id(), each.record()))
        if states or evaluations:
            await self._write(states, evaluations)

    def _room(self, project_id: str) -> bool:
        """Whether one more evaluation of a project is stored this time."""
        self._stored[project_id] += 1
        return self._stored[project_id] <= PROJECT_COUNT

    async def _write(self, states: dict[str, MessageRuleState], evaluations: list[StoredEvaluation]) -> None:
        rules = self._triggers.index.rules
        marks = {rule_id: rules[rule_id].mark() for rule_id in states}
        since = self._clock.now_ms() - STORED_MS
        await self._store.message_rules.save_results(states, evaluations, STORED_COUNT, since)
        for rule_id, mark in marks.items():
            rule = self._triggers.index.rules.get(rule_id)
            if rule is not None:
                rule.saved = mark

    def _function_off(self, key: str, reason: str) -> None:
        """Notes that a function of a rule was switched off."""
        rule_id, _, index = key.partition(":")
        rule = self._triggers.index.rules.get(rule_id)
        if rule is None or not index.isdecimal():
            return
        rule.functions_off[int(index)] = FunctionOff(reason, self._clock.now_ms())
        log.warning("a function of a message rule is switched off", rule=rule_id, action=int(index), reason=reason)
        self._triggers.on_off(rule.rule)
        self._saving.want()
