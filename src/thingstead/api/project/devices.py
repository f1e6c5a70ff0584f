"""Devices: the registry (设备管理) and its statistics."""

from msgspec import UNSET

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import KeysBody, TagsBody, listed
from thingstead.api.project.device_query import DevicesQuery, facets_shown
from thingstead.api.project.device_shapes import (
    DeviceBody,
    DeviceGatewayBody,
    DeviceInfoBody,
    DeviceTypeBody,
    show_detail,
    show_device,
)
from thingstead.errors import Conflict, NotFound
from thingstead.model.device import DevicesAlarmStat, DevicesStat
from thingstead.model.roles import ADMIN, OPERATOR, VIEWER
from thingstead.services.registry.new_device import NewDevice
from thingstead.wire.common import Created
from thingstead.wire.devices import DeviceCredential, DeviceDetail, ListedDevices

TAG = "Devices"


async def devices_stat(call: ApiCall) -> DevicesStat:
    """A device is online while it is connected, and active if it has sent a message within 24 hours
    (`active_window_s`)."""
    return await call.platform.devices.stat(call.caller.project_id)


async def devices_alarm_stat(call: ApiCall) -> DevicesAlarmStat:
    """Devices by the level of their highest open alarm."""
    return await call.platform.devices.alarm_stat(call.caller.project_id)


async def devices(call: ApiCall) -> ListedDevices:
    """Ordered by creation, oldest first, then by id (`sort`). A filter with an unknown type, group or customer matches
    no device. Extensions: `attributes` adds current values to the items, and `facets` counts the matching devices by
    value."""
    query: DevicesQuery = call.query
    page, device_filter, facets = query.to_page(), query.to_filter(), query.to_facets()
    service, project_id = call.platform.devices, call.caller.project_id
    views, total = await service.list_views(project_id, device_filter, page, query.to_attributes())
    found = await service.facets(project_id, device_filter, facets) if facets else None
    shown = listed([show_device(view) for view in views], total, page)
    return ListedDevices(
        items=shown.items,
        total=shown.total,
        page_total=shown.page_total,
        next_cursor=shown.next_cursor,
        facets=UNSET if found is None else facets_shown(query, found),
    )


async def create_device(call: ApiCall) -> Created:
    """With `gateway` and `sub_address` the device is a sub-device: the type of the gateway must have conn_type 3, the
    type of the sub-device conn_type 2."""
    body: DeviceBody = call.body
    new = NewDevice(
        name=body.name,
        descr=body.descr,
        type_id=body.type or None,
        tags=body.tags,
        device_key=body.device_key or None,
        gateway_id=body.gateway or None,
        sub_address=body.sub_address or None,
    )
    device = await call.platform.devices.create(call.caller.project_id, new)
    return Created(id=device.id, name=device.name)


async def device(call: ApiCall) -> DeviceDetail:
    """A device without its certificate and its values. Extensions: its `groups`; its `customer`; `session`, its live
    connection; and `certificate_conflict`, clients that take over its session from each other because they share its
    certificate."""
    platform, project_id = call.platform, call.caller.project_id
    view = await platform.devices.get_view(project_id, call.path["device_id"])
    device = view.device
    groups = await platform.device_groups.of_device(device)
    customer = await platform.customers.of_device(device)
    if not view.online:
        return show_detail(view, groups, customer, None, ())
    session, rivals = await platform.presence.find_session(device), await platform.presence.conflict(device)
    return show_detail(view, groups, customer, session, rivals)


async def delete_device(call: ApiCall) -> None:
    """Removes the device with its values, history and logs, and ends its connection. Refused for a gateway that still
    has sub-devices."""
    await call.platform.devices.delete(call.caller.project_id, call.path["device_id"])


async def certificate(call: ApiCall) -> DeviceCredential:
    """The credential of the device: MQTT user name `access_token`, password `project_key`."""
    return await call.platform.devices.certificate(call.caller.project_id, call.path["device_id"])


async def reset_certificate(call: ApiCall) -> DeviceCredential:
    """Creates a new `access_token` and returns the new certificate. The old one becomes invalid at once, and the
    connection of the device is closed."""
    return await call.platform.devices.reset_certificate(call.caller.project_id, call.path["device_id"])


