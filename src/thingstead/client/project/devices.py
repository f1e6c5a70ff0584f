"""The registry of devices."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from thingstead.client.call import Call, Created, Listing, Nothing, Page, members
from thingstead.client.http import segment


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """The highest open alarm of a device; all None where there is none."""

    alarm_status: int | None = None
    alarm_level: int | None = None
    ts: int | None = None  # ms


class Active(msgspec.Struct, frozen=True, kw_only=True):
    """The newest ms timestamp of each kind of message that a device has sent; None where it never sent one."""

    attributes: int | None = None
    event: int | None = None
    command_reply: int | None = None
    data: int | None = None
    connect: int | None = None


class TypeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The type of a device, in short."""

    id: str
    name: str
    conn_type: str
    conn_protocol: str


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device as lists show it."""

    id: str
    name: str
    descr: str = ""
    device_key: str = ""  # "" where it has none
    tags: dict[str, str] = {}
    create_time: int  # ms
    alarm: Alarm = Alarm()
    active: Active = Active()
    online: bool
    type: str = ""  # "" where it has none
    type_info: TypeInfo | None = None
    gateway: str | None = None  # of a sub-device: the id of its gateway
    sub_address: str | None = None
    view_token: str = ""
    device_code: str = ""


class LiveSession(msgspec.Struct, frozen=True, kw_only=True):
    """A device's live connection."""

    protocol: str
    client_id: str
    remote_address: str
    connected_at: int  # ms


class RivalClient(msgspec.Struct, frozen=True, kw_only=True):
    """One of the clients that fight over a certificate."""

    client_id: str
    remote_address: str


class GroupOfDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A group in which a device stands."""

    id: str
    name: str


class CustomerOfDevice(msgspec.Struct, frozen=True, kw_only=True):
    """The customer to whom a device is bound."""

    id: str
    account: str
    name: str


class DeviceDetail(Device, frozen=True, kw_only=True):
    """A device as its own page shows it."""

    groups: list[GroupOfDevice] = []
    customer: CustomerOfDevice | None = None
    session: LiveSession | None = None
    certificate_conflict: list[RivalClient] = []


class DeviceCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """What a device logs in with."""

    id: str
    name: str
    access_token: str
    project_key: str

    def __repr__(self) -> str:
        return f"DeviceCertificate({self.id})"


class FieldProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a field of a row."""

    field: str
    message: str


class ImportedRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one row of an import."""

    index: int  # from 0
    result: Literal["created", "exists", "refused"]
    id: str | None = None
    device_key: str | None = None
    errors: list[FieldProblem] = []


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an import."""

    created: int
    exists: int
    refused: int
    items: list[ImportedRow]


def search(
    *,
    type: str | None = None,
    groups: Sequence[str] = (),
    include_sub_groups: bool | None = None,
    keyword: str | None = None,
    online: bool | None = None,
    tag: str | None = None,
    gateway: str | None = None,
    customer: str | None = None,
    sort: str | None = None,
) -> Listing[Device]:
    """Devices that match all filters, oldest first, or by ``sort``: ``create_time`` or ``name``, with ``-`` in front
    the other way. ``type``, ``groups``, ``gateway`` and ``customer`` are ids, ``tag`` is ``key`` or ``key:value``."""
    query = {
        "type": type,
        "groups": ",".join(groups) or None,
        "include_sub_groups": include_sub_groups,
        "keyword": keyword,
        "online": online,
        "tag": tag,
        "gateway": gateway,
        "customer": customer,
        "sort": sort,
    }
    return Listing(Call("GET", "/devices", Page[Device], query=query))


def create(
    name: str,
    *,
    descr: str | None = None,
    type: str | None = None,
    tags: Mapping[str, str] | None = None,
    device_key: str | None = None,
    gateway: str | None = None,
    sub_address: str | None = None,
) -> Call[Created]:
    """With ``gateway`` and ``sub_address`` it becomes a sub-device."""
    body = members(
        name=name, descr=descr, type=type, tags=tags, device_key=device_key, gateway=gateway, sub_address=sub_address
    )
    return Call("POST", "/device", Created, body)


def import_many(rows: Sequence[Mapping[str, Any]]) -> Call[Imported]:
    """Up to 10,000 devices; each row has the members of :func:`create`, and perhaps ``groups``, a list of ids, and
    ``customer``, an id."""
    return Call("POST", "/devices_import", Imported, {"devices": rows})


def read(device_id: str) -> Call[DeviceDetail]:
    return Call("GET", f"/device/{segment(device_id)}", DeviceDetail)


def delete(device_id: str) -> Call[Nothing]:
    return Call("DELETE", f"/device/{segment(device_id)}", Nothing)


def certificate(device_id: str) -> Call[DeviceCertificate]:
    return Call("GET", f"/device/{segment(device_id)}/certificate", DeviceCertificate)


def reset_certificate(device_id: str) -> Call[DeviceCertificate]:
    """The old certificate is void at once."""
    return Call("POST", f"/device/{segment(device_id)}/certificate_reset", DeviceCertificate)


def update_info(
    device_id: str, *, name: str | None = None, descr: str | None = None, device_key: str | None = None
) -> Call[Nothing]:
    """Changes what is given. An empty ``device_key`` takes the key away."""
    body = members(name=name, descr=descr, device_key=device_key)
    return Call("PUT", f"/device/{segment(device_id)}/info", Nothing, body)


def put_tags(device_id: str, tags: Mapping[str, str]) -> Call[Nothing]:
    return Call("PUT", f"/device/{segment(device_id)}/tags", Nothing, {"tags": tags})


def remove_tags(device_id: str, keys: Sequence[str]) -> Call[Nothing]:
    return Call("POST", f"/device/{segment(device_id)}/tags_remove", Nothing, {"keys": keys})


def change_type(device_id: str, type_id: str | None) -> Call[Nothing]:
    return Call("PUT", f"/device/{segment(device_id)}/type", Nothing, {"type": type_id})


def change_gateway(device_id: str, gateway: str | None, sub_address: str | None) -> Call[Nothing]:
    """Puts the device behind a gateway, or with None for both behind none."""
    body = {"gateway": gateway, "sub_address": sub_address}
    return Call("PUT", f"/device/{segment(device_id)}/gateway", Nothing, body)
