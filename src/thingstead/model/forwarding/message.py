"""Messages as they are forwarded, and their JSON bodies."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import msgspec

MessageKind = Literal["attributes", "set_attributes", "event", "data", "alarm", "presence", "command_reply"]
KINDS: tuple[MessageKind, ...] = get_args(MessageKind)
# The member of the body that has the content.
MEMBERS: dict[MessageKind, str] = {**{kind: str(kind) for kind in KINDS}, "set_attributes": "attributes"}

_json = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class ForwardDevice(msgspec.Struct, frozen=True, array_like=True):
    """The device of a message, as it was when the message was committed."""

    id: str
    name: str
    device_key: str = ""
    type_id: str = ""


class ForwardMessage(msgspec.Struct, frozen=True, gc=False):
    """A message to forward.

    ``id`` stays the same when it is sent again. ``ts`` is in ms: of reported attributes the device's time, if it gave
    one. ``raw`` is the content as JSON, by kind: attribute values; an event ``{method, params, id}``; custom data
    ``{identifier, type, msg}``; an alarm; presence ``{online, reason}``; a command reply as the device sent it.
    """

    id: str  # letters, digits and dashes
    kind: MessageKind
    device: ForwardDevice
    ts: int
    raw: bytes

    @property
    def content(self) -> dict[str, Any]:
        """The content, decoded."""
        return _decode(self.raw)


def message_of(
    message_id: str, kind: MessageKind, device: ForwardDevice, ts: int, content: dict[str, Any]
) -> ForwardMessage:
    """A message with a content."""
    return ForwardMessage(message_id, kind, device, ts, _json(content))


def body_of(message: ForwardMessage) -> dict[str, Any]:
    """The body of one message; ``ts`` is in seconds, as that cloud has it."""
    device = message.device
    return {
        "device": {"id": device.id, "name": device.name, "device_key": device.device_key},
        MEMBERS[message.kind]: msgspec.Raw(message.raw),
        "ts": message.ts // 1000,
    }


def encoded(message: ForwardMessage) -> bytes:
    """The body of one message as JSON."""
    return _json(body_of(message))


def listed(messages: Sequence[ForwardMessage]) -> bytes:
    """The body of several messages as JSON: a list of the bodies of each, also with its instant in ms, and with its id
    and kind, which no header has. Made of parts: most devices come again and again."""
    devices: dict[int, bytes] = {}
    entries = []
    for message in messages:
        device, ts = message.device, message.ts
        known = devices.get(id(device))
        if known is None:
            known = devices[id(device)] = _json({"id": device.id, "name": device.name, "device_key": device.device_key})
        member, kind, message_id = _NAMES[message.kind], _KINDS[message.kind], message.id.encode()
        entries.append(_ENTRY % (known, member, message.raw, ts // 1000, ts, message_id, kind))
    return b"[%s]" % b",".join(entries)


def listed_one(message: ForwardMessage) -> bytes:
    """The body of one message as it stands in a list."""
    return listed((message,))[1:-1]


_ENTRY = b'{"device":%s,"%s":%s,"ts":%d,"ts_ms":%d,"id":"%s","kind":"%s"}'
_KINDS = {kind: kind.encode() for kind in KINDS}
_NAMES = {kind: member.encode() for kind, member in MEMBERS.items()}
