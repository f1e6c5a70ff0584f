"""One change of many devices: those that are named, or all that match a filter."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from thingstead.api.endpoint import OPERATOR_NAME, ApiCall, Endpoint
from thingstead.api.fields import TagsMember
from thingstead.api.project.control import CommandId, Method, WaitMs
from thingstead.errors import Conflict, InvalidInput, NotFound
from thingstead.model import limits
from thingstead.model.console.bulk import (
    Actor,
    BulkAttributes,
    BulkChange,
    BulkCommand,
    BulkCustomer,
    BulkGroups,
    BulkGroupsRemoval,
    BulkRemoval,
    BulkTags,
    BulkTagsRemoval,
    BulkType,
    Job,
)
from thingstead.model.console.device_selection import DeviceSelection
from thingstead.model.roles import ADMIN, OPERATOR, Role
from thingstead.services.jobs.jobs import DeviceChoice
from thingstead.wire.bulk import BulkInfo

TAG = "Many devices"
GroupIds = Annotated[list[str], Meta(min_length=1, max_length=limits.GROUPS_PER_IMPORT_ROW, description="Ids.")]


SelectedDevices = Annotated[
    list[str], Meta(min_length=1, max_length=limits.DEVICES_PER_REQUEST, description="Ids of the devices.")
]
SelectedFilter = Annotated[DeviceSelection, Meta(description="As the query of `GET /api/v1/devices`.")]
SelectedTotal = Annotated[
    int,
    Meta(ge=0, description="With `filter`: how many devices it matches; errcode 409 if it is another number."),
]


class SelectionBody(msgspec.Struct, frozen=True, kw_only=True):
    """The devices: `devices`, or `filter` with `total`."""

    devices: SelectedDevices | None = None
    filter: SelectedFilter | None = None
    total: SelectedTotal | None = None

    def to_choice(self) -> DeviceChoice:
        """The selected devices. Raises InvalidInput unless exactly one of both is given."""
        if (self.devices is None) is (self.filter is None):
            raise InvalidInput.field("devices", "devices_or_filter")
        if self.filter is None:
            return DeviceChoice(device_ids=tuple(self.devices or ()))
        if self.total is None:
            raise InvalidInput.field("total", "required")
        return DeviceChoice(device_filter=self.filter.to_filter(), total=self.total)


class ManyTagsBody(SelectionBody, frozen=True, kw_only=True):
    """Tags to add or replace."""

    tags: TagsMember


class ManyKeysBody(SelectionBody, frozen=True, kw_only=True):
    """Tags to remove, by key."""

    keys: Annotated[list[str], Meta(min_length=1, max_length=limits.KEYS_COUNT)]


class ManyTypeBody(SelectionBody, frozen=True, kw_only=True):
    """The new device type."""

    type: Annotated[str, Meta(description="Its id; empty or null: none.")] | None


class ManyGroupsBody(SelectionBody, frozen=True, kw_only=True):
    """The groups."""

    groups: GroupIds


class ManyCustomerBody(SelectionBody, frozen=True, kw_only=True):
    """The customer."""

    customer: Annotated[str, Meta(description="Their id; empty or null: none.")] | None


class ManyRemoveBody(SelectionBody, frozen=True, kw_only=True):
    """Devices to remove."""


class ManyCommandBody(SelectionBody, frozen=True, kw_only=True):
    """The command."""

    method: Method
    params: dict[str, Any] | None = None
    id: CommandId | None = None
    wait_ms: WaitMs = 0


class ManyAttributesBody(SelectionBody, frozen=True, kw_only=True):
    """The attributes to push."""

    attributes: Annotated[
        dict[str, Any], Meta(min_length=1, max_length=limits.KEYS_COUNT, description="Values by identifier.")
    ]


async def put_tags(call: ApiCall) -> BulkInfo:
    """Adds or replaces tags of each device; others stay unchanged."""
    return await _begin(call, BulkTags(call.body.tags))


async def remove_tags(call: ApiCall) -> BulkInfo:
    """Removes tags from each device; a device that has none of them is `unchanged`."""
    return await _begin(call, BulkTagsRemoval(tuple(call.body.keys)))


async def change_type(call: ApiCall) -> BulkInfo:
    """Moves each device to a device type. The connection of a device whose conn_type changes is closed."""
    return await _begin(call, BulkType(call.body.type or None))


async def join_groups(call: ApiCall) -> BulkInfo:
    """Adds each device to each of the groups."""
    return await _begin(call, BulkGroups(tuple(call.body.groups)))


async def leave_groups(call: ApiCall) -> BulkInfo:
    """Removes each device from each of the groups."""
    return await _begin(call, BulkGroupsRemoval(tuple(call.body.groups)))


async def bind_customer(call: ApiCall) -> BulkInfo:
    """Binds each device to a customer, or to none."""
    return await _begin(call, BulkCustomer(call.body.customer or None))


async def remove_devices(call: ApiCall) -> BulkInfo:
    """Removes each device with its values, history and logs; sub-devices before their gateways. Refused for a gateway
    with sub-devices that are not removed."""
    return await _begin(call, BulkRemoval())


async def send_commands(call: ApiCall) -> BulkInfo:
    """Sends a command to each device, without waiting for replies. An offline device is refused unless `wait_ms` lets
    the command wait. `command` of an item is the id of the command."""
    body: ManyCommandBody = call.body
    return await _begin(call, BulkCommand(body.method, body.params or {}, body.id, body.wait_ms))


async def push_attributes(call: ApiCall) -> BulkInfo:
    """Stores the values for each device, and sends them to connected devices. Values that do not match the definition
    of the device's type are refused; if all values are, the device is refused."""
    return await _begin(call, BulkAttributes(dict(call.body.attributes)))


