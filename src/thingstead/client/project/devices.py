"""The registry of devices."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.client.call import Call, Listing, members
from thingstead.client.http import segment
from thingstead.model.device import AlarmFilter, DeviceSort
from thingstead.wire.common import Created, Empty
from thingstead.wire.devices import (
    DeviceCredential,
    DeviceDetail,
    DeviceItem,
    ListedDevices,
)
from thingstead.wire.imports import ImportInfo


def search(
    *,
    type: str | None = None,
    groups: Sequence[str] = (),
    include_sub_groups: bool | None = None,
    keyword: str | None = None,
    online: bool | None = None,
    active: bool | None = None,
    alarm_level: AlarmFilter | None = None,
    tag: str | Sequence[str] | None = None,
    gateway: str | None = None,
    customer: str | None = None,
    conn_type: str | None = None,
    protocol: str | None = None,
    ids: Sequence[str] = (),
    not_type: Sequence[str] = (),
    not_group: Sequence[str] = (),
    not_customer: Sequence[str] = (),
    not_gateway: Sequence[str] = (),
    not_tag: Sequence[str] = (),
    not_alarm_level: AlarmFilter | None = None,
    sort: DeviceSort | None = None,
    attributes: Sequence[str] = (),
    facets: Sequence[str] = (),
) -> Listing[DeviceItem]:
    """Devices that match all filters, oldest first, or by ``sort``.

    ``type``, ``groups``, ``gateway``, ``customer`` and their opposites with ``not_`` are ids; a tag is ``key`` or
    ``key:value``. ``attributes`` are the identifiers whose current values the items have as ``values``. The counts of
    ``facets`` are in ``ListedDevices.facets`` of the first page: ``run(search(…).page(1))``.
    """
    query = {
        "type": type,
        "groups": _joined(groups),
        "include_sub_groups": include_sub_groups,
        "keyword": keyword,
        "online": online,
        "active": active,
        "alarm_level": alarm_level,
        "tag": [tag] if isinstance(tag, str) else tag,
        "gateway": gateway,
        "customer": customer,
        "conn_type": conn_type,
        "protocol": protocol,
        "ids": _joined(ids),
        "not_type": _joined(not_type),
        "not_group": _joined(not_group),
        "not_customer": _joined(not_customer),
        "not_gateway": _joined(not_gateway),
        "not_tag": list(not_tag) or None,
        "not_alarm_level": not_alarm_level,
        "sort": sort,
        "attributes": _joined(attributes),
        "facets": _joined(facets),
    }
    return Listing(Call("GET", "/devices", ListedDevices, query=query))


def _joined(names: Sequence[str]) -> str | None:
    return ",".join(names) or None


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
    """Creates a device; with ``gateway`` and ``sub_address`` a sub-device."""
    body = members(
        name=name, descr=descr, type=type, tags=tags, device_key=device_key, gateway=gateway, sub_address=sub_address
    )
    return Call("POST", "/device", Created, body)


def import_many(rows: Sequence[Mapping[str, Any]]) -> Call[ImportInfo]:
    """Creates up to 10,000 devices. Each row has the members of :func:`create`, and optionally ``groups``, a list of
    ids, and ``customer``, an id."""
    return Call("POST", "/devices_import", ImportInfo, {"devices": rows})


def read(device_id: str) -> Call[DeviceDetail]:
    """One device."""
    return Call("GET", f"/device/{segment(device_id)}", DeviceDetail)


def delete(device_id: str) -> Call[Empty]:
    """Removes a device with its values, history and logs."""
    return Call("DELETE", f"/device/{segment(device_id)}", Empty)


def certificate(device_id: str) -> Call[DeviceCredential]:
    """The certificate of a device."""
    return Call("GET", f"/device/{segment(device_id)}/certificate", DeviceCredential)


def reset_certificate(device_id: str) -> Call[DeviceCredential]:
    """Creates a new certificate; the old one becomes invalid at once."""
    return Call("POST", f"/device/{segment(device_id)}/certificate_reset", DeviceCredential)


def update_info(
    device_id: str,
    *,
    name: str | None = None,
    descr: str | None = None,
    device_key: str | None = None,
    version: int | None = None,
) -> Call[Empty]:
    """Changes the given members. An empty ``device_key`` removes the key."""
    body = members(name=name, descr=descr, device_key=device_key, version=version)
    return Call("PUT", f"/device/{segment(device_id)}/info", Empty, body)


def put_tags(device_id: str, tags: Mapping[str, str]) -> Call[Empty]:
    """Adds or replaces tags; others stay."""
    return Call("PUT", f"/device/{segment(device_id)}/tags", Empty, {"tags": tags})


def remove_tags(device_id: str, keys: Sequence[str]) -> Call[Empty]:
    """Removes tags by key."""
    return Call("POST", f"/device/{segment(device_id)}/tags_remove", Empty, {"keys": keys})


def change_type(device_id: str, type_id: str | None, *, version: int | None = None) -> Call[Empty]:
    """Changes the type of a device; None: no type."""
    body = {"type": type_id, **members(version=version)}
    return Call("PUT", f"/device/{segment(device_id)}/type", Empty, body)


def change_gateway(
    device_id: str, gateway: str | None, sub_address: str | None, *, version: int | None = None
) -> Call[Empty]:
    """Attaches the device to a gateway; None for both detaches it."""
    body = {"gateway": gateway, "sub_address": sub_address, **members(version=version)}
    return Call("PUT", f"/device/{segment(device_id)}/gateway", Empty, body)
