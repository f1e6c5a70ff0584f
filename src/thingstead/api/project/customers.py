"""End users of the project (用户管理)."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import (
    Account,
    Descr,
    Email,
    ExpectedVersion,
    KeysBody,
    Mobile,
    Name,
    Password,
    SortedPageQuery,
    TagsBody,
    TagsMember,
    listed,
)
from thingstead.api.project.device_shapes import show_device
from thingstead.errors import Conflict, NotFound, TooManyRequests
from thingstead.model import limits
from thingstead.model.customer import Customer
from thingstead.model.device import DeviceFilter
from thingstead.model.roles import ADMIN, OPERATOR, VIEWER
from thingstead.services.registry.customers import CustomerChanges, NewCustomer
from thingstead.wire.common import Created, Listed
from thingstead.wire.customers import CustomerCount, CustomerInfo
from thingstead.wire.devices import DeviceItem

TAG = "Customers"


class CustomersQuery(SortedPageQuery, frozen=True, kw_only=True):
    """Filters of the list."""

    keyword: (
        Annotated[
            str,
            Meta(
                max_length=limits.KEYWORD_LENGTH,
                description="Extension: part of the name, account, id, email, mobile or descr, in any case.",
            ),
        ]
        | None
    ) = None


class CustomerBody(msgspec.Struct, frozen=True, kw_only=True):
    """The new customer."""

    name: Name
    account: Account
    password: Password
    descr: Descr = ""
    email: Email = ""
    mobile: Mobile = ""
    tags: TagsMember = {}


class CustomerInfoBody(msgspec.Struct, frozen=True, kw_only=True):
    """The members to change; at least one."""

    name: Name | UnsetType = UNSET
    descr: Descr | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    mobile: Mobile | UnsetType = UNSET
    version: ExpectedVersion | None = None


class PasswordBody(msgspec.Struct, frozen=True, kw_only=True):
    """The new password."""

    password: Password


class CustomerDevicesBody(msgspec.Struct, frozen=True, kw_only=True):
    """Devices, by id."""

    devices: Annotated[list[str], Meta(min_length=1, max_length=limits.DEVICES_PER_REQUEST)]


def _shown(customer: Customer) -> CustomerInfo:
    return CustomerInfo(
        id=customer.id,
        version=customer.version,
        account=customer.account,
        name=customer.name,
        descr=customer.descr,
        email=customer.email,
        mobile=customer.mobile,
        tags=customer.tags,
        locale=customer.locale,
        create_time=customer.create_time,
        count=CustomerCount(device_count=customer.device_count),
    )


async def list_customers(call: ApiCall) -> Listed[CustomerInfo]:
    """End users of the project, oldest first (`sort`)."""
    page = call.query.to_page()
    customers, total = await call.platform.customers.list_page(call.caller.project_id, page, call.query.keyword)
    return listed([_shown(customer) for customer in customers], total, page)


async def read_customer(call: ApiCall) -> CustomerInfo:
    """One end user."""
    return _shown(await call.platform.customers.get(call.caller.project_id, call.path["customer_id"]))


async def create_customer(call: ApiCall) -> Created:
    """The account must not be taken in the project."""
    body: CustomerBody = call.body
    new = NewCustomer(
        name=body.name,
        account=body.account,
        password=body.password,
        descr=body.descr,
        email=body.email,
        mobile=body.mobile,
        tags=body.tags,
    )
    customer = await call.platform.customers.create(call.caller.project_id, new)
    return Created(id=customer.id, name=customer.name)


async def update_info(call: ApiCall) -> None:
    """Absent members stay unchanged."""
    body: CustomerInfoBody = call.body
    changes = CustomerChanges(name=body.name, descr=body.descr, email=body.email, mobile=body.mobile)
    await call.platform.customers.update(call.caller.project_id, call.path["customer_id"], changes, body.version)


async def set_password(call: ApiCall) -> None:
    """Sets the password with which the customer logs in."""
    body: PasswordBody = call.body
    await call.platform.customers.set_password(call.caller.project_id, call.path["customer_id"], body.password)


async def put_tags(call: ApiCall) -> None:
    """Adds or replaces tags; others stay unchanged."""
    await call.platform.customers.put_tags(call.caller.project_id, call.path["customer_id"], call.body.tags)


async def remove_tags(call: ApiCall) -> None:
    """Unknown keys are ignored."""
    await call.platform.customers.remove_tags(call.caller.project_id, call.path["customer_id"], call.body.keys)


async def delete_customer(call: ApiCall) -> None:
    """Devices of the customer stay in the project, unbound."""
    await call.platform.customers.delete(call.caller.project_id, call.path["customer_id"])


async def bind_devices(call: ApiCall) -> None:
    """All or nothing. A device that belongs to another customer moves to this one."""
    await _bind(call, bind=True)


async def customer_devices(call: ApiCall) -> Listed[DeviceItem]:
    """Oldest device first, ties by id (`sort`). Same as `GET /api/v1/devices?customer=<id>`, but an unknown customer is
    an error."""
    project_id, page = call.caller.project_id, call.query.to_page()
    customer = await call.platform.customers.get(project_id, call.path["customer_id"])
    views, total = await call.platform.devices.list_views(project_id, DeviceFilter(customer_id=customer.id), page)
    return listed([show_device(view) for view in views], total, page)


async def unbind_devices(call: ApiCall) -> None:
    """Devices that are not bound to this customer are ignored."""
    await _bind(call, bind=False)


async def _bind(call: ApiCall, *, bind: bool) -> None:
    body: CustomerDevicesBody = call.body
    await call.platform.customers.bind_devices(
        call.caller.project_id, call.path["customer_id"], body.devices, bind=bind
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/customers",
        summary="List customers",
        handler=list_customers,
        role=VIEWER,
        tag=TAG,
        query=CustomersQuery,
        info=Listed[CustomerInfo],
    ),
    Endpoint(
        method="POST",
        path="/api/v1/customer",
        summary="Create a customer",
        handler=create_customer,
        role=OPERATOR,
        tag=TAG,
        body=CustomerBody,
        info=Created,
        refusals=(Conflict, TooManyRequests),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/customer/{customer_id}",
        summary="Read a customer",
        handler=read_customer,
        role=VIEWER,
        tag=TAG,
        info=CustomerInfo,
        refusals=(NotFound,),
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/customer/{customer_id}",
        summary="Remove a customer",
        handler=delete_customer,
        role=ADMIN,
        tag=TAG,
        refusals=(NotFound,),
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/customer/{customer_id}/info",
        summary="Change a customer's name, description, e-mail address or phone number",
        handler=update_info,
        role=OPERATOR,
        tag=TAG,
        body=CustomerInfoBody,
        refusals=(NotFound,),
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/customer/{customer_id}/pwd",
        summary="Set a customer's password",
        handler=set_password,
        role=OPERATOR,
        tag=TAG,
        body=PasswordBody,
        refusals=(NotFound, TooManyRequests),
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/customer/{customer_id}/tags",
        summary="Add or change tags of a customer",
        handler=put_tags,
        role=OPERATOR,
        tag=TAG,
        body=TagsBody,
        refusals=(NotFound,),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/customer/{customer_id}/tags_remove",
        summary="Remove tags from a customer",
        handler=remove_tags,
        role=OPERATOR,
        tag=TAG,
        body=KeysBody,
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/customer/{customer_id}/devices",
        summary="List the devices of a customer",
        handler=customer_devices,
        role=VIEWER,
        tag=TAG,
        query=SortedPageQuery,
        info=Listed[DeviceItem],
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/customer/{customer_id}/devices",
        summary="Bind devices to a customer",
        handler=bind_devices,
        role=OPERATOR,
        tag=TAG,
        body=CustomerDevicesBody,
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/customer/{customer_id}/devices_remove",
        summary="Unbind devices from a customer",
        handler=unbind_devices,
        role=OPERATOR,
        tag=TAG,
        body=CustomerDevicesBody,
        refusals=(NotFound,),
        extension=True,
    ),
)
