"""The audit log of the project (操作日志)."""

import math
from typing import Annotated

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.api.project.device_logs import Instant
from thingstead.model.audit.log import AuditFilter, AuditLog
from thingstead.model.roles import ADMIN
from thingstead.wire.audit import AuditActor, AuditItem, AuditMember, AuditObject, AuditPage

ROWS_COUNT = 200  # of one answer, at most

Text = Annotated[str, Meta(min_length=1, max_length=64)]


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows."""

    actor: (
        Annotated[Text, Meta(description="The id of an administrator or application; `admin`, `application` or `cli`.")]
        | None
    ) = None
    object_type: Annotated[Text, Meta(description="Such as `device`, `alarm_rule`.")] | None = None
    object: Annotated[Text, Meta(description="The id of a thing.")] | None = None
    action: Annotated[Text, Meta(description="Such as `create`, `update`, `remove`.")] | None = None
    start_time: Annotated[Instant, Meta(description="From this instant (ms) on.")] | None = None
    end_time: Annotated[Instant, Meta(description="Up to this instant (ms).")] | None = None
    before: Annotated[str, Meta(max_length=32, description="`next_before` of the part before.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=ROWS_COUNT)] = 50


def _shown(row: AuditLog) -> AuditItem:
    return AuditItem(
        id=row.id,
        ts=row.ts,
        actor=AuditActor(kind=row.actor_kind, id=row.actor_id, name=row.actor_name),
        address=row.address,
        action=row.action,
        object=AuditObject(type=row.object_type, id=row.object_id, name=row.object_name),
        changes=[AuditMember(member=each.member, before=each.before, after=each.after) for each in row.changes],
    )


async def audit_logs(call: ApiCall) -> AuditPage:
    """Who changed what, the newest first. A row is written in the transaction of its change. Pushes, commands and
    custom data are recorded if an administrator sent them; those of applications are in the logs of the device."""
    query: AuditQuery = call.query
    wanted = AuditFilter(
        actor=query.actor,
        object_type=query.object_type,
        object_id=query.object,
        action=query.action,
        start=None if query.start_time is None else math.ceil(query.start_time),
        end=None if query.end_time is None else math.floor(query.end_time),
        before=query.before or None,
    )
    rows, more = await call.platform.audit.list_rows(call.caller.project_id, wanted, query.limit)
    return AuditPage(items=[_shown(row) for row in rows], next_before=rows[-1].id if more else "")


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/audit_logs",
        summary="Read the audit log",
        handler=audit_logs,
        role=ADMIN,
        tag="Audit",
        query=AuditQuery,
        info=AuditPage,
        access=Access.ADMINISTRATOR,
        extension=True,
    ),
)
