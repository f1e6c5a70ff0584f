"""End users of the project."""

from collections.abc import Mapping, Sequence

import msgspec

from thingstead.client.call import Call, Created, Listing, Nothing, Page, members
from thingstead.client.http import segment
from thingstead.client.project.devices import Device


class CustomerCount(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer has."""

    device_count: int


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """An end user."""

    id: str
    account: str
    name: str
    descr: str = ""
    email: str = ""
    mobile: str = ""
    tags: dict[str, str] = {}
    locale: str = ""
    create_time: int  # ms
    count: CustomerCount


def list_all(*, sort: str | None = None) -> Listing[Customer]:
    """Oldest first, or by ``sort``: ``create_time`` or ``name``, with ``-`` in front the other way."""
    return Listing(Call("GET", "/customers", Page[Customer], query={"sort": sort}))


def list_devices(customer_id: str, *, sort: str | None = None) -> Listing[Device]:
    """The devices that are bound to a customer, oldest first, or by ``sort``."""
    return Listing(Call("GET", f"/customer/{segment(customer_id)}/devices", Page[Device], query={"sort": sort}))


def create(
    name: str,
    account: str,
    password: str,
    *,
    descr: str | None = None,
    email: str | None = None,
    mobile: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Call[Created]:
    body = members(name=name, account=account, password=password, descr=descr, email=email, mobile=mobile, tags=tags)
    return Call("POST", "/customer", Created, body)


def read(customer_id: str) -> Call[Customer]:
    return Call("GET", f"/customer/{segment(customer_id)}", Customer)


def delete(customer_id: str) -> Call[Nothing]:
    return Call("DELETE", f"/customer/{segment(customer_id)}", Nothing)


def update_info(
    customer_id: str,
    *,
    name: str | None = None,
    descr: str | None = None,
    email: str | None = None,
    mobile: str | None = None,
) -> Call[Nothing]:
    """Changes what is given."""
    body = members(name=name, descr=descr, email=email, mobile=mobile)
    return Call("PUT", f"/customer/{segment(customer_id)}/info", Nothing, body)


def set_password(customer_id: str, password: str) -> Call[Nothing]:
    return Call("PUT", f"/customer/{segment(customer_id)}/pwd", Nothing, {"password": password})


def put_tags(customer_id: str, tags: Mapping[str, str]) -> Call[Nothing]:
    return Call("PUT", f"/customer/{segment(customer_id)}/tags", Nothing, {"tags": tags})


def remove_tags(customer_id: str, keys: Sequence[str]) -> Call[Nothing]:
    return Call("POST", f"/customer/{segment(customer_id)}/tags_remove", Nothing, {"keys": keys})


def bind_devices(customer_id: str, device_ids: Sequence[str]) -> Call[Nothing]:
    return Call("POST", f"/customer/{segment(customer_id)}/devices", Nothing, {"devices": device_ids})


def unbind_devices(customer_id: str, device_ids: Sequence[str]) -> Call[Nothing]:
    return Call("POST", f"/customer/{segment(customer_id)}/devices_remove", Nothing, {"devices": device_ids})
