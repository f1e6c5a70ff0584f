"""Messages of rules to addresses outside: rows that are written with the effects of a rule, and deleted when they were
delivered."""

from typing import NamedTuple

import msgspec

OUTGOING_COUNT = 20_000  # messages that wait, of all projects; a project has half of it at most
OUTGOING_BYTES = 134_217_728  # of them
OUTGOING_LIFETIME_MS = 24 * 3600 * 1000  # after which a message is given up
ROW_BYTES = 512  # of a row beside its body, about


class OutgoingMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that waits for its delivery."""

    number: int  # ascending
    id: str  # for the receiver; stays the same when it is sent again
    project_id: str
    rule_id: str
    action: int  # index in the rule
    device_id: str
    kind: str  # of the message, such as ``event``
    names: dict[str, str]  # for the topic
    create_time: int  # ms
    body: bytes  # JSON

    @property
    def size_bytes(self) -> int:
        """What it takes of the room."""
        return ROW_BYTES + len(self.body)


class OutgoingLane(NamedTuple):
    """What waits of one action of a rule."""

    project_id: str
    rule_id: str
    action: int
    messages: int
    size_bytes: int
