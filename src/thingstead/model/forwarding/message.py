"""Messages as they are forwarded, and their JSON bodies."""

from typing import Any, Literal, NamedTuple, get_args

import msgspec

MessageKind = Literal["attributes", "set_attributes", "event", "data", "alarm", "presence", "command_reply"]
KINDS: tuple[MessageKind, ...] = get_args(MessageKind)
# The member of the body that has the content.
MEMBERS: dict[MessageKind, str] = {**{kind: str(kind) for kind in KINDS}, "set_attributes": "attributes"}

_json = msgspec.json.Encoder().encode


class ForwardDevice(msgspec.Struct, frozen=True, array_like=True):
    """The device of a message, as it was when the message was committed."""

    id: str
    name: str
    device_key: str = ""
    type_id: str = ""


class ForwardMessage(NamedTuple):
    """A message to forward.

    ``id`` stays the same when it is sent again. ``ts`` is in ms: of reported attributes the device's time, if it gave
    one. ``content`` by kind: attribute values; an event ``{method, params, id}``; custom data ``{identifier, type,
    msg}``; an alarm; presence ``{online, reason}``; a command reply as the device sent it.
    """

    id: str
    kind: MessageKind
    device: ForwardDevice
    ts: int
    content: dict[str, Any]


def body_of(message: ForwardMessage) -> dict[str, Any]:
    """The body of one message; ``ts`` is in seconds, as that cloud has it."""
    device = message.device
    return {
        "device": {"id": device.id, "name": device.name, "device_key": device.device_key},
        MEMBERS[message.kind]: message.content,
        "ts": message.ts // 1000,
    }


def listed_body_of(message: ForwardMessage) -> dict[str, Any]:
    """The body of a message in a list, where no header has its id; also with its instant in ms, and its kind."""
    return body_of(message) | {"ts_ms": message.ts, "id": message.id, "kind": message.kind}


def encoded(message: ForwardMessage) -> bytes:
    """The body of one message as JSON."""
    return _json(body_of(message))
