"""Alarms and their messages."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.client.call import Call, Listing, members
from thingstead.client.http import segment
from thingstead.model.alarms.alarm import AlarmsStat
from thingstead.wire.alarms import AlarmInfo, AlarmItem, AlarmResults
from thingstead.wire.common import Listed


def of_project(
    *,
    device: str | None = None,
    level: int | None = None,
    status: int | None = None,
    start: int | None = None,
    end: int | None = None,
    rule: str | None = None,
    alarm: str | None = None,
) -> Listing[AlarmItem]:
    """Alarm messages, newest first; all given filters must match."""
    query = {"device": device, "level": level, "status": status, "start": start, "end": end}
    query |= {"rule": rule, "alarm": alarm}
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
    """Alarm messages of a device, newest first; all given filters must match."""
    query = {"rule": rule, "level": level, "status": status, "start": start, "end": end}
    return Listing(Call("GET", f"/device/{segment(device_id)}/alarm_logs", Listed[AlarmItem], query=query))


def list_alarms(
    *,
    level: int | None = None,
    status: int | None = None,
    attention: bool | None = None,
    acknowledged: bool | None = None,
    device: str | None = None,
    rule: str | None = None,
    type: str | None = None,
    group: str | None = None,
    keyword: str | None = None,
    start: int | None = None,
    end: int | None = None,
    cleared_start: int | None = None,
    cleared_end: int | None = None,
) -> Listing[AlarmInfo]:
    """Alarms, newest ``raised_at`` first; all given filters must match."""
    query = {
        "level": level,
        "status": status,
        "attention": attention,
        "acknowledged": acknowledged,
        "device": device,
        "rule": rule,
        "type": type,
        "group": group,
        "keyword": keyword,
        "start": start,
        "end": end,
        "cleared_start": cleared_start,
        "cleared_end": cleared_end,
    }
    return Listing(Call("GET", "/alarms", Listed[AlarmInfo], query=query))


def stat() -> Call[AlarmsStat]:
    """Open and unacknowledged alarms by level, and those raised by hour of the last day."""
    return Call("GET", "/alarms_stat", AlarmsStat)


def read(alarm_id: str) -> Call[AlarmInfo]:
    """One alarm, by its id or by that of one of its messages."""
    return Call("GET", f"/alarm/{segment(alarm_id)}", AlarmInfo)


def acknowledge(alarm_id: str, *, by: str | None = None, comment: str | None = None) -> Call[AlarmInfo]:
    """Acknowledges an alarm; ``by`` is the name of the person, default: the caller."""
    return _act(alarm_id, "acknowledge", by=by, comment=comment)


def clear(alarm_id: str, *, by: str | None = None, comment: str | None = None) -> Call[AlarmInfo]:
    """Clears an open alarm by hand; a new one is raised if its condition still holds."""
    return _act(alarm_id, "clear", by=by, comment=comment)


def add_comment(alarm_id: str, comment: str, *, by: str | None = None) -> Call[AlarmInfo]:
    """Adds a comment to an alarm."""
    return _act(alarm_id, "comment", by=by, comment=comment)


def shelve(
    alarm_id: str,
    *,
    until: int | None = None,
    for_ms: int | None = None,
    by: str | None = None,
    comment: str | None = None,
) -> Call[AlarmInfo]:
    """Suppresses notices until an instant (ms), or for a time (ms)."""
    return _act(alarm_id, "shelve", until=until, for_ms=for_ms, by=by, comment=comment)


def unshelve(alarm_id: str, *, by: str | None = None, comment: str | None = None) -> Call[AlarmInfo]:
    """Ends the shelving of an alarm at once."""
    return _act(alarm_id, "unshelve", by=by, comment=comment)


def acknowledge_many(
    *,
    ids: Sequence[str] | None = None,
    filter: Mapping[str, Any] | None = None,
    by: str | None = None,
    comment: str | None = None,
) -> Call[AlarmResults]:
    """Acknowledges up to 1,000 alarms: those with ``ids``, or those that ``GET /alarms`` lists with ``filter``."""
    return _act_on_many("acknowledge", ids=ids, filter=filter, by=by, comment=comment)


def clear_many(
    *,
    ids: Sequence[str] | None = None,
    filter: Mapping[str, Any] | None = None,
    by: str | None = None,
    comment: str | None = None,
) -> Call[AlarmResults]:
    """Clears up to 1,000 alarms by hand, selected as in :func:`acknowledge_many`."""
    return _act_on_many("clear", ids=ids, filter=filter, by=by, comment=comment)


def shelve_many(
    *,
    ids: Sequence[str] | None = None,
    filter: Mapping[str, Any] | None = None,
    until: int | None = None,
    for_ms: int | None = None,
    by: str | None = None,
    comment: str | None = None,
) -> Call[AlarmResults]:
    """Suppresses notices of up to 1,000 alarms until an instant (ms), or for a time (ms)."""
    return _act_on_many("shelve", ids=ids, filter=filter, until=until, for_ms=for_ms, by=by, comment=comment)


def unshelve_many(
    *,
    ids: Sequence[str] | None = None,
    filter: Mapping[str, Any] | None = None,
    by: str | None = None,
    comment: str | None = None,
) -> Call[AlarmResults]:
    """Ends the shelving of up to 1,000 alarms, selected as in :func:`acknowledge_many`."""
    return _act_on_many("unshelve", ids=ids, filter=filter, by=by, comment=comment)


def _act_on_many(verb: str, **given: Any) -> Call[AlarmResults]:
    return Call("POST", f"/alarms_{verb}", AlarmResults, members(**given))


def _act(alarm_id: str, verb: str, **given: Any) -> Call[AlarmInfo]:
    return Call("POST", f"/alarm/{segment(alarm_id)}/{verb}", AlarmInfo, members(**given))
