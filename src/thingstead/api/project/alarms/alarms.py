"""Alarm messages (设备告警) and what people do about alarms."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta

from thingstead.api.endpoint import OPERATOR_NAME, ApiCall, Endpoint
from thingstead.api.fields import PageQuery, listed
from thingstead.errors import Conflict, NotFound
from thingstead.model import limits
from thingstead.model.alarms.alarm import Alarm, AlarmFilter, AlarmsStat, AlarmVerb
from thingstead.model.roles import OPERATOR, VIEWER
from thingstead.services.shared.recorded_reasons import clear_reason
from thingstead.wire.alarms import AlarmDevice, AlarmInfo
from thingstead.wire.common import Listed

TAG = "Alarms"
COMMON: Mapping[str, Any] = {"tag": TAG, "extension": True}
COMMENT_LENGTH = 1_000
Instant = Annotated[int, Meta(ge=0, le=limits.INSTANT_MS)]
Comment = Annotated[str, Meta(max_length=COMMENT_LENGTH, description="Stored with the alarm.")]
By = Annotated[
    str,
    Meta(
        max_length=limits.NAME_LENGTH,
        description="Name of the person if an application calls; ignored for an administrator, whose account is used.",
    ),
]
# Filters of a list of alarms
OfLevel = Annotated[Literal[1, 2, 3], Meta(description="Only of this level.")] | None
OfStatus = Annotated[Literal[0, 1], Meta(description="1: only open alarms, 0: only cleared ones.")] | None
Attention = Annotated[bool, Meta(description="1: only open or unacknowledged alarms, 0: only the others.")] | None
Acknowledged = Annotated[bool, Meta(description="1: only acknowledged alarms, 0: only the others.")] | None
OfDevice = Annotated[str, Meta(description="Only of this device (id).")] | None
OfRule = Annotated[str, Meta(description="Only of this alarm rule (id).")] | None
OfType = Annotated[str, Meta(description="Only of devices of this device type (id).")] | None
OfGroup = Annotated[str, Meta(description="Only of devices in this group (id).")] | None
Keyword = (
    Annotated[
        str,
        Meta(
            max_length=limits.KEYWORD_LENGTH,
            description="Part of the name of the rule, or of the name, descr, device_key or id of the device, in any"
            " case.",
        ),
    ]
    | None
)
RaisedFrom = Annotated[Instant, Meta(description="Raised at or after this instant, in ms.")] | None
RaisedTo = Annotated[Instant, Meta(description="Raised at or before this instant, in ms.")] | None
ClearedFrom = Annotated[Instant, Meta(description="Cleared at or after this instant, in ms.")] | None
ClearedTo = Annotated[Instant, Meta(description="Cleared at or before this instant, in ms.")] | None


class AlarmListQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list; all given filters must match."""

    level: OfLevel = None
    status: OfStatus = None
    attention: Attention = None
    acknowledged: Acknowledged = None
    device: OfDevice = None
    rule: OfRule = None
    type: OfType = None
    group: OfGroup = None
    keyword: Keyword = None
    start_time: RaisedFrom = None
    end_time: RaisedTo = None
    start: Annotated[Instant, Meta(description="Another name of start_time.")] | None = None
    end: Annotated[Instant, Meta(description="Another name of end_time.")] | None = None
    cleared_start: ClearedFrom = None
    cleared_end: ClearedTo = None


