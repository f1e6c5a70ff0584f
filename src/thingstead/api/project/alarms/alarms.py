"""Alarm messages (设备告警) and what people do about alarms."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import PageQuery, listed
from thingstead.errors import Conflict, NotFound
from thingstead.model import limits
from thingstead.model.alarms.alarm import Alarm, AlarmFilter
from thingstead.model.roles import OPERATOR, VIEWER
from thingstead.wire.alarms import AlarmDevice, AlarmInfo
from thingstead.wire.common import Listed

TAG = "Alarms"
COMMON: Mapping[str, Any] = {"tag": TAG, "extension": True}
COMMENT_LENGTH = 1_000
Instant = Annotated[int, Meta(ge=0, le=limits.INSTANT_MS)]
Comment = Annotated[str, Meta(max_length=COMMENT_LENGTH, description="Kept with the alarm.")]
By = Annotated[str, Meta(max_length=limits.NAME_LENGTH, description="Name of the person; default: the caller.")]


class AlarmListQuery(PageQuery, frozen=True, kw_only=True):
    """Which alarms are wanted. Filters that are given must all match."""

    level: Annotated[Literal[1, 2, 3], Meta(description="Only of this level.")] | None = None
    status: Annotated[Literal[0, 1], Meta(description="1 only open, 0 only cleared.")] | None = None
    acknowledged: Annotated[bool, Meta(description="1 only acknowledged, 0 only others.")] | None = None
    device: Annotated[str, Meta(description="Only of this device (id).")] | None = None
    rule: Annotated[str, Meta(description="Only of this alarm rule (id).")] | None = None
    start_time: Annotated[Instant, Meta(description="Raised at this ms or later.")] | None = None
    end_time: Annotated[Instant, Meta(description="Raised at this ms or earlier.")] | None = None
    start: Annotated[Instant, Meta(description="Another name of start_time.")] | None = None
    end: Annotated[Instant, Meta(description="Another name of end_time.")] | None = None


class AlarmActionBody(msgspec.Struct, frozen=True, kw_only=True):
    """Who does it, and why. The body may be left out."""

    by: By = ""
    comment: Comment = ""


class AlarmCommentBody(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to say."""

    by: By = ""
    comment: Annotated[str, Meta(min_length=1, max_length=COMMENT_LENGTH)]


class AlarmShelveBody(AlarmActionBody, frozen=True, kw_only=True):
    """Until when. One of `until` and `for_ms`."""

    until: Annotated[Instant, Meta(description="The end of the shelving, in ms; at most a year ahead.")] | None = None
    for_ms: Annotated[int, Meta(ge=1, description="How long to shelve, from now on.")] | None = None


def _shown(alarm: Alarm) -> AlarmInfo:
    return AlarmInfo(
        id=alarm.id,
        device_id=alarm.device_id,
        device=AlarmDevice(id=alarm.device_id, name=alarm.device_name),
        rule_id=alarm.rule_id,
        rule_name=alarm.rule_name,
        alarm_status=1 if alarm.cleared_at is None else 0,
        alarm_level=alarm.alarm_level,
        raised_at=alarm.raised_at,
        cleared_at=UNSET if alarm.cleared_at is None else alarm.cleared_at,
        clear_reason=alarm.clear_reason or UNSET,
        acknowledged_at=UNSET if alarm.acknowledged_at is None else alarm.acknowledged_at,
        acknowledged_by=alarm.acknowledged_by or UNSET,
        shelved_until=UNSET if alarm.shelved_until is None else alarm.shelved_until,
        comments=list(alarm.comments),
    )


async def _by(call: ApiCall) -> str:
    """Who does something: as the body says, else the administrator's account, else the application."""
    if call.body.by.strip():
        return str(call.body.by)
    if call.caller.admin_id is None:
        return f"application {call.caller.app_id}"
    administrator = await call.platform.accounts.get_administrator(call.caller.project_id, call.caller.admin_id)
    return administrator.account


