"""End users of the project."""

from collections.abc import Mapping, Sequence

from thingstead.client.call import Call, Listing, members
from thingstead.client.http import segment
from thingstead.wire.common import Created, Empty, Listed
from thingstead.wire.customers import CustomerInfo
from thingstead.wire.devices import DeviceItem


def list_all(*, keyword: str | None = None, sort: str | None = None) -> Listing[CustomerInfo]:
    """Customers, oldest first, or by ``sort``: ``create_time`` or ``name``; a leading ``-`` reverses the order."""
    return Listing(Call("GET", "/customers", Listed[CustomerInfo], query={"keyword": keyword, "sort": sort}))


def list_devices(customer_id: str, *, sort: str | None = None) -> Listing[DeviceItem]:
    """Devices that are bound to a customer, oldest first, or by ``sort``."""
    return Listing(Call("GET", f"/customer/{segment(customer_id)}/devices", Listed[DeviceItem], query={"sort": sort}))


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
    """Creates a customer; the account must be unique in the project."""
    body = members(name=name, account=account, password=password, descr=descr, email=email, mobile=mobile, tags=tags)
    return Call("POST", "/customer", Created, body)


def read(customer_id: str) -> Call[CustomerInfo]:
    """One customer."""
    return Call("GET", f"/customer/{segment(customer_id)}", CustomerInfo)


def delete(customer_id: str) -> Call[Empty]:
    """Removes a customer; the customer's devices stay, unbound."""
    return Call("DELETE", f"/customer/{segment(customer_id)}", Empty)


def update_info(
    customer_id: str,
    *,
    name: str | None = None,
    descr: str | None = None,
    email: str | None = None,
    mobile: str | None = None,
    version: int | None = None,
) -> Call[Empty]:
    """Changes the given members."""
    body = members(name=name, descr=descr, email=email, mobile=mobile, version=version)
    return Call("PUT", f"/customer/{segment(customer_id)}/info", Empty, body)


def set_password(customer_id: str, password: str) -> Call[Empty]:
    """Sets the password of a customer."""
    return Call("PUT", f"/customer/{segment(customer_id)}/pwd", Empty, {"password": password})


def put_tags(customer_id: str, tags: Mapping[str, str]) -> Call[Empty]:
    """Adds or replaces tags; others stay."""
    return Call("PUT", f"/customer/{segment(customer_id)}/tags", Empty, {"tags": tags})


def remove_tags(customer_id: str, keys: Sequence[str]) -> Call[Empty]:
    """Removes tags by key."""
    return Call("POST", f"/customer/{segment(customer_id)}/tags_remove", Empty, {"keys": keys})


def bind_devices(customer_id: str, device_ids: Sequence[str]) -> Call[Empty]:
    """Binds devices to a customer, all or none; moves them from other customers."""
    return Call("POST", f"/customer/{segment(customer_id)}/devices", Empty, {"devices": device_ids})


def unbind_devices(customer_id: str, device_ids: Sequence[str]) -> Call[Empty]:
    """Unbinds devices; devices of other customers are ignored."""
    return Call("POST", f"/customer/{segment(customer_id)}/devices_remove", Empty, {"devices": device_ids})
