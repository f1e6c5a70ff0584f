"""What goes down to devices."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from thingstead.client.call import Call, Nothing, members
from thingstead.client.http import segment

DataKind = Literal["json", "hex", "text", "plaintext"]
PushMode = Literal["mqtt", "tcp"]


class RefusedAttribute(msgspec.Struct, frozen=True, kw_only=True):
    """A value that was left out."""

    attribute: str
    message: str


class SetAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a push: every value was kept but these."""

    refused: list[RefusedAttribute] = []


class SentCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Which command was sent, and how far it came."""

    id: str  # on the platform
    command_id: int  # the number that the device sees
    state: str
    command: str = ""  # the same as ``id``


class CommandReply(msgspec.Struct, frozen=True, kw_only=True):
    """What the device replied."""

    method: str
    params: Any
    id: int


class CalledCommand(SentCommand, frozen=True, kw_only=True):
    """A command that was replied to."""

    reply: CommandReply


class CommandDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A command, and how far it came."""

    id: str
    device_id: str
    method: str
    params: Any
    command_id: int
    state: str
    reason: str
    reply: Any = None
    create_time: int  # ms
    expire_time: int  # ms
    update_time: int  # ms


def push_attributes(device_id: str, attributes: Mapping[str, Any]) -> Call[SetAttributes]:
    """Stores the values, and sends them to the device if it is connected. What breaks the definition of its type is
    left out; InvalidInput where that is everything."""
    return Call("POST", f"/control/device/{segment(device_id)}/attributes", SetAttributes, attributes)


def update_cloud_attributes(device_id: str, attributes: Mapping[str, Any]) -> Call[SetAttributes]:
    """Changes the values in the cloud only; else as :func:`push_attributes`."""
    return Call("PUT", f"/control/device/{segment(device_id)}/attributes", SetAttributes, attributes)


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


def call_command(
    device_id: str,
    method: str,
    params: Mapping[str, Any] | None = None,
    *,
    id: int | None = None,
    timeout_s: float | None = None,
) -> Call[CalledCommand]:
    """Sends a command and waits for the device's reply."""
    body = members(method=method, params=params, id=id, timeout=timeout_s)
    return Call("POST", f"/control/device/{segment(device_id)}/command/sync", CalledCommand, body)


def get_command(command: str) -> Call[CommandDetail]:
    """A command by the ``id`` that :func:`send_command` answered."""
    return Call("GET", f"/command/{segment(command)}", CommandDetail)


def send_data(
    device_id: str, identifier: str, message: Any, *, kind: DataKind = "json", push_mode: PushMode | None = None
) -> Call[Nothing]:
    """Sends custom data down."""
    path = f"/control/device/{segment(device_id)}/data/{segment(identifier)}"
    return Call("POST", path, Nothing, {"type": kind, "msg": message}, {"push_mode": push_mode})