class AlarmSelection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters as of `GET /alarms`: selects the same alarms."""

    level: OfLevel = None
    status: OfStatus = None
    attention: Attention = None
    acknowledged: Acknowledged = None
    device: OfDevice = None
    rule: OfRule = None
    type: OfType = None
    group: OfGroup = None
    keyword: Keyword = None
    start_time: RaisedFrom = None
    end_time: RaisedTo = None
    cleared_start: ClearedFrom = None
    cleared_end: ClearedTo = None


def filter_of(given: AlarmListQuery | AlarmSelection) -> AlarmFilter:
    """The filter of the store for these filters."""
    start, end = given.start_time, given.end_time
    if isinstance(given, AlarmListQuery):
        start, end = given.start if start is None else start, given.end if end is None else end
    return AlarmFilter(
        device_id=given.device,
        rule_id=given.rule,
        alarm_level=given.level,
        alarm_status=given.status,
        acknowledged=given.acknowledged,
        attention=given.attention,
        type_id=given.type,
        group_id=given.group,
        keyword=given.keyword,
        start_time=start,
        end_time=end,
        cleared_start=given.cleared_start,
        cleared_end=given.cleared_end,
    )


class AlarmActionBody(msgspec.Struct, frozen=True, kw_only=True):
    """The person, and a comment. The body may be omitted."""

    by: By = ""
    comment: Comment = ""


class AlarmCommentBody(msgspec.Struct, frozen=True, kw_only=True):
    """The comment."""

    by: By = ""
    comment: Annotated[str, Meta(min_length=1, max_length=COMMENT_LENGTH)]


class AlarmShelveBody(AlarmActionBody, frozen=True, kw_only=True):
    """The end of the shelving: one of `until` and `for_ms`."""

    until: Annotated[Instant, Meta(description="The end of the shelving, in ms; at most a year ahead.")] | None = None
    for_ms: Annotated[int, Meta(ge=1, description="How long to shelve, from now on.")] | None = None


def _shown(alarm: Alarm) -> AlarmInfo:
    why = clear_reason(alarm.clear_reason)
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
        clear_code=why.code or UNSET,
        clear_args=dict(why.args) if why.code else UNSET,
        acknowledged_at=UNSET if alarm.acknowledged_at is None else alarm.acknowledged_at,
        acknowledged_by=alarm.acknowledged_by or UNSET,
        shelved_until=UNSET if alarm.shelved_until is None else alarm.shelved_until,
        comments=list(alarm.comments),
        alarm_info=alarm.alarm_info,
    )


async def person(call: ApiCall) -> str:
    """Name of the person: the administrator's account; for an application or the operator of the server the name in the
    body, otherwise the AppID, or ``operator``."""
    if call.caller.admin_id is not None:
        administrator = await call.platform.accounts.get_administrator(call.caller.project_id, call.caller.admin_id)
        return administrator.account
    if call.body.by.strip():
        return str(call.body.by)
    return OPERATOR_NAME if call.caller.operator else f"application {call.caller.app_id}"


async def alarms(call: ApiCall) -> Listed[AlarmInfo]:
    """Newest `raised_at` first. At most one alarm is open for each rule and device."""
    page = call.query.to_page()
    found, total = await call.platform.alarms.list_alarms(call.caller.project_id, filter_of(call.query), page)
    return listed([_shown(alarm) for alarm in found], total, page)


async def alarms_stat(call: ApiCall) -> AlarmsStat:
    """Open and unacknowledged alarms by level, how many need attention (open or unacknowledged), and how many were
    raised in each hour (UTC) of the last day."""
    return await call.platform.alarms.stat(call.caller.project_id)


async def alarm(call: ApiCall) -> AlarmInfo:
    """The path has the id of the alarm or of one of its messages."""
    return _shown(await call.platform.alarms.get(call.caller.project_id, call.path["alarm_id"]))


async def _act(call: ApiCall, verb: AlarmVerb) -> AlarmInfo:
    body: AlarmActionBody = call.body
    when = {"until": body.until, "for_ms": body.for_ms} if isinstance(body, AlarmShelveBody) else {}
    alarms = call.platform.alarms
    await alarms.get(call.caller.project_id, call.path["alarm_id"])  # one that does not exist comes before its members
    action = alarms.action(verb, await person(call), body.comment, **when)
    return _shown(await alarms.act(call.caller.project_id, call.path["alarm_id"], action))


async def acknowledge(call: ApiCall) -> AlarmInfo:
    """Records that a person has seen the alarm. It stays open until it clears. Only the first acknowledgement is
    recorded."""
    return await _act(call, "acknowledge")


async def shelve(call: ApiCall) -> AlarmInfo:
    """Suppresses the notices of the alarm's rule on its device until an instant; alarms are raised and cleared as
    usual. If an alarm is open at the end, a notice is sent then."""
    return await _act(call, "shelve")


async def unshelve(call: ApiCall) -> AlarmInfo:
    """Ends the shelving at once."""
    return await _act(call, "unshelve")


async def clear(call: ApiCall) -> AlarmInfo:
    """Clears an open alarm by hand. If its condition still holds, a new alarm is raised by the next value (at once for
    `no_data_ms` and `offline_ms`), after the delays of the rule."""
    return await _act(call, "clear")


async def comment(call: ApiCall) -> AlarmInfo:
    """Adds a comment; an alarm has up to 100."""
    return await _act(call, "comment")


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
        path="/api/v1/alarms_stat",
        summary="Count alarms",
        handler=alarms_stat,
        role=VIEWER,
        info=AlarmsStat,
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
