"""What goes down to devices."""

from collections.abc import Mapping
from typing import Any, Literal

from thingstead.client.call import Call, members
from thingstead.client.http import segment
from thingstead.wire.common import Empty
from thingstead.wire.control import CalledInfo, CommandDetail, CommandInfo, SetInfo

DataKind = Literal["json", "hex", "text", "plaintext"]
PushMode = Literal["mqtt", "tcp"]


def push_attributes(device_id: str, attributes: Mapping[str, Any]) -> Call[SetInfo]:
    """Stores the values, and sends them to the device if it is connected. What breaks the definition of its type is
    left out; InvalidInput where that is everything."""
    return Call("POST", f"/control/device/{segment(device_id)}/attributes", SetInfo, attributes)


def update_cloud_attributes(device_id: str, attributes: Mapping[str, Any]) -> Call[SetInfo]:
    """Changes the values in the cloud only; else as :func:`push_attributes`."""
    return Call("PUT", f"/control/device/{segment(device_id)}/attributes", SetInfo, attributes)


def send_command(
    device_id: str,
    method: str,
    params: Mapping[str, Any] | None = None,
    *,
    id: int | None = None,
    wait_ms: int | None = None,
) -> Call[CommandInfo]:
    """Sends a command; ``wait_ms`` lets it wait for an offline device, which is refused otherwise."""
    body = members(method=method, params=params, id=id, wait_ms=wait_ms)
    return Call("POST", f"/control/device/{segment(device_id)}/command", CommandInfo, body)


def call_command(
    device_id: str,
    method: str,
    params: Mapping[str, Any] | None = None,
    *,
    id: int | None = None,
    timeout_s: float | None = None,
) -> Call[CalledInfo]:
    """Sends a command and waits for the device's reply."""
    body = members(method=method, params=params, id=id, timeout=timeout_s)
    return Call("POST", f"/control/device/{segment(device_id)}/command/sync", CalledInfo, body)


def get_command(command: str) -> Call[CommandDetail]:
    """A command by the ``id`` that :func:`send_command` answered."""
    return Call("GET", f"/command/{segment(command)}", CommandDetail)


def send_data(
    device_id: str, identifier: str, message: Any, *, kind: DataKind = "json", push_mode: PushMode | None = None
) -> Call[Empty]:
    """Sends custom data down."""
    path = f"/control/device/{segment(device_id)}/data/{segment(identifier)}"
    return Call("POST", path, Empty, {"type": kind, "msg": message}, {"push_mode": push_mode})
