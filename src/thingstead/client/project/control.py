"""What goes down to devices."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from thingstead.client.call import Call, Nothing, members
from thingstead.client.http import segment

DataKind = Literal["json", "hex", "text", "plaintext"]
PushMode = Literal["mqtt", "tcp"]


class SentCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Which command was sent, and how far it came; only where it was allowed to wait."""

    command: str | None = None
    state: str | None = None


def push_attributes(device_id: str, attributes: Mapping[str, Any]) -> Call[Nothing]:
    """Stores the values, and sends them to the device if it is connected."""
    return Call("POST", f"/control/device/{segment(device_id)}/attributes", Nothing, attributes)


def update_cloud_attributes(device_id: str, attributes: Mapping[str, Any]) -> Call[Nothing]:
    """Changes the values in the cloud only."""
    return Call("PUT", f"/control/device/{segment(device_id)}/attributes", Nothing, attributes)


def send_command(
    device_id: str,
    method: str,
    params: Mapping[str, Any] | None = None,
    *,
    id: int | None = None,
    wait_ms: int | None = None,
) -> Call[SentCommand]:
    """Sends a command; ``wait_ms`` lets it wait for an offline device, which is refused otherwise."""
    body = members(method=method, params=params, id=id, wait_ms=wait_ms)
    return Call("POST", f"/control/device/{segment(device_id)}/command", SentCommand, body)


def send_data(
    device_id: str, identifier: str, message: Any, *, kind: DataKind = "json", push_mode: PushMode | None = None
) -> Call[Nothing]:
    """Sends custom data down."""
    path = f"/control/device/{segment(device_id)}/data/{segment(identifier)}"
    return Call("POST", path, Nothing, {"type": kind, "msg": message}, {"push_mode": push_mode})
