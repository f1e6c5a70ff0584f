"""A device type and its function definition: attributes, events, commands, streams (wire reference §9)."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.model.modbus.tables import ModbusTables
from thingstead.model.project import Tags
from thingstead.model.values.coordinates import CoordinateSystem

AttrType = Literal["report", "push", "both", "cloud"]
DataType = Literal[
    "number",
    "text",
    "switch",
    "enum",
    "object",
    "list",
    "map_point",
    "map_circle",
    "map_polygon",
    "daily_timer",
]
ConnType = Literal["1", "2", "3"]  # 1 direct, 2 sub-device, 3 gateway
ConnProtocol = Literal["1", "2", "9"]  # 1 standard, 2 Modbus RTU, 9 other


class CoordinateConversion(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """From which system of coordinates to which a point is converted."""

    from_: CoordinateSystem
    to: CoordinateSystem


class PointSource(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes that a point is made of."""

    lat: str
    lng: str


class AttributeProcessing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is done to reported values of an attribute before they are checked: value * ``scale`` + ``offset`` of a
    number, a conversion of a point, or a ``formula`` or ``point`` that computes it from other attributes."""

    scale: int | float = 1
    offset: int | float = 0
    precision: int | None = None  # decimals to which the result is rounded
    coordinates: CoordinateConversion | None = None
    point: PointSource | None = None
    formula: str | None = None


class AttributeDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of a type. ``data_options`` by data type: number ``{unit, precision, min, max}``,
    switch ``{on, off}``, enum ``{items: [{value, name}]}``."""

    identifier: str
    name: str = ""
    attr_type: AttrType = "report"
    data_type: DataType = "number"
    data_options: dict[str, Any] = {}
    processing: AttributeProcessing | UnsetType | None = UNSET


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A typed parameter of an event or a command."""

    identifier: str
    name: str = ""
    data_type: DataType = "number"
    data_options: dict[str, Any] = {}


class EventDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a type; ``identifier`` is the ``method`` on the wire."""

    identifier: str
    name: str = ""
    params: tuple[Parameter, ...] = ()


class CommandDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A command of a type; ``identifier`` is the ``method`` on the wire."""

    identifier: str
    name: str = ""
    params: tuple[Parameter, ...] = ()
    reply_params: tuple[Parameter, ...] = ()


class StreamDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A custom data stream; at most one per type is bound to TCP."""

    identifier: str
    name: str = ""
    format: Literal["modbus_rtu", "modbus_tcp", "hex", "json", "text"] = "hex"
    tcp: bool = False


class Functions(msgspec.Struct, frozen=True, kw_only=True):
    """The function definition (功能定义) of a type. All parts are optional."""

    attributes: tuple[AttributeDefinition, ...] = ()
    events: tuple[EventDefinition, ...] = ()
    commands: tuple[CommandDefinition, ...] = ()
    streams: tuple[StreamDefinition, ...] = ()


class DeviceType(msgspec.Struct, frozen=True, kw_only=True):
    """A device type: the definition that its devices share."""

    id: str
    project_id: str
    name: str
    descr: str = ""
    tags: Tags = {}
    type_key: str  # used by devices that auto-create themselves, if auto_create is on
    conn_type: ConnType = "1"
    conn_protocol: ConnProtocol = "1"
    auto_create: bool = False
    functions: Functions = Functions()
    modbus: ModbusTables = ModbusTables()
    create_time: int  # ms
    device_count: int = 0  # filled when read
    version: int = 1  # incremented by each change
