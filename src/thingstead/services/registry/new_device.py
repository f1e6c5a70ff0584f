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
    """What a caller says of a device that is to be created."""

    name: str
    descr: str = ""
    type_id: str | None = None
    tags: Tags = {}
    device_key: str | None = None
    gateway_id: str | None = None  # makes it a sub-device; goes together with sub_address
    sub_address: str | None = None
    customer_id: str | None = None


def normalized(new: NewDevice) -> NewDevice:
    """With its keys and tags in the spelling in which they are kept."""
    return msgspec.structs.replace(
        new,
        device_key=None if new.device_key is None else trimmed_key(new.device_key),
        sub_address=None if new.sub_address is None else trimmed_key(new.sub_address),
        tags=normal_tags(new.tags),
    )


def normal_tags(tags: Tags) -> Tags:
    """Tags in the spelling in which they are kept."""
    return {normal(key): normal(value) for key, value in tags.items()}


def draw_device(project_id: str, new: NewDevice, now: int, device_id: str | None = None) -> Device:
    """A device row with fresh random tokens, and with a fresh id where none is given."""
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
    """Whether a random value met a taken one, so that drawing again helps."""
    return any(entry.field in DRAWN for entry in error.errors)


def check_new_device(new: NewDevice, problems: Problems) -> None:
    """Texts and tags of a new device; whether what it names exists is asked of the store."""
    problems.name(new.name)
    problems.descr(new.descr)
    problems.tags(new.tags)
    if new.device_key is not None:
        problems.key("device_key", new.device_key, limits.DEVICE_KEY_LENGTH, min_length=1)
    check_sub_address(new.gateway_id, new.sub_address, problems)


def check_sub_address(gateway_id: str | None, sub_address: str | None, problems: Problems) -> None:
    """Whether both are given, or none; and whether the address can be one."""
    if (gateway_id is None) != (sub_address is None):
        missing = "gateway" if gateway_id is None else "sub_address"
        problems.add(missing, "gateway_with_address")
    elif sub_address is not None:
        problems.key("sub_address", sub_address, limits.SUB_ADDRESS_LENGTH, min_length=1)


def check_gateway(conn_type: str | None, gateway_conn_type: str | None, problems: Problems) -> None:
    """Whether a device with this ``conn_type`` (None: its type does not exist) can stand behind a gateway with that one
    (None: there is no such device)."""
    if conn_type not in (SUB_DEVICE, None):
        problems.add("type", "not_sub_device_type")
    if gateway_conn_type is None:
        problems.add("gateway", "no_such_device")
    elif gateway_conn_type != GATEWAY:
        problems.add("gateway", "not_gateway_type")
