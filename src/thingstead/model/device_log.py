"""Log entries of a device, for troubleshooting."""

from typing import Any, Literal

import msgspec

LogKind = Literal["connection", "rejected", "data"]


class DeviceLog(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a device's log. ``body`` by kind:

    * connection: ``{online, reason, session_id, replaced, protocol, client_id, remote_address}``
    * rejected: ``{topic, reason, code, args, errors: [{field, message, code, args}], payload, suppressed}`` (entries of
      earlier releases have no code and args); ``payload`` is truncated, ``suppressed`` counts the refusals since the
      previous entry that got no entry
    * data: ``{identifier, direction: up|down, size_bytes, payload}``; ``payload`` as text, or ``hex:…``
    """

    ts: int  # ms
    body: dict[str, Any]
