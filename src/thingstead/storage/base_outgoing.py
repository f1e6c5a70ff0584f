"""The contract of a store, of messages of rules to addresses outside.

What ``base.py`` says of every part of a store holds here too.
"""

from collections.abc import Sequence
from typing import Protocol

from thingstead.model.message_rules.outgoing import OutgoingLane, OutgoingMessage
from thingstead.storage.commit import Commit


class OutgoingStore(Protocol):
    """Messages that wait for their delivery. Those of a rule are removed with it."""

    def append(self, message: OutgoingMessage) -> Commit:
        """Adds a message to the open commit, without waiting: together with what was appended in the same turn of the
        event loop it is one transaction. Nothing is added if the rule is gone by then."""
        ...

    async def list_lanes(self) -> list[OutgoingLane]:
        """What waits, by rule and action."""
        ...

    async def list_waiting(self, rule_id: str, action: int, limit: int, limit_bytes: int) -> list[OutgoingMessage]:
        """The oldest messages of an action, in order; at least one if one waits."""
        ...

    async def remove(self, numbers: Sequence[int]) -> None:
        """Removes messages; those that are gone already are left out."""
        ...

    async def last_number(self) -> int:
        """The greatest number that waits; 0: none does."""
        ...
