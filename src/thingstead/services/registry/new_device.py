"""Builds a new device: the caller's fields, with random ids and tokens."""

import msgspec

from thingstead.errors import Conflict
from thingstead.model import ids, limits
from thingstead.model.device import Device
from thingstead.model.limits import Problems
from thingstead.model.project import Tags
from thingstead.model.values.unicode_text import normal, trimmed_key

DIRECT, SUB_DEVICE, GATEWAY = "1", "2", "3"  # conn_type
DRAW_ATTEMPTS = 5  # retries after a collision of random ids or tokens (about one in a million)
DRAWN = frozenset({"id", "access_token", "view_token", "device_code"})


class NewDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device to create."""

    name: str
    descr: str = ""
    type_id: str | None = None
    tags: Tags = {}
    device_key: str | None = None
    gateway_id: str | None = None  # makes it a sub-device; requires sub_address
    sub_address: str | None = None
    customer_id: str | None = None


def normalized(new: NewDevice) -> NewDevice:
    """The device with keys and tags in normal form."""
    return msgspec.structs.replace(
        new,
        device_key=None if new.device_key is None else trimmed_key(new.device_key),
        sub_address=None if new.sub_address is None else trimmed_key(new.sub_address),
        tags=normal_tags(new.tags),
    )


def normal_tags(tags: Tags) -> Tags:
    """Tags in the normal form in which they are stored."""
    return {normal(key): normal(value) for key, value in tags.items()}


def draw_device(project_id: str, new: NewDevice, now: int, device_id: str | None = None) -> Device:
    """Makes a device row with random tokens, and with a random id if none is given."""
    return Device(
        id=device_id or ids.new_id(),
        project_id=project_id,
        name=new.name,
        descr=new.descr,
        device_key=new.device_key,
        tags=new.tags,
        type_id=new.type_id,
        customer_id=new.customer_id,
        gateway_id=new.gateway_id,
        sub_address=new.sub_address,
        access_token=ids.new_access_token(),
        view_token=ids.new_view_token(),
        device_code=ids.new_device_code(),
        create_time=now,
    )


def is_drawn_twice(error: Conflict) -> bool:
    """Whether a random value was not unique, so that another draw helps."""
    return any(entry.field in DRAWN for entry in error.errors)


def check_new_device(new: NewDevice, problems: Problems) -> None:
    """Checks texts and tags of a new device; the store checks references."""
    problems.name(new.name)
    problems.descr(new.descr)
    problems.tags(new.tags)
    if new.device_key is not None:
        problems.key("device_key", new.device_key, limits.DEVICE_KEY_LENGTH, min_length=1)
    check_sub_address(new.gateway_id, new.sub_address, problems)


def check_sub_address(gateway_id: str | None, sub_address: str | None, problems: Problems) -> None:
    """Checks that both or neither are given, and that the address is valid."""
    if (gateway_id is None) != (sub_address is None):
        missing = "gateway" if gateway_id is None else "sub_address"
        problems.add(missing, "gateway_with_address")
    elif sub_address is not None:
        problems.key("sub_address", sub_address, limits.SUB_ADDRESS_LENGTH, min_length=1)


def check_gateway(conn_type: str | None, gateway_conn_type: str | None, problems: Problems) -> None:
    """Checks that a device with this ``conn_type`` (None: unknown type) can be behind a device with
    ``gateway_conn_type`` (None: unknown device)."""
    if conn_type not in (SUB_DEVICE, None):
        problems.add("type", "not_sub_device_type")
    if gateway_conn_type is None:
        problems.add("gateway", "no_such_device")
    elif gateway_conn_type != GATEWAY:
        problems.add("gateway", "not_gateway_type")
