"""A command to a device, as a row with forward-only states."""

from typing import Any, Literal, NamedTuple

import msgspec

CommandState = Literal["queued", "sent", "delivered", "replied", "expired", "failed"]

# What may follow what. A reply implies delivery, and a sent command may be answered before its PUBACK.
TRANSITIONS: dict[CommandState, frozenset[CommandState]] = {
    "queued": frozenset({"sent", "expired", "failed"}),
    "sent": frozenset({"delivered", "replied", "expired", "failed"}),
    "delivered": frozenset({"replied", "expired", "failed"}),
    "replied": frozenset(),
    "expired": frozenset(),
    "failed": frozenset(),
}


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command as issued. ``command_id`` is the ``id`` on the wire, ``id`` our own.

    It is open until it was replied to, failed or expired, or its ``expire_time`` is over. Then one that was delivered,
    or sent at QoS 0, and whose type defines no reply, ends as what it is; every other one as ``expired``.
    """

    id: str
    project_id: str
    device_id: str
    method: str
    params: Any = {}
    command_id: int  # in the topic and the body
    state: CommandState = "queued"
    reason: str = ""  # why it failed or expired
    reply: Any = None  # the reply's body
    create_time: int  # ms
    expire_time: int  # ms
    update_time: int  # ms, of the newest state
    size_bytes: int = 0  # of params, as JSON
    reply_defined: bool = False  # by the device's type
    sent_qos: int | None = None  # at which it was sent


class OpenCommand(NamedTuple):
    """What delivery must know of a command that has not ended, without what it carries."""

    id: str
    state: CommandState
    size_bytes: int
    expire_time: int  # ms
    sent_qos: int | None
