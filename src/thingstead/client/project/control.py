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
    """Stores values, and sends them to the device if it is connected. Values that do not match the definition of its
    type are refused; raises InvalidInput if all are."""
    return Call("POST", f"/control/device/{segment(device_id)}/attributes", SetInfo, attributes)


def update_cloud_attributes(device_id: str, attributes: Mapping[str, Any]) -> Call[SetInfo]:
    """Changes values in the cloud only; refuses values as :func:`push_attributes` does."""
    return Call("PUT", f"/control/device/{segment(device_id)}/attributes", SetInfo, attributes)


def send_command(
    device_id: str,
    method: str,
    params: Mapping[str, Any] | None = None,
    *,
    id: int | None = None,
    wait_ms: int | None = None,
) -> Call[CommandInfo]:
    """Sends a command. A command to an offline device is refused, unless ``wait_ms`` allows it to wait."""
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
    """A command by the ``id`` in the answer of :func:`send_command`."""
    return Call("GET", f"/command/{segment(command)}", CommandDetail)


def send_data(
    device_id: str, identifier: str, message: Any, *, kind: DataKind = "json", push_mode: PushMode | None = None
) -> Call[Empty]:
    """Sends custom data to the device."""
    path = f"/control/device/{segment(device_id)}/data/{segment(identifier)}"
    return Call("POST", path, Empty, {"type": kind, "msg": message}, {"push_mode": push_mode})
