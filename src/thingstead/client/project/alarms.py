"""Alarms and their messages."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.client.call import Call, Listing, Page, members
from thingstead.client.http import segment
from thingstead.model.alarms.alarm import AlarmComment


class AlarmDevice(msgspec.Struct, frozen=True, kw_only=True):
    """The device of an alarm message."""

    id: str
    name: str


class AlarmLog(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm message."""

    id: str
    device_id: str
    alarm_status: int  # 1 raised, 0 cleared
    alarm_level: int  # 1 normal, 2 serious, 3 urgent
    alarm_info: dict[str, Any]
    create_time: int  # ms
    notify_logs: list[dict[str, Any]]
    device: AlarmDevice
    alarm_id: str  # the alarm that it is about
    ts: int  # ms, when it happened, by the device's timestamps


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm from its raising on."""

    id: str
    device_id: str
    device: AlarmDevice
    rule_id: str
    rule_name: str
    alarm_status: int  # 1 open, 0 cleared
    alarm_level: int
    raised_at: int  # ms
    cleared_at: int | UnsetType = UNSET  # ms
    clear_reason: str | UnsetType = UNSET
    acknowledged_at: int | UnsetType = UNSET  # ms
    acknowledged_by: str | UnsetType = UNSET
    shelved_until: int | UnsetType = UNSET  # ms
    comments: list[AlarmComment]


def of_project(
    *,
    device: str | None = None,
    level: int | None = None,
    status: int | None = None,
    start: int | None = None,
    end: int | None = None,
    rule: str | None = None,
) -> Listing[AlarmLog]:
    """Newest first; filters that are given must all match."""
    query = {"device": device, "level": level, "status": status, "start": start, "end": end, "rule": rule}
    return Listing(Call("GET", "/alarm_logs", Page[AlarmLog], query=query))


def of_device(
    device_id: str,
    *,
    level: int | None = None,
    status: int | None = None,
    start: int | None = None,
    end: int | None = None,
    rule: str | None = None,
) -> Listing[AlarmLog]:
    """Newest first; filters that are given must all match."""
    query = {"rule": rule, "level": level, "status": status, "start": start, "end": end}
    return Listing(Call("GET", f"/device/{segment(device_id)}/alarm_logs", Page[AlarmLog], query=query))


def list_alarms(
    *,
    level: int | None = None,
    status: int | None = None,
    acknowledged: bool | None = None,
    device: str | None = None,
    rule: str | None = None,
    start: int | None = None,
    end: int | None = None,
) -> Listing[Alarm]:
    """Newest raised first; filters that are given must all match."""
    query = {
        "level": level,
        "status": status,
        "acknowledged": acknowledged,
        "device": device,
        "rule": rule,
        "start": start,
        "end": end,
    }
    return Listing(Call("GET", "/alarms", Page[Alarm], query=query))


def read(alarm_id: str) -> Call[Alarm]:
    return Call("GET", f"/alarm/{segment(alarm_id)}", Alarm)


def acknowledge(alarm_id: str, *, by: str | None = None, comment: str | None = None) -> Call[Alarm]:
    """``by``: who says so; None: the caller."""
    return _act(alarm_id, "acknowledge", by=by, comment=comment)


def clear(alarm_id: str, *, by: str | None = None, comment: str | None = None) -> Call[Alarm]:
    """Clears an open alarm by hand; it comes back while its condition still holds."""
    return _act(alarm_id, "clear", by=by, comment=comment)


def add_comment(alarm_id: str, comment: str, *, by: str | None = None) -> Call[Alarm]:
    return _act(alarm_id, "comment", by=by, comment=comment)


def shelve(
    alarm_id: str,
    *,
    until: int | None = None,
    for_ms: int | None = None,
    by: str | None = None,
    comment: str | None = None,
) -> Call[Alarm]:
    """Silences notices until an instant (ms), or for a time."""
    return _act(alarm_id, "shelve", until=until, for_ms=for_ms, by=by, comment=comment)


def unshelve(alarm_id: str, *, by: str | None = None, comment: str | None = None) -> Call[Alarm]:
    return _act(alarm_id, "unshelve", by=by, comment=comment)


def _act(alarm_id: str, verb: str, **given: Any) -> Call[Alarm]:
    return Call("POST", f"/alarm/{segment(alarm_id)}/{verb}", Alarm, members(**given))
