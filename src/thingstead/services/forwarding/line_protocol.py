"""Messages as points in InfluxDB's line protocol.

Numbers are always floats: a field that began as an integer would refuse floats for ever, and JSON does not tell them
apart. The parts of a line are escaped; what no escape can express (line breaks in names, a backslash at the end of a
tag) is replaced by ``_``.
"""

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from thingstead.model.forwarding.message import ForwardMessage
from thingstead.model.outbound.mqtt import filled, names_of

TIME = "time"  # no name of a field: it is that of the instant
KEY_BYTES = 60_000  # of a measurement, a tag or the name of a field; the format ends at 65,535 for all tags together

_UNFIT = re.compile(r"[\r\n\x00]|\\+\Z")
_IN_MEASUREMENT = re.compile(r"([, ])")
_IN_KEY = re.compile(r"([,= ])")
_IN_STRING = re.compile(r'(["\\])')

_json = msgspec.json.Encoder().encode


def points(
    messages: Sequence[ForwardMessage], project_id: str, measurement: str, tags: Sequence[str]
) -> list[bytes | None]:
    """A line for each message; None for a message without a value.

    Args:
        measurement: a template.
        tags: the names of tags, among those of a template.
    """
    return [_point(message, project_id, measurement, tags) for message in messages]


def _point(message: ForwardMessage, project_id: str, measurement: str, tags: Sequence[str]) -> bytes | None:
    content = message.content
    identifier = str(content.get("method" if message.kind == "event" else "identifier", ""))
    names = names_of(project_id, message.kind, identifier, message.device)
    labels = [(name, names[name]) for name in tags]
    values: Mapping[str, Any] = content
    if message.kind == "event":
        labels.append(("method", identifier))
        params = content.get("params")
        values = {**(params if isinstance(params, dict) else {"params": params}), "id": content.get("id")}
    elif message.kind == "data":
        labels.append(("identifier", identifier))
        values = {"type": content.get("type"), "msg": content.get("msg")}
    fields = ",".join(_fields(values))
    if not fields:
        return None
    head = _IN_MEASUREMENT.sub(r"\\\1", _plain(filled(measurement, names)) or "_")
    head += "".join(f",{_key(name)}={_key(value)}" for name, value in sorted(labels) if value)
    return f"{head} {fields} {_instant_ns(message)}".encode()


def _fields(values: Mapping[str, Any]) -> list[str]:
    found = []
    for name, value in values.items():
        text = _value(value)
        if text is not None and name:
            found.append(f"{_key('time_' if name == TIME else name)}={text}")
    return found


def _value(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(float(value))
    if value is None:
        return None
    text = value if isinstance(value, str) else _json(value).decode()
    return '"' + _IN_STRING.sub(r"\\\1", text.replace("\x00", "_")) + '"'


def _plain(text: str) -> str:
    return _UNFIT.sub("_", text.encode()[:KEY_BYTES].decode("utf-8", "ignore"))


def _key(text: str) -> str:
    """The name of a tag or a field, or the value of a tag."""
    return _IN_KEY.sub(r"\\\1", _plain(text))


def _instant_ns(message: ForwardMessage) -> int:
    """The instant of a message. Attributes of the same millisecond are one point, as in the history here; of other
    messages each is a point of its own, by nanoseconds that follow from its id and so stay the same."""
    instant = message.ts * 1_000_000
    if message.kind in ("attributes", "set_attributes"):
        return instant
    return instant + zlib.crc32(message.id.encode()) % 1_000_000
