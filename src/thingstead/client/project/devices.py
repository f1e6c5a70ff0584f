"""The registry of devices."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.client.call import Call, Listing, members
from thingstead.client.http import segment
from thingstead.wire.common import Created, Empty, Listed
from thingstead.wire.devices import (
    DeviceCredential,
    DeviceDetail,
    DeviceItem,
)
from thingstead.wire.imports import ImportInfo


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
) -> Listing[DeviceItem]:
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
    return Listing(Call("GET", "/devices", Listed[DeviceItem], query=query))


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


def import_many(rows: Sequence[Mapping[str, Any]]) -> Call[ImportInfo]:
    """Up to 10,000 devices; each row has the members of :func:`create`, and perhaps ``groups``, a list of ids, and
    ``customer``, an id."""
    return Call("POST", "/devices_import", ImportInfo, {"devices": rows})


def read(device_id: str) -> Call[DeviceDetail]:
    return Call("GET", f"/device/{segment(device_id)}", DeviceDetail)


def delete(device_id: str) -> Call[Empty]:
    return Call("DELETE", f"/device/{segment(device_id)}", Empty)


def certificate(device_id: str) -> Call[DeviceCredential]:
    return Call("GET", f"/device/{segment(device_id)}/certificate", DeviceCredential)


def reset_certificate(device_id: str) -> Call[DeviceCredential]:
    """The old certificate is void at once."""
    return Call("POST", f"/device/{segment(device_id)}/certificate_reset", DeviceCredential)


def update_info(
    device_id: str, *, name: str | None = None, descr: str | None = None, device_key: str | None = None
) -> Call[Empty]:
    """Changes what is given. An empty ``device_key`` takes the key away."""
    body = members(name=name, descr=descr, device_key=device_key)
    return Call("PUT", f"/device/{segment(device_id)}/info", Empty, body)


def put_tags(device_id: str, tags: Mapping[str, str]) -> Call[Empty]:
    return Call("PUT", f"/device/{segment(device_id)}/tags", Empty, {"tags": tags})


def remove_tags(device_id: str, keys: Sequence[str]) -> Call[Empty]:
    return Call("POST", f"/device/{segment(device_id)}/tags_remove", Empty, {"keys": keys})


def change_type(device_id: str, type_id: str | None) -> Call[Empty]:
    return Call("PUT", f"/device/{segment(device_id)}/type", Empty, {"type": type_id})


def change_gateway(device_id: str, gateway: str | None, sub_address: str | None) -> Call[Empty]:
    """Puts the device behind a gateway, or with None for both behind none."""
    body = {"gateway": gateway, "sub_address": sub_address}
    return Call("PUT", f"/device/{segment(device_id)}/gateway", Empty, body)
