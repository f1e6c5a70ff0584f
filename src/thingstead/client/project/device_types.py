"""Device types and their function definitions."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.client.call import Call, members
from thingstead.client.http import segment
from thingstead.model.device_type import ConnProtocol, ConnType, Functions
from thingstead.wire.common import Empty, Listed
from thingstead.wire.device_types import CreatedType, DeviceTypeDetail, DeviceTypeItem, ProcessingTest


def list_all(*, keyword: str | None = None, sort: str | None = None) -> Call[Listed[DeviceTypeItem]]:
    """All types in one page, oldest first."""
    return Call("GET", "/device_types", Listed[DeviceTypeItem], query={"keyword": keyword, "sort": sort})


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
    """Creates a type; ``conn_type``: 1 direct devices, 2 sub-devices, 3 gateways."""
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
    """One type with its ``type_key`` and function definition."""
    return Call("GET", f"/device_type/{segment(type_id)}", DeviceTypeDetail)


def delete(type_id: str) -> Call[Empty]:
    """Removes a type without devices."""
    return Call("DELETE", f"/device_type/{segment(type_id)}", Empty)


def update_info(
    type_id: str,
    *,
    name: str | None = None,
    descr: str | None = None,
    conn_type: ConnType | None = None,
    conn_protocol: ConnProtocol | None = None,
    auto_create: bool | None = None,
    version: int | None = None,
) -> Call[Empty]:
    """Changes the given members."""
    body = members(
        name=name,
        descr=descr,
        conn_type=conn_type,
        conn_protocol=conn_protocol,
        auto_create=auto_create,
        version=version,
    )
    return Call("PUT", f"/device_type/{segment(type_id)}/info", Empty, body)


def put_functions(type_id: str, functions: Functions | Mapping[str, Any], *, version: int | None = None) -> Call[Empty]:
    """Replaces the whole function definition."""
    return Call(
        "PUT", f"/device_type/{segment(type_id)}/functions", Empty, members(functions=functions, version=version)
    )


def try_processing(
    attributes: Mapping[str, Any], *, functions: Functions | Mapping[str, Any] | None = None, type: str | None = None
) -> Call[ProcessingTest]:
    """What a report would be stored as, with a new definition or that of a device type."""
    body = members(attributes=attributes, functions=functions, type=type)
    return Call("POST", "/processing_test", ProcessingTest, body)


def put_tags(type_id: str, tags: Mapping[str, str]) -> Call[Empty]:
    """Adds or replaces tags; others stay."""
    return Call("PUT", f"/device_type/{segment(type_id)}/tags", Empty, {"tags": tags})


def remove_tags(type_id: str, keys: Sequence[str]) -> Call[Empty]:
    """Removes tags by key."""
    return Call("POST", f"/device_type/{segment(type_id)}/tags_remove", Empty, {"keys": keys})
