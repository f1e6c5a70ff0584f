"""Modbus registers of device types, and the outcome of frames."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.client.call import Call, members
from thingstead.client.http import segment
from thingstead.wire.rules.modbus import DeviceModbus, ModbusInfo, ModbusTest


def read(type_id: str) -> Call[ModbusInfo]:
    """The tables of a device type."""
    return Call("GET", f"/device_type/{segment(type_id)}/modbus", ModbusInfo)


def put(type_id: str, streams: Sequence[Mapping[str, Any]], *, version: int | None = None) -> Call[ModbusInfo]:
    """Replaces all tables; ``streams`` is the list of ``PUT /device_type/<id>/modbus``."""
    body = members(streams=list(streams), version=version)
    return Call("PUT", f"/device_type/{segment(type_id)}/modbus", ModbusInfo, body)


def of_device(device_id: str) -> Call[DeviceModbus]:
    """The frames of a device, with their outcome, since the server started."""
    return Call("GET", f"/device/{segment(device_id)}/modbus", DeviceModbus)


def try_table(
    hex: str,
    *,
    table: Mapping[str, Any] | None = None,
    type: str | None = None,
    identifier: str | None = None,
    request: str | None = None,
) -> Call[ModbusTest]:
    """What bytes come to with a table, new (``table``) or of a device type (``type``)."""
    body = members(hex=hex, table=table, type=type, identifier=identifier, request=request)
    return Call("POST", "/modbus_test", ModbusTest, body)
