"""Alarm messages (告警记录): an alarm was raised, changed its level, or cleared."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import PageQuery, listed
from thingstead.api.project.alarms.alarms import TAG, Instant
from thingstead.errors import NotFound
from thingstead.model.alarms.alarm import AlarmFilter, AlarmLog
from thingstead.model.roles import VIEWER
from thingstead.services.shared.recorded_reasons import notice_reason
from thingstead.wire.alarms import AlarmDevice, AlarmItem
from thingstead.wire.common import Listed


class DeviceAlarmsQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list; all given filters must match."""

    level: Annotated[Literal[1, 2, 3], Meta(description="Extension: only of this level.")] | None = None
    status: Annotated[Literal[0, 1], Meta(description="Extension: 1: only raised, 0: only cleared.")] | None = None
    start_time: Annotated[Instant, Meta(description="Extension: the earliest create_time, in ms.")] | None = None
    end_time: Annotated[Instant, Meta(description="Extension: the latest create_time, in ms.")] | None = None
    start: Annotated[Instant, Meta(description="Extension: another name of start_time.")] | None = None
    end: Annotated[Instant, Meta(description="Extension: another name of end_time.")] | None = None
    rule: Annotated[str, Meta(description="Extension: only of this alarm rule (id).")] | None = None


class AlarmsQuery(DeviceAlarmsQuery, frozen=True, kw_only=True):
    """Filters of the list; all given filters must match."""

    device: Annotated[str, Meta(description="Extension: only of this device (id).")] | None = None
    alarm: Annotated[str, Meta(description="Extension: only of this alarm (id).")] | None = None


def _filter(query: DeviceAlarmsQuery) -> AlarmFilter:
    return AlarmFilter(
        device_id=query.device if isinstance(query, AlarmsQuery) else None,
        alarm_id=query.alarm if isinstance(query, AlarmsQuery) else None,
        rule_id=query.rule,
        alarm_level=query.level,
        alarm_status=query.status,
        start_time=query.start if query.start_time is None else query.start_time,
        end_time=query.end if query.end_time is None else query.end_time,
    )


def _item(log: AlarmLog) -> AlarmItem:
    return AlarmItem(
        id=log.id,
        device_id=log.device_id,
        alarm_status=log.alarm_status,
        alarm_level=log.alarm_level,
        alarm_info=log.alarm_info,
        create_time=log.create_time,
        notify_logs=[_with_code(attempt) for attempt in log.notify_logs],
        device=AlarmDevice(id=log.device_id, name=log.device_name),
        alarm_id=log.alarm_id,
        ts=log.ts,
    )


def _with_code(attempt: dict[str, Any]) -> dict[str, Any]:
    why = notice_reason(str(attempt.get("message", "")))
    return {**attempt, "code": why.code, "args": dict(why.args)}


async def alarm_logs(call: ApiCall) -> Listed[AlarmItem]:
    """Newest message first. A message records that an alarm was raised, changed its level (both status 1), or was
    cleared (status 0)."""
    page = call.query.to_page()
    logs, total = await call.platform.alarms.list_logs(call.caller.project_id, _filter(call.query), page)
    return listed([_item(log) for log in logs], total, page)


async def device_alarm_logs(call: ApiCall) -> Listed[AlarmItem]:
    """Newest message first."""
    page = call.query.to_page()
    logs, total = await call.platform.alarms.list_device_logs(
        call.caller.project_id, call.path["device_id"], _filter(call.query), page
    )
    return listed([_item(log) for log in logs], total, page)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/alarm_logs",
        summary="List alarm messages of the project",
        handler=alarm_logs,
        role=VIEWER,
        tag=TAG,
        query=AlarmsQuery,
        info=Listed[AlarmItem],
    ),
    Endpoint(
        method="GET",
        path="/api/v1/device/{device_id}/alarm_logs",
        scoped="alarms",
        summary="List alarm messages of a device",
        handler=device_alarm_logs,
        role=VIEWER,
        tag=TAG,
        query=DeviceAlarmsQuery,
        info=Listed[AlarmItem],
        refusals=(NotFound,),
    ),
)