async def _begin(call: ApiCall, change: BulkChange) -> BulkInfo:
    body: SelectionBody = call.body
    begun = await call.platform.jobs.begin(call.caller.project_id, await actor_of(call), change, body.to_choice())
    if isinstance(begun, Job):
        return BulkInfo(total=begun.total, job=begun.id)
    counts = {"done": 0, "unchanged": 0, "refused": 0}
    for item in begun:
        counts[item.result] += 1
    return BulkInfo(total=len(begun), items=begun, job=UNSET, **counts)


async def actor_of(call: ApiCall) -> Actor:
    """The caller, as named in jobs."""
    caller, accounts = call.caller, call.platform.accounts
    if caller.operator:
        return Actor(kind="cli", id="", name=OPERATOR_NAME)
    if caller.admin_id is None:
        application = await accounts.get_application(caller.project_id, caller.app_id)
        return Actor(kind="application", id=caller.app_id, name=application.name)
    administrator = await accounts.get_administrator(caller.project_id, caller.admin_id)
    return Actor(kind="admin", id=caller.admin_id, name=administrator.account)


def _endpoint(path: str, summary: str, handler: Any, body: Any, role: Role = OPERATOR, **more: Any) -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"/api/v1/{path}",
        summary=summary,
        handler=handler,
        role=role,
        tag=TAG,
        body=body,
        info=BulkInfo,
        refusals=(NotFound, Conflict),
        extension=True,
        **more,
    )


ENDPOINTS = (
    _endpoint("devices_tags", "Add or change tags of many devices", put_tags, ManyTagsBody),
    _endpoint("devices_tags_remove", "Remove tags from many devices", remove_tags, ManyKeysBody),
    _endpoint("devices_type", "Change the type of many devices", change_type, ManyTypeBody),
    _endpoint("devices_groups", "Add many devices to groups", join_groups, ManyGroupsBody),
    _endpoint("devices_groups_remove", "Take many devices out of groups", leave_groups, ManyGroupsBody),
    _endpoint("devices_customer", "Bind many devices to a customer", bind_customer, ManyCustomerBody),
    _endpoint("devices_remove", "Remove many devices", remove_devices, ManyRemoveBody, ADMIN),
    _endpoint("control/devices/command", "Send a command to many devices", send_commands, ManyCommandBody),
    _endpoint(
        "control/devices/attributes",
        "Push attributes to many devices",
        push_attributes,
        ManyAttributesBody,
        wide_integers=True,
    ),
)
