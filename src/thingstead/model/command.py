"""A command to a device, as a row with forward-only states."""

from typing import Any, Literal

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
    """A command as issued. ``command_id`` is the ``id`` on the wire, ``id`` our own."""

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
