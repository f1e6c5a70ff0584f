"""Alarm messages."""

from typing import Any

import msgspec

from thingstead.client.call import Call, Listing, Page
from thingstead.client.http import segment


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


def of_project(
    *,
    device: str | None = None,
    level: int | None = None,
    status: int | None = None,
    start: int | None = None,
    end: int | None = None,
) -> Listing[AlarmLog]:
    """Newest first; filters that are given must all match."""
    query = {"device": device, "level": level, "status": status, "start": start, "end": end}
    return Listing(Call("GET", "/alarm_logs", Page[AlarmLog], query=query))


def of_device(
    device_id: str,
    *,
    level: int | None = None,
    status: int | None = None,
    start: int | None = None,
    end: int | None = None,
) -> Listing[AlarmLog]:
    """Newest first; filters that are given must all match."""
    query = {"level": level, "status": status, "start": start, "end": end}
    return Listing(Call("GET", f"/device/{segment(device_id)}/alarm_logs", Page[AlarmLog], query=query))
