"""Device types (设备类型) and their function definitions (功能定义)."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import (
    Descr,
    ExpectedVersion,
    KeysBody,
    Name,
    SortMember,
    TagsBody,
    TagsMember,
    WholeListQuery,
    listed,
)
from thingstead.errors import Conflict, InvalidInput, NotFound
from thingstead.model import limits
from thingstead.model.device import Page
from thingstead.model.device_type import ConnProtocol, ConnType, DeviceType, Functions
from thingstead.model.roles import ADMIN, OPERATOR, VIEWER
from thingstead.services.registry.device_types import NewDeviceType
from thingstead.wire.common import Listed
from thingstead.wire.device_types import (
    CreatedType,
    DeviceTypeDetail,
    DeviceTypeItem,
    ProcessingTest,
    RefusedValue,
)

TAG = "Device types"
ConnTypeMember = Annotated[ConnType, Meta(description="1 direct device, 2 sub-device, 3 gateway.")]
ConnProtocolMember = Annotated[ConnProtocol, Meta(description="1 standard, 2 Modbus RTU, 9 other.")]
AutoCreate = Annotated[bool, Meta(description="Auto-create: whether a device is created on request with the type_key.")]


class TypesQuery(WholeListQuery, frozen=True, kw_only=True):
    """Filters of the list."""

    keyword: (
        Annotated[
            str,
            Meta(
                max_length=limits.KEYWORD_LENGTH, description="Extension: part of the name, id or descr, in any case."
            ),
        ]
        | None
    ) = None
    sort: SortMember = "create_time"

    def to_page(self) -> Page:
        return msgspec.structs.replace(super().to_page(), sort=self.sort)


class NewTypeBody(msgspec.Struct, frozen=True, kw_only=True):
    """The new device type."""

    name: Name
    descr: Descr = ""
    tags: TagsMember = {}
    conn_type: ConnTypeMember = "1"
    conn_protocol: ConnProtocolMember = "1"
    auto_create: AutoCreate = False
    functions: Functions = Functions()


class TypeInfoBody(msgspec.Struct, frozen=True, kw_only=True):
    """The members to change; at least one."""

    name: Name | UnsetType = UNSET
    descr: Descr | UnsetType = UNSET
    conn_type: ConnTypeMember | UnsetType = UNSET
    conn_protocol: ConnProtocolMember | UnsetType = UNSET
    auto_create: AutoCreate | UnsetType = UNSET
    version: ExpectedVersion | None = None


class FunctionsBody(msgspec.Struct, frozen=True, kw_only=True):
    """The whole new function definition."""

    functions: Functions
    version: ExpectedVersion | None = None


class ProcessingTestBody(msgspec.Struct, frozen=True, kw_only=True):
    """A report, and the definition to test, new or of a device type."""

    attributes: Annotated[dict[str, Any], Meta(description="The attributes that a device would report.")]
    functions: Functions | None = None
    type: Annotated[str, Meta(description="In place of `functions`: the id of a device type.")] | None = None


def _item(device_type: DeviceType) -> DeviceTypeItem:
    return msgspec.convert(device_type, DeviceTypeItem, from_attributes=True)


async def device_types(call: ApiCall) -> Listed[DeviceTypeItem]:
    """Oldest type first (`sort`). Without `page`, `page_records` and `cursor` all types are returned; if they exceed
    the size of a page, `page_records` is required."""
    page = call.query.to_page()
    types, total = await call.platform.device_types.list_page(call.caller.project_id, page, call.query.keyword)
    return listed([_item(device_type) for device_type in types], total, page)


async def create_type(call: ApiCall) -> CreatedType:
    """The function definition is optional, and so is everything in it. Values of attributes that it defines are
    checked: `attr_type` is who may change one (`report`, `push`, `both`, `cloud`), `data_type` and `data_options` are
    its allowed values: number `{unit, precision, min, max}`, switch `{on, off}`, enum `{items: [{value, name}]}`; other
    data types have no options. Undefined attributes are accepted unchecked."""
    body: NewTypeBody = call.body
    new = NewDeviceType(
        name=body.name,
        descr=body.descr,
        tags=body.tags,
        conn_type=body.conn_type,
        conn_protocol=body.conn_protocol,
        auto_create=body.auto_create,
        functions=body.functions,
    )
    device_type = await call.platform.device_types.create(call.caller.project_id, new)
    return CreatedType(id=device_type.id, name=device_type.name, type_key=device_type.type_key)


async def device_type(call: ApiCall) -> DeviceTypeDetail:
    """The type with its `type_key` and function definition."""
    found = await call.platform.device_types.get(call.caller.project_id, call.path["type_id"])
    return msgspec.convert(found, DeviceTypeDetail, from_attributes=True)


async def delete_type(call: ApiCall) -> None:
    """Refused if the type still has devices."""
    await call.platform.device_types.delete(call.caller.project_id, call.path["type_id"])


async def update_info(call: ApiCall) -> None:
    """Changes the given members only. `conn_type` cannot change while the type has devices."""
    body: TypeInfoBody = call.body
    await call.platform.device_types.update_info(
        call.caller.project_id,
        call.path["type_id"],
        name=body.name,
        descr=body.descr,
        conn_type=body.conn_type,
        conn_protocol=body.conn_protocol,
        auto_create=body.auto_create,
        version=body.version,
    )


async def put_functions(call: ApiCall) -> None:
    """Replaces the whole function definition; it applies to connected devices at once. Stored values stay."""
    body: FunctionsBody = call.body
    await call.platform.device_types.put_functions(
        call.caller.project_id, call.path["type_id"], body.functions, body.version
    )


async def try_processing(call: ApiCall) -> ProcessingTest:
    """What a report would be stored as: after the `processing` of its attributes, and the check of their types. Nothing
    is stored."""
    body: ProcessingTestBody = call.body
    if (body.functions is None) is (body.type is None):
        raise InvalidInput.field("functions", "functions_or_type")
    tested = body.functions if body.functions is not None else body.type or ""
    project_id = call.caller.project_id
    values, refused = await call.platform.device_types.try_processing(project_id, tested, body.attributes)
    return ProcessingTest(
        attributes=values,
        refused=[
            RefusedValue(field=error.field, message=error.message, code=error.reason.code, args=dict(error.reason.args))
            for error in refused
        ],
    )


async def put_tags(call: ApiCall) -> None:
    """Adds or replaces tags; others stay unchanged."""
    await call.platform.device_types.put_tags(call.caller.project_id, call.path["type_id"], call.body.tags)


async def remove_tags(call: ApiCall) -> None:
    """Unknown keys are ignored."""
    await call.platform.device_types.remove_tags(call.caller.project_id, call.path["type_id"], call.body.keys)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/device_types",
        summary="List device types",
        handler=device_types,
        role=VIEWER,
        tag=TAG,
        query=TypesQuery,
        info=Listed[DeviceTypeItem],
    ),
    Endpoint(
        method="POST",
        path="/api/v1/device_type",
        summary="Create a device type",
        handler=create_type,
        role=ADMIN,
        tag=TAG,
        body=NewTypeBody,
        info=CreatedType,
        extension=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/device_type/{type_id}",
        summary="Read a device type",
        handler=device_type,
        role=VIEWER,
        tag=TAG,
        info=DeviceTypeDetail,
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/device_type/{type_id}",
        summary="Remove a device type",
        handler=delete_type,
        role=ADMIN,
        tag=TAG,
        refusals=(NotFound, Conflict),
        extension=True,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/device_type/{type_id}/info",
        summary="Change a device type's settings",
        handler=update_info,
        role=ADMIN,
        tag=TAG,
        body=TypeInfoBody,
        refusals=(NotFound, Conflict),
        extension=True,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/device_type/{type_id}/functions",
        summary="Replace a device type's function definition",
        handler=put_functions,
        role=ADMIN,
        tag=TAG,
        body=FunctionsBody,
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/processing_test",
        summary="Test the processing of reported attributes",
        handler=try_processing,
        role=OPERATOR,
        tag=TAG,
        body=ProcessingTestBody,
        info=ProcessingTest,
        refusals=(NotFound,),
        extension=True,
        example={
            "functions": {
                "attributes": [
                    {"identifier": "temperature", "processing": {"formula": "(temperature - 32) / 1.8", "precision": 1}}
                ]
            },
            "attributes": {"temperature": 100},
        },
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/device_type/{type_id}/tags",
        summary="Add or change tags of a device type",
        handler=put_tags,
        role=ADMIN,
        tag=TAG,
        body=TagsBody,
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/device_type/{type_id}/tags_remove",
        summary="Remove tags from a device type",
        handler=remove_tags,
        role=ADMIN,
        tag=TAG,
        body=KeysBody,
        refusals=(NotFound,),
        extension=True,
    ),
)
