"""Calls cloud functions about a device, and reads what they return."""

from typing import Any, NamedTuple

import msgspec

from thingstead.errors import InvalidInput, NotFound
from thingstead.model.device import Device
from thingstead.services.functions.pool import FunctionPool, reads_current
from thingstead.services.functions.results import FunctionResult
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.shared.payloads import encode_message
from thingstead.storage.base import Store

MESSAGE_KINDS = ("hex", "text", "plaintext", "json")


class CustomMessage(NamedTuple):
    """A message of bytes, for a device."""

    identifier: str  # of the stream; empty: it takes the place of ``attributes/push``
    payload: bytes
    values: dict[str, Any] | None  # what it is as JSON, if it is an object


class DeviceFunctions:
    """The functions, with what they may ask about the device."""

    def __init__(self, store: Store, pool: FunctionPool) -> None:
        self._store = store
        self.pool = pool

    async def call(
        self,
        link: DeviceContext,
        key: str,
        source: str,
        argument: Any,
        *,
        on: str,
        identifier: str = "",
        timeout_ms: int | None = None,
    ) -> FunctionResult:
        """Calls a function; see :meth:`FunctionPool.call`."""
        device = link.device
        current = None
        if reads_current(source):
            values = await self._store.history.current(device.number)
            current = {name: value.value for name, value in values.items()}
        return await self.pool.call(
            key,
            source,
            argument,
            on=on,
            project=device.project_id,
            zone=await self._zone(device.project_id),
            device=device_info_of(device),
            current=current,
            identifier=identifier,
            timeout_ms=timeout_ms,
        )

    async def _zone(self, project_id: str) -> str:
        try:
            return (await self._store.projects.get(project_id)).timezone
        except NotFound:
            return "+00:00"


def device_info_of(device: Device) -> dict[str, Any]:
    """What a function gets from ``Cloud.getDeviceInfo()``."""
    return {
        "id": device.id,
        "name": device.name,
        "type": device.type_id or "",
        "tags": dict(device.tags),
        "device_key": device.device_key or "",
        "device_code": device.device_code,
        "sub_device_addr": device.sub_address or "",
        "sub_device_addr_hex": address_hex(device.sub_address or ""),
    }


def address_hex(address: str) -> str:
    """A numeric address of a sub-device in hexadecimal digits, at least two; other addresses unchanged."""
    return f"{int(address):02x}" if address.isascii() and address.isdecimal() and len(address) < 16 else address


def custom_message(value: Any, identifier: str) -> CustomMessage | None:
    """The message ``{"type": "hex" | "text" | "json", "msg": …}`` that a function returned; None: it returned something
    else.

    Raises:
        InvalidInput: ``msg`` is not what ``type`` says.
    """
    if not isinstance(value, dict) or value.keys() != {"type", "msg"} or value["type"] not in MESSAGE_KINDS:
        return None
    message = value["msg"]
    try:
        payload = encode_message(value["type"], message)
    except (OverflowError, UnicodeEncodeError, msgspec.MsgspecError):
        raise InvalidInput.field("msg", "not_unicode") from None
    shown = message if value["type"] == "json" and isinstance(message, dict) else None
    return CustomMessage(identifier, payload, shown)