async def alarms(call: ApiCall) -> Listed[AlarmInfo]:
    """Alarms, the newest raised first. At most one is open per rule and device."""
    query: AlarmListQuery = call.query
    page = query.to_page()
    alarm_filter = AlarmFilter(
        device_id=query.device,
        rule_id=query.rule,
        alarm_level=query.level,
        alarm_status=query.status,
        acknowledged=query.acknowledged,
        start_time=query.start if query.start_time is None else query.start_time,
        end_time=query.end if query.end_time is None else query.end_time,
    )
    found, total = await call.platform.alarms.list_alarms(call.caller.project_id, alarm_filter, page)
    return listed([_shown(alarm) for alarm in found], total, page)


async def alarm(call: ApiCall) -> AlarmInfo:
    """The id is that of the alarm, or of one of its messages."""
    return _shown(await call.platform.alarms.get(call.caller.project_id, call.path["alarm_id"]))


async def acknowledge(call: ApiCall) -> AlarmInfo:
    """Records that a person has seen the alarm. It stays open until it clears. Only the first acknowledgement is
    recorded."""
    project_id, alarm_id = call.caller.project_id, call.path["alarm_id"]
    return _shown(await call.platform.alarms.acknowledge(project_id, alarm_id, await _by(call), call.body.comment))


async def shelve(call: ApiCall) -> AlarmInfo:
    """Suppresses the notices of the alarm's rule on its device until an instant; alarms are raised and cleared as
    usual. If an alarm is open at the end, a notice is sent then."""
    body: AlarmShelveBody = call.body
    project_id, alarm_id = call.caller.project_id, call.path["alarm_id"]
    by = await _by(call)
    shelved = await call.platform.alarms.shelve(
        project_id, alarm_id, by, until=body.until, for_ms=body.for_ms, comment=body.comment
    )
    return _shown(shelved)


async def unshelve(call: ApiCall) -> AlarmInfo:
    """Ends the shelving at once."""
    project_id, alarm_id = call.caller.project_id, call.path["alarm_id"]
    return _shown(await call.platform.alarms.unshelve(project_id, alarm_id, await _by(call), call.body.comment))


async def clear(call: ApiCall) -> AlarmInfo:
    """Clears an open alarm by hand. If its condition still holds, a new alarm is raised by the next value (at once for
    `no_data_ms` and `offline_ms`), after the delays of the rule."""
    project_id, alarm_id = call.caller.project_id, call.path["alarm_id"]
    return _shown(await call.platform.alarms.clear(project_id, alarm_id, await _by(call), call.body.comment))


async def comment(call: ApiCall) -> AlarmInfo:
    """Adds a comment; an alarm has up to 100."""
    project_id, alarm_id = call.caller.project_id, call.path["alarm_id"]
    return _shown(await call.platform.alarms.comment(project_id, alarm_id, await _by(call), call.body.comment))


def _action(name: str, summary: str, handler: Any, body: type[msgspec.Struct] = AlarmActionBody) -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"/api/v1/alarm/{{alarm_id}}/{name}",
        summary=summary,
        handler=handler,
        role=OPERATOR,
        body=body,
        body_optional=body is AlarmActionBody,
        info=AlarmInfo,
        refusals=(NotFound, Conflict),
        **COMMON,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/alarms",
        summary="List alarms",
        handler=alarms,
        role=VIEWER,
        query=AlarmListQuery,
        info=Listed[AlarmInfo],
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/alarm/{alarm_id}",
        summary="Read an alarm",
        handler=alarm,
        role=VIEWER,
        info=AlarmInfo,
        refusals=(NotFound,),
        **COMMON,
    ),
    _action("acknowledge", "Acknowledge an alarm", acknowledge),
    _action("shelve", "Shelve an alarm", shelve, AlarmShelveBody),
    _action("unshelve", "Unshelve an alarm", unshelve),
    _action("clear", "Clear an alarm by hand", clear),
    _action("comment", "Comment on an alarm", comment, AlarmCommentBody),
)
