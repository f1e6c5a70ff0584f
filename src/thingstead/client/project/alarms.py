"""Alarms and their messages."""

from typing import Any

from thingstead.client.call import Call, Listing, members
from thingstead.client.http import segment
from thingstead.wire.alarms import AlarmInfo, AlarmItem
from thingstead.wire.common import Listed


def of_project(
    *,
    device: str | None = None,
    level: int | None = None,
    status: int | None = None,
    start: int | None = None,
    end: int | None = None,
    rule: str | None = None,
) -> Listing[AlarmItem]:
    """Newest first; filters that are given must all match."""
    query = {"device": device, "level": level, "status": status, "start": start, "end": end, "rule": rule}
    return Listing(Call("GET", "/alarm_logs", Listed[AlarmItem], query=query))


def of_device(
    device_id: str,
    *,
    level: int | None = None,
    status: int | None = None,
    start: int | None = None,
    end: int | None = None,
    rule: str | None = None,
) -> Listing[AlarmItem]:
    """Newest first; filters that are given must all match."""
    query = {"rule": rule, "level": level, "status": status, "start": start, "end": end}
    return Listing(Call("GET", f"/device/{segment(device_id)}/alarm_logs", Listed[AlarmItem], query=query))


def list_alarms(
    *,
    level: int | None = None,
    status: int | None = None,
    acknowledged: bool | None = None,
    device: str | None = None,
    rule: str | None = None,
    start: int | None = None,
    end: int | None = None,
) -> Listing[AlarmInfo]:
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
    return Listing(Call("GET", "/alarms", Listed[AlarmInfo], query=query))


def read(alarm_id: str) -> Call[AlarmInfo]:
    return Call("GET", f"/alarm/{segment(alarm_id)}", AlarmInfo)


def acknowledge(alarm_id: str, *, by: str | None = None, comment: str | None = None) -> Call[AlarmInfo]:
    """``by``: who says so; None: the caller."""
    return _act(alarm_id, "acknowledge", by=by, comment=comment)


def clear(alarm_id: str, *, by: str | None = None, comment: str | None = None) -> Call[AlarmInfo]:
    """Clears an open alarm by hand; it comes back while its condition still holds."""
    return _act(alarm_id, "clear", by=by, comment=comment)


def add_comment(alarm_id: str, comment: str, *, by: str | None = None) -> Call[AlarmInfo]:
    return _act(alarm_id, "comment", by=by, comment=comment)


def shelve(
    alarm_id: str,
    *,
    until: int | None = None,
    for_ms: int | None = None,
    by: str | None = None,
    comment: str | None = None,
) -> Call[AlarmInfo]:
    """Silences notices until an instant (ms), or for a time."""
    return _act(alarm_id, "shelve", until=until, for_ms=for_ms, by=by, comment=comment)


def unshelve(alarm_id: str, *, by: str | None = None, comment: str | None = None) -> Call[AlarmInfo]:
    return _act(alarm_id, "unshelve", by=by, comment=comment)


def _act(alarm_id: str, verb: str, **given: Any) -> Call[AlarmInfo]:
    return Call("POST", f"/alarm/{segment(alarm_id)}/{verb}", AlarmInfo, members(**given))
