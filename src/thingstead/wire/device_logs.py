"""Events, connections, refused messages and custom data of a device."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class EventItem(msgspec.Struct, frozen=True, kw_only=True):
    """An event that the device reported."""

    id: str
    method: str
    params: dict[str, Any]
    ts: int  # ms


class ConnectionItem(msgspec.Struct, frozen=True, kw_only=True):
    """A session began, was taken over, or ended."""

    ts: int  # ms
    online: bool
    reason: str
    code: str = ""  # of the reason, in docs/refusals.md; empty: it has none
    args: dict[str, Any] = {}  # values in its text
    session_id: str
    replaced: str | UnsetType = UNSET  # the session that was taken over
    protocol: str  # empty if the session ended
    client_id: str
    remote_address: str


class RefusedField(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a message that was refused."""

    field: str
    message: str
    code: str = ""  # stable; docs/refusals.md has its text; empty in entries of earlier releases
    args: dict[str, Any] = {}  # arguments of its text


class RejectedItem(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was refused, as a whole or in part."""

    ts: int  # ms
    topic: str
    reason: str
    code: str = ""  # of the reason; empty in entries of earlier releases
    args: dict[str, Any] = {}
    errors: list[RefusedField]
    payload: str  # truncated; as text, or `hex:` and its bytes
    suppressed: int  # refusals since the previous entry that got no entry


class DataItem(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a custom data stream."""

    ts: int  # ms
    identifier: str
    direction: str  # up, down
    size_bytes: int
    payload: str  # truncated; as text, or `hex:` and its bytes
