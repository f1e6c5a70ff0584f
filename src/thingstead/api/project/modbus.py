"""Modbus: registers of a device type as attributes, polls, and the outcome of frames."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import ExpectedVersion
from thingstead.errors import Conflict, InvalidInput, NotFound
from thingstead.model.device_type import DeviceType
from thingstead.model.modbus.tables import ModbusTables, StreamTable
from thingstead.model.roles import ADMIN, OPERATOR, VIEWER
from thingstead.wire.rules.modbus import DeviceModbus, ModbusInfo, ModbusTest

TAG = "Modbus"
COMMON: Mapping[str, Any] = {"tag": TAG, "extension": True}

METER: Mapping[str, Any] = {
    "identifier": "stream",
    "framing": "rtu",
    "groups": [
        {
            "name": "Meter",
            "unit_id": 1,
            "function": 3,
            "address": 0,
            "count": 4,
            "interval_ms": 10_000,
            "registers": [
                {"attribute": "temperature", "address": 0, "type": "int16", "scale": 0.1},
                {"attribute": "energy", "address": 2, "type": "uint32", "order": "CDAB", "scale": 0.01},
            ],
        }
    ],
}


class ModbusBody(msgspec.Struct, frozen=True, kw_only=True):
    """All tables of the device type; an empty list removes them."""

    streams: tuple[StreamTable, ...]
    version: ExpectedVersion | None = None


class ModbusTestBody(msgspec.Struct, frozen=True, kw_only=True):
    """The table to test, new or of a device type, and bytes."""

    hex: Annotated[str, Meta(description="The payload as hexadecimal digits; spaces are allowed.")]
    table: StreamTable | None = None
    type: Annotated[str, Meta(description="In place of `table`: the id of a device type with a table.")] | None = None
    identifier: Annotated[str, Meta(description="With `type`: the stream; the first one if it is left out.")] | None = (
        None
    )
    request: Annotated[str, Meta(description="The request that it answers, as hexadecimal digits.")] | None = None


def _shown(device_type: DeviceType) -> ModbusInfo:
    return ModbusInfo(streams=list(device_type.modbus.streams), version=device_type.version)


async def modbus(call: ApiCall) -> ModbusInfo:
    """The tables of the device type, one for each stream."""
    return _shown(await call.platform.device_types.get(call.caller.project_id, call.path["type_id"]))


async def put_modbus(call: ApiCall) -> ModbusInfo:
    """Replaces all tables. What arrives on a stream with a table is read with it: the registers in an answer become a
    report of the device. A group is what one request reads; if it has an `interval_ms`, the server sends the request to
    connected devices. An attribute that is `writable` is written when it is pushed. The value is the raw one times
    `scale` plus `offset`."""
    body: ModbusBody = call.body
    project_id, type_id = call.caller.project_id, call.path["type_id"]
    tables = ModbusTables(streams=body.streams)
    return _shown(await call.platform.device_types.put_modbus(project_id, type_id, tables, body.version))


async def try_modbus(call: ApiCall) -> ModbusTest:
    """Reads bytes with a table: each frame, what it belongs to and its values, or why not. Nothing is stored or
    sent."""
    body: ModbusTestBody = call.body
    if (body.table is None) is (body.type is None):
        raise InvalidInput.field("table", "table_or_type")
    tested = body.table if body.table is not None else body.type or ""
    return await call.platform.modbus.test(call.caller.project_id, tested, body.identifier, body.hex, body.request)


async def device_modbus(call: ApiCall) -> DeviceModbus:
    """The streams of the device with a table, what came of the requests of each group, and the last 50 frames from and
    to the device with their outcome, since the server started."""
    return await call.platform.modbus.device(call.caller.project_id, call.path["device_id"])


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/device_type/{type_id}/modbus",
        summary="Read the Modbus registers of a device type",
        handler=modbus,
        role=VIEWER,
        info=ModbusInfo,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/device_type/{type_id}/modbus",
        summary="Replace the Modbus registers of a device type",
        handler=put_modbus,
        role=ADMIN,
        body=ModbusBody,
        info=ModbusInfo,
        refusals=(NotFound, Conflict),
        example={"streams": [METER]},
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/device/{device_id}/modbus",
        summary="Read the outcome of the Modbus frames of a device",
        handler=device_modbus,
        role=VIEWER,
        info=DeviceModbus,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/modbus_test",
        summary="Test Modbus registers on bytes",
        handler=try_modbus,
        role=OPERATOR,
        body=ModbusTestBody,
        info=ModbusTest,
        refusals=(NotFound,),
        example={"table": METER, "hex": "01 03 08 00 d7 00 00 e2 40 00 01 c4 b6"},
        **COMMON,
    ),
)
