"""How long history is kept. Extensions."""

from typing import Annotated

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.api.fields import ExpectedVersion, Identifier, PageNumber, PageRecords
from thingstead.errors import Conflict, InvalidInput, NotFound
from thingstead.model import limits
from thingstead.model.retention import RetentionPolicy, RetentionRule
from thingstead.model.roles import ADMIN, VIEWER
from thingstead.wire.retention import RetentionChange, RetentionInfo, SeriesRetention, WouldDrop

TAG = "Device data"
GRACE_DAYS_MAX = 365  # longest grace period of a change


class RetentionRuleBody(msgspec.Struct, frozen=True, kw_only=True):
    """How long the history of some attributes is kept. Absent members match everything."""

    device_type: Annotated[str, Meta(description="Only devices of this type (id).")] | None = None
    identifier: Annotated[Identifier, Meta(description="Only this attribute.")] | None = None
    days: Annotated[float, Meta(ge=0, le=limits.RETENTION_DAYS, description="How long history is kept; 0: for ever.")]


class RetentionBody(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of the project. The most specific matching rule applies: one for a type and an attribute, then one for
    an attribute, then one for a type, then one for neither, then the setting of the server."""

    rules: Annotated[list[RetentionRuleBody], Meta(max_length=limits.RETENTION_RULES_COUNT)] = []
    max_bytes: Annotated[
        int,
        Meta(
            ge=0, le=limits.SIZE_BYTES, description="Size of the history; beyond it the oldest is dropped. 0: no limit."
        ),
    ] = 0

    def policy(self) -> RetentionPolicy:
        rules = tuple(
            RetentionRule(device_type=rule.device_type, identifier=rule.identifier, days=rule.days)
            for rule in self.rules
        )
        return RetentionPolicy(rules=rules, max_bytes=self.max_bytes)


class RetentionChangeBody(RetentionBody, frozen=True, kw_only=True):
    """The rules of the project, and their grace period."""

    grace_days: Annotated[
        float | None,
        Meta(
            description="How long the rules can be withdrawn if they would drop history; 0: they take effect at "
            "once. Default: the setting of the server."
        ),
    ] = None
    version: ExpectedVersion | None = None


async def retention(call: ApiCall) -> RetentionInfo:
    """The rules, the approximate size of the history on disk, and its oldest timestamp. Points of the last hours are
    not counted yet."""
    info: RetentionInfo = await call.platform.retention.info(call.caller.project_id)
    return info


async def put_retention(call: ApiCall) -> RetentionChange:
    """Replaces all rules. If they would drop existing history, or keep some for less than a day, they take effect after
    the grace period (`storage.retention_grace_days`, or `grace_days`); until then `GET` returns them as `pending`, and
    `DELETE /api/v1/retention/pending` withdraws them. Expired history is dropped within the server's interval; a block
    with expired and other points is shortened when its oldest point is 1/32 of the retention time too old."""
    body: RetentionChangeBody = call.body
    if body.grace_days is not None and not 0 <= body.grace_days <= GRACE_DAYS_MAX:
        raise InvalidInput.field("grace_days", "in_range", minimum=0, maximum=GRACE_DAYS_MAX)
    change: RetentionChange = await call.platform.retention.put_policy(
        call.caller.project_id, body.policy(), body.grace_days, body.version
    )
    return change


class SeriesRetentionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The page of the list, by attribute."""

    page: PageNumber = 1
    page_records: PageRecords | None = None


async def preview_retention(call: ApiCall) -> WouldDrop:
    """Counts what these rules would drop if they were in effect now. Nothing is changed."""
    would_drop: WouldDrop = await call.platform.retention.changes.test(call.caller.project_id, call.body.policy())
    return would_drop


async def take_back(call: ApiCall) -> None:
    """Withdraws pending rules; those in effect stay."""
    await call.platform.retention.changes.take_back(call.caller.project_id)


async def device_retention(call: ApiCall) -> list[SeriesRetention]:
    """For each attribute: the retention time, the number of points, the oldest and the newest timestamp. Points of the
    last hours are not counted yet. Without `page_records` all attributes are returned."""
    items: list[SeriesRetention] = await call.platform.retention.series_info(
        call.caller.project_id, call.path["device_id"]
    )
    query: SeriesRetentionQuery = call.query
    records = query.page_records or max(1, len(items))
    return items[(query.page - 1) * records : query.page * records]


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/retention",
        summary="Read how long history is kept, and how much there is",
        handler=retention,
        role=VIEWER,
        tag=TAG,
        info=RetentionInfo,
        extension=True,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/retention",
        summary="Set how long history is kept",
        handler=put_retention,
        role=ADMIN,
        tag=TAG,
        body=RetentionChangeBody,
        read_only=RetentionInfo,
        info=RetentionChange,
        access=Access.ADMINISTRATOR,
        refusals=(Conflict,),
        extension=True,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/retention/pending",
        summary="Withdraw retention rules that are not in effect yet",
        handler=take_back,
        role=ADMIN,
        tag=TAG,
        access=Access.ADMINISTRATOR,
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/retention_test",
        summary="Count the points that retention rules would drop",
        handler=preview_retention,
        role=ADMIN,
        tag=TAG,
        body=RetentionBody,
        info=WouldDrop,
        access=Access.ADMINISTRATOR,
        extension=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/device/{device_id}/retention",
        summary="Read the retention of a device's history",
        handler=device_retention,
        role=VIEWER,
        tag=TAG,
        query=SeriesRetentionQuery,
        info=list[SeriesRetention],
        refusals=(NotFound,),
        extension=True,
    ),
)
