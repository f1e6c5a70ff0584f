"""Device types and their function definitions."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from thingstead.client.call import Call, Created, Nothing, Page, members
from thingstead.client.http import segment
from thingstead.model.device_type import ConnProtocol, ConnType, Functions


class DeviceType(msgspec.Struct, frozen=True, kw_only=True):
    """A device type in the list."""

    id: str
    name: str
    descr: str = ""
    tags: dict[str, str] = {}
    create_time: int  # ms
    device_count: int
    conn_protocol: str
    conn_type: str


class DeviceTypeDetail(DeviceType, frozen=True, kw_only=True):
    """A device type with its definition."""

    type_key: str
    auto_create: bool
    functions: Functions


class CreatedType(Created, frozen=True, kw_only=True):
    """The type that was created."""

    type_key: str


def list_all() -> Call[Page[DeviceType]]:
    """All of them in one page, oldest first."""
    return Call("GET", "/device_types", Page[DeviceType])


def create(
    name: str,
    *,
    descr: str | None = None,
    tags: Mapping[str, str] | None = None,
    conn_type: ConnType | None = None,
    conn_protocol: ConnProtocol | None = None,
    auto_create: bool | None = None,
    functions: Functions | Mapping[str, Any] | None = None,
) -> Call[CreatedType]:
    """``conn_type``: 1 direct devices, 2 sub-devices, 3 gateways."""
    body = members(
        name=name,
        descr=descr,
        tags=tags,
        conn_type=conn_type,
        conn_protocol=conn_protocol,
        auto_create=auto_create,
        functions=functions,
    )
    return Call("POST", "/device_type", CreatedType, body)


def read(type_id: str) -> Call[DeviceTypeDetail]:
    return Call("GET", f"/device_type/{segment(type_id)}", DeviceTypeDetail)


def delete(type_id: str) -> Call[Nothing]:
    return Call("DELETE", f"/device_type/{segment(type_id)}", Nothing)


def update_info(
    type_id: str,
    *,
    name: str | None = None,
    descr: str | None = None,
    conn_type: ConnType | None = None,
    conn_protocol: ConnProtocol | None = None,
    auto_create: bool | None = None,
) -> Call[Nothing]:
    """Changes what is given."""
    body = members(name=name, descr=descr, conn_type=conn_type, conn_protocol=conn_protocol, auto_create=auto_create)
    return Call("PUT", f"/device_type/{segment(type_id)}/info", Nothing, body)


def put_functions(type_id: str, functions: Functions | Mapping[str, Any]) -> Call[Nothing]:
    """Replaces the whole definition."""
    return Call("PUT", f"/device_type/{segment(type_id)}/functions", Nothing, {"functions": functions})


def put_tags(type_id: str, tags: Mapping[str, str]) -> Call[Nothing]:
    return Call("PUT", f"/device_type/{segment(type_id)}/tags", Nothing, {"tags": tags})


def remove_tags(type_id: str, keys: Sequence[str]) -> Call[Nothing]:
    return Call("POST", f"/device_type/{segment(type_id)}/tags_remove", Nothing, {"keys": keys})
