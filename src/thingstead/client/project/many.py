"""One change of many devices, and the jobs of changes of very many."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.client.call import Call, members
from thingstead.client.http import segment
from thingstead.wire.bulk import BulkInfo, JobDetail, JobInfo
from thingstead.wire.common import Listed

Devices = Sequence[str] | None
Filter = Mapping[str, Any] | None
"""What :func:`thingstead.client.project.devices.search` takes, in the words of the query of ``GET /devices``."""


def _change(path: str, devices: Devices, filter: Filter, total: int | None, **what: Any) -> Call[BulkInfo]:
    chosen = members(devices=devices, filter=filter, total=total)
    return Call("POST", path, BulkInfo, {**chosen, **what})


def put_tags(
    tags: Mapping[str, str], *, devices: Devices = None, filter: Filter = None, total: int | None = None
) -> Call[BulkInfo]:
    """Adds or replaces tags of ``devices``, or of all devices that match ``filter``, whose number must be ``total``.
    All functions of this module select devices in this way. For more than 1,000 devices the answer has the id of a
    ``job``."""
    return _change("/devices_tags", devices, filter, total, tags=tags)


def remove_tags(
    keys: Sequence[str], *, devices: Devices = None, filter: Filter = None, total: int | None = None
) -> Call[BulkInfo]:
    """Removes tags by key."""
    return _change("/devices_tags_remove", devices, filter, total, keys=keys)


def change_type(
    type: str | None, *, devices: Devices = None, filter: Filter = None, total: int | None = None
) -> Call[BulkInfo]:
    """Moves devices to a device type (id), or to none."""
    return _change("/devices_type", devices, filter, total, type=type)


def join_groups(
    groups: Sequence[str], *, devices: Devices = None, filter: Filter = None, total: int | None = None
) -> Call[BulkInfo]:
    """Adds devices to groups (ids)."""
    return _change("/devices_groups", devices, filter, total, groups=groups)


def leave_groups(
    groups: Sequence[str], *, devices: Devices = None, filter: Filter = None, total: int | None = None
) -> Call[BulkInfo]:
    """Removes devices from groups (ids)."""
    return _change("/devices_groups_remove", devices, filter, total, groups=groups)


def bind_customer(
    customer: str | None, *, devices: Devices = None, filter: Filter = None, total: int | None = None
) -> Call[BulkInfo]:
    """Binds devices to a customer (id), or to none."""
    return _change("/devices_customer", devices, filter, total, customer=customer)


def remove(*, devices: Devices = None, filter: Filter = None, total: int | None = None) -> Call[BulkInfo]:
    """Removes devices with their history."""
    return _change("/devices_remove", devices, filter, total)


def send_commands(
    method: str,
    params: Mapping[str, Any] | None = None,
    *,
    id: int | None = None,
    wait_ms: int | None = None,
    devices: Devices = None,
    filter: Filter = None,
    total: int | None = None,
) -> Call[BulkInfo]:
    """Sends a command to each device. Offline devices are refused, unless ``wait_ms`` allows the command to wait."""
    body = members(method=method, params=params, id=id, wait_ms=wait_ms)
    return _change("/control/devices/command", devices, filter, total, **body)


def push_attributes(
    attributes: Mapping[str, Any], *, devices: Devices = None, filter: Filter = None, total: int | None = None
) -> Call[BulkInfo]:
    """Pushes attributes to each device."""
    return _change("/control/devices/attributes", devices, filter, total, attributes=attributes)


def list_jobs(page: int = 1, page_records: int | None = None) -> Call[Listed[JobInfo]]:
    """Jobs of the project, newest first."""
    return Call("GET", "/jobs", Listed[JobInfo], query={"page": page, "page_records": page_records})


def get_job(job: str) -> Call[JobDetail]:
    """Progress of a job, and the devices that it could not change."""
    return Call("GET", f"/job/{segment(job)}", JobDetail)


def cancel_job(job: str) -> Call[JobInfo]:
    """Ends a job; devices that were processed stay changed."""
    return Call("POST", f"/job/{segment(job)}/cancel", JobInfo)
