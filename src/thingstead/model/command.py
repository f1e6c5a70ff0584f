"""A command to a device, as a row with forward-only states."""

from typing import Any, Literal, NamedTuple

import msgspec

CommandState = Literal["queued", "sent", "delivered", "replied", "expired", "failed"]

# Allowed state transitions. A reply implies delivery, and a sent command may be answered before its PUBACK.
TRANSITIONS: dict[CommandState, frozenset[CommandState]] = {
    "queued": frozenset({"sent", "expired", "failed"}),
    "sent": frozenset({"delivered", "replied", "expired", "failed"}),
    "delivered": frozenset({"replied", "expired", "failed"}),
    "replied": frozenset(),
    "expired": frozenset(),
    "failed": frozenset(),
}


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A stored command. ``command_id`` is the ``id`` on the wire, ``id`` is internal.

    It is open until it is replied to, failed or expired, or until its ``expire_time``. At that time a command that was
    delivered, or sent at QoS 0, and whose type defines no reply, keeps its state; any other becomes ``expired``.
    """

    id: str
    project_id: str
    device_id: str
    method: str
    params: Any = {}
    command_id: int  # in topic and body
    state: CommandState = "queued"
    reason: str = ""  # why it failed or expired
    reply: Any = None  # the reply's body
    create_time: int  # ms
    expire_time: int  # ms
    update_time: int  # ms, of the last change of state
    size_bytes: int = 0  # of params, as JSON
    reply_defined: bool = False  # whether the device's type defines a reply
    sent_qos: int | None = None  # the QoS of the last PUBLISH; None: not sent


class OpenCommand(NamedTuple):
    """A command that has not ended, without its params: what delivery needs."""

    id: str
    state: CommandState
    size_bytes: int
    expire_time: int  # ms
    sent_qos: int | None
