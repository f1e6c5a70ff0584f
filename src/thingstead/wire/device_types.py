"""Device types."""

from typing import Any

import msgspec

from thingstead.model.device_type import Functions
from thingstead.wire.common import Created


class DeviceTypeItem(msgspec.Struct, frozen=True, kw_only=True):
    """A device type in the list."""

    id: str
    name: str
    descr: str
    tags: dict[str, str]
    create_time: int  # ms
    device_count: int
    conn_protocol: str
    conn_type: str
    version: int = 0  # extension: incremented by each change, from 1; send it with a change to detect conflicts


class DeviceTypeDetail(DeviceTypeItem, frozen=True, kw_only=True):
    """A device type with its function definition."""

    type_key: str
    auto_create: bool
    functions: Functions


class RefusedValue(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute that would not be stored."""

    field: str  # its identifier
    message: str
    code: str
    args: dict[str, Any]


class ProcessingTest(msgspec.Struct, frozen=True, kw_only=True):
    """A report as it would be stored."""

    attributes: dict[str, Any]
    refused: list[RefusedValue]


class CreatedType(Created, frozen=True, kw_only=True):
    """The created device type."""

    type_key: str