async def update_info(call: ApiCall) -> None:
    """Changes the given members only."""
    body: DeviceInfoBody = call.body
    await call.platform.devices.update_info(
        call.caller.project_id,
        call.path["device_id"],
        name=body.name,
        descr=body.descr,
        device_key=body.device_key,
        version=body.version,
    )


async def put_tags(call: ApiCall) -> None:
    """Adds or replaces tags; others stay unchanged."""
    await call.platform.devices.put_tags(call.caller.project_id, call.path["device_id"], call.body.tags)


async def remove_tags(call: ApiCall) -> None:
    """Unknown keys are ignored."""
    await call.platform.devices.remove_tags(call.caller.project_id, call.path["device_id"], call.body.keys)


async def change_type(call: ApiCall) -> None:
    """The values of the device stay. If conn_type changes, the connection of the device is closed."""
    body: DeviceTypeBody = call.body
    await call.platform.devices.change_type(
        call.caller.project_id, call.path["device_id"], body.type or None, body.version
    )


async def change_gateway(call: ApiCall) -> None:
    """The type of the gateway must have conn_type 3, the type of the device conn_type 2. `null` for both detaches the
    device. It takes effect at once, even if the gateway is connected."""
    body: DeviceGatewayBody = call.body
    await call.platform.devices.change_gateway(
        call.caller.project_id, call.path["device_id"], body.gateway or None, body.sub_address or None, body.version
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/devices_stat",
        summary="Count devices by state",
        handler=devices_stat,
        role=VIEWER,
        tag=TAG,
        info=DevicesStat,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/devices_alarm_stat",
        summary="Count devices by alarm level",
        handler=devices_alarm_stat,
        role=VIEWER,
        tag=TAG,
        info=DevicesAlarmStat,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/devices",
        summary="List devices",
        handler=devices,
        role=VIEWER,
        tag=TAG,
        query=DevicesQuery,
        info=ListedDevices,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/device",
        summary="Create a device",
        handler=create_device,
        role=OPERATOR,
        tag=TAG,
        body=DeviceBody,
        info=Created,
        refusals=(Conflict,),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/device/{device_id}",
        summary="Read a device",
        handler=device,
        role=VIEWER,
        tag=TAG,
        info=DeviceDetail,
        refusals=(NotFound,),
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/device/{device_id}",
        summary="Remove a device",
        handler=delete_device,
        role=ADMIN,
        tag=TAG,
        refusals=(NotFound, Conflict),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/device/{device_id}/certificate",
        summary="Read a device's certificate",
        handler=certificate,
        role=OPERATOR,
        tag=TAG,
        info=DeviceCredential,
        confidential=True,
        refusals=(NotFound,),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/device/{device_id}/certificate_reset",
        summary="Reset a device's certificate",
        handler=reset_certificate,
        role=OPERATOR,
        tag=TAG,
        info=DeviceCredential,
        confidential=True,
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/device/{device_id}/info",
        summary="Change a device's name, description or key",
        handler=update_info,
        role=OPERATOR,
        tag=TAG,
        body=DeviceInfoBody,
        refusals=(NotFound, Conflict),
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/device/{device_id}/tags",
        summary="Add or change tags of a device",
        handler=put_tags,
        role=OPERATOR,
        tag=TAG,
        body=TagsBody,
        refusals=(NotFound,),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/device/{device_id}/tags_remove",
        summary="Remove tags from a device",
        handler=remove_tags,
        role=OPERATOR,
        tag=TAG,
        body=KeysBody,
        refusals=(NotFound,),
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/device/{device_id}/type",
        summary="Change a device's type",
        handler=change_type,
        role=OPERATOR,
        tag=TAG,
        body=DeviceTypeBody,
        refusals=(NotFound, Conflict),
        extension=True,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/device/{device_id}/gateway",
        summary="Attach a device to a gateway as a sub-device, or detach it",
        handler=change_gateway,
        role=OPERATOR,
        tag=TAG,
        body=DeviceGatewayBody,
        refusals=(NotFound, Conflict),
        extension=True,
    ),
)
