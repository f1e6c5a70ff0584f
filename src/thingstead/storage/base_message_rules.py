"""The contract of a store, message rules: the rules, and what they have to do.

What ``base.py`` says of every part of a store holds here too.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from thingstead.model.device import Page
from thingstead.model.message_rules.rule import MessageRule, MessageRuleFilter, RuleTotals
from thingstead.model.message_rules.state import EvaluationRecord, MessageRuleState, StoredEvaluation
from thingstead.model.message_rules.work import EffectCount, WaitingWork, Work
from thingstead.storage.commit import Commit


class MessageRuleStore(Protocol):
    """Message rules with their devices and exceptions, and the work that they have to do."""

    async def create(self, rule: MessageRule) -> None:
        """Adds a rule. Raises InvalidInput if its type or one of its devices is not in its project."""
        ...

    async def get(self, project_id: str, rule_id: str) -> MessageRule:
        """Raises NotFound."""
        ...

    async def list_page(
        self, project_id: str, rule_filter: MessageRuleFilter, page: Page
    ) -> tuple[list[MessageRule], int]:
        """One page of rules, oldest first, and the number of matches."""
        ...

    async def list_enabled(self, after: str, limit: int) -> list[MessageRule]:
        """Enabled rules of all projects whose id is greater than ``after``, by id."""
        ...

    async def count(self, project_id: str) -> int: ...

    async def count_of_source(
        self, project_id: str, type_id: str | None, device_ids: Sequence[str], but: str | None
    ) -> int:
        """Number of rules of a type, or the greatest number that name one of these devices; without the rule
        ``but``."""
        ...

    async def replace(self, rule: MessageRule, version: int | None = None) -> None:
        """Changes a rule, but not its exceptions. Raises NotFound, InvalidInput as :meth:`create`, and Conflict if
        ``version`` is given and not the present one."""
        ...

    async def set_exception(self, project_id: str, rule_id: str, device_id: str, *, enabled: bool) -> None:
        """Disables a rule for a device, or enables it again. Raises NotFound if it is not in the source of the rule."""
        ...

    async def delete(self, project_id: str, rule_id: str) -> None:
        """Raises NotFound."""
        ...

    async def totals(self, project_id: str, rule_id: str) -> RuleTotals:
        """What a rule has done. Raises NotFound."""
        ...

    # Work

    def append_work(self, work: Work) -> Commit:
        """Adds work to the open commit, without waiting: together with reports appended in the same turn of the event
        loop it is one transaction. Items that are added to ``work.items`` before the commit begins are part of it."""
        ...

    def finish_work(self, work_id: int, later: Sequence[Work], effects: Sequence[EffectCount]) -> Commit:
        """Adds to the open commit: the deletion of work, what is left of it for later, and the count of its
        effects."""
        ...

    async def read_work(self, work_id: int) -> Work | None:
        """Work that is not finished; None: it is."""
        ...

    async def list_work(self, after: int, limit: int) -> list[WaitingWork]:
        """Unfinished work with a greater id than ``after``, by id."""
        ...

    # Results

    async def save_results(
        self, states: Mapping[str, MessageRuleState], evaluations: Sequence[StoredEvaluation], kept: int, since: int
    ) -> None:
        """Stores states by rule id, and evaluations, in one transaction. Rules that do not exist any more are left out.

        Args:
            kept: the number of evaluations of a rule; older ones are removed.
            since: evaluations before this instant (ms) are removed.
        """
        ...

    async def list_states(self, after: str, limit: int) -> list[tuple[str, MessageRuleState]]:
        """States of rules whose id is greater than ``after``, by id."""
        ...

    async def state(self, project_id: str, rule_id: str) -> MessageRuleState:
        """The stored state of a rule. Raises NotFound for an unknown rule."""
        ...

    async def list_evaluations(self, project_id: str, rule_id: str, limit: int) -> list[EvaluationRecord]:
        """The newest stored evaluations of a rule, newest first. Raises NotFound for an unknown rule."""
        ...
