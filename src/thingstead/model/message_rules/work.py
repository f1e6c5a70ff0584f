"""What rules have decided and what is still to be done: rows that are written with the message, and deleted with the
effects."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from thingstead.model.message_rules.action import Action


class Cause(msgspec.Struct, frozen=True, array_like=True):
    """The message that an effect comes from."""

    message_id: str
    rule_ids: tuple[str, ...] = ()  # of the rules on the way to it, the first one first

    @property
    def depth(self) -> int:
        """How many effects caused each other."""
        return len(self.rule_ids)


class WorkItem(msgspec.Struct, frozen=True, array_like=True):
    """A rule that acts on a message."""

    project_id: str
    device_id: str  # of the message
    rule_id: str
    ts: int  # ms, when the message arrived
    cause: Cause
    action: Action | None = None  # one that waited for its time; None: all actions of the rule
    expires_at: int = 0  # ms: until then an action is tried again; 0: this is its first attempt


class Work(NamedTuple):
    """Items that are done, and deleted, in one transaction."""

    id: int  # greater than those before
    due_at: int  # ms; 0: at once
    items: Sequence[WorkItem]


class EffectCount(NamedTuple):
    """Number of effects of a rule in one transaction."""

    rule_id: str
    done: int
    at: int  # ms
