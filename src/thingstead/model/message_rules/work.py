"""What rules have decided and what is still to be done: rows that are written with the message, and deleted with the
effects."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.rule import On

ITEM_BYTES = 256  # of an item without its message, about


class Cause(msgspec.Struct, frozen=True, array_like=True):
    """The message that an effect comes from."""

    message_id: str
    rule_ids: tuple[str, ...] = ()  # of the rules on the way to it, the first one first

    @property
    def depth(self) -> int:
        """How many effects caused each other."""
        return len(self.rule_ids)


class RuleMessage(msgspec.Struct, frozen=True, array_like=True):
    """What an action may read of the message."""

    on: On  # the kind of the rule
    values: dict[str, Any]  # attributes, or parameters of the event
    identifier: str = ""  # method of the event, or name of the stream
    data: bytes = b""  # of custom data


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(RuleMessage).decode


class WorkItem(msgspec.Struct, frozen=True, array_like=True):
    """A rule that acts on a message."""

    project_id: str
    device_id: str  # of the message
    rule_id: str
    ts: int  # ms, when the message arrived
    cause: Cause
    action: Action | None = None  # one that waited for its time; None: all actions of the rule
    expires_at: int = 0  # ms: until then an action is tried again; 0: this is its first attempt
    message: bytes = b""  # msgpack; empty if no action of the rule reads it
    index: int = 0  # of the action in its rule

    def read(self) -> RuleMessage | None:
        """The message; None if no action of the rule reads it."""
        return _decode(self.message) if self.message else None

    @property
    def size_bytes(self) -> int:
        """Memory that it takes, about."""
        return ITEM_BYTES + len(self.message) + (0 if self.action is None else len(_encode(self.action)))


def encoded(message: RuleMessage) -> bytes:
    """A message as an item keeps it."""
    return _encode(message)


class Work(NamedTuple):
    """Items that are done, and deleted, in one transaction."""

    id: int  # greater than those before
    due_at: int  # ms; 0: at once
    items: Sequence[WorkItem]
    project_id: str = ""  # of all of them


class WaitingWork(NamedTuple):
    """Work that is not finished, without its items."""

    id: int
    due_at: int  # ms; 0: at once
    project_id: str
    item_count: int
    size_bytes: int


class EffectCount(NamedTuple):
    """Number of effects of a rule in one transaction."""

    rule_id: str
    done: int
    at: int  # ms
