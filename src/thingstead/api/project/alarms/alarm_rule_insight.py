"""What a rule came to, why, and what one would have come to: statistics, traces and dry runs."""

from typing import Annotated

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.project.alarms.alarm_rules import COMMON, SMALLEST
from thingstead.errors import InvalidInput, NotFound, TooManyRequests
from thingstead.model import limits
from thingstead.model.alarms.rule import RuleStatistics
from thingstead.model.alarms.rule_form import RuleForm
from thingstead.model.roles import OPERATOR, VIEWER
from thingstead.wire.alarm_rules import DryRun, RuleTrace

DRY_RUN_DEVICES = 100
Instant = Annotated[int, Meta(ge=0, le=limits.INSTANT_MS)]


class TraceQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The device."""

    device: Annotated[str, Meta(description="Only evaluations of this device (id).")] | None = None


class DryRunBody(msgspec.Struct, frozen=True, kw_only=True):
    """The rule to test (new or existing), the devices, and the time range."""

    rule: RuleForm | None = None
    rule_id: Annotated[str, Meta(description="In place of `rule`: the id of an existing rule.")] | None = None
    device: Annotated[str, Meta(description="Only this device (id).")] | None = None
    devices: Annotated[
        list[str],
        Meta(max_length=DRY_RUN_DEVICES, description="Only these devices (ids); default: the first 100 of the source."),
    ] = []
    start_time: Annotated[Instant, Meta(description="ms; default: a day before the end.")] | None = None
    end_time: Annotated[Instant, Meta(description="ms; default: now.")] | None = None


async def statistics(call: ApiCall) -> RuleStatistics:
    """Counts of the rule's alarms, and how long they were open."""
    return await call.platform.alarm_rules.statistics(call.caller.project_id, call.path["rule_id"])


async def trace(call: ApiCall) -> RuleTrace:
    """The last evaluations of the rule since the server started, with the values and the result of each condition, and
    its current state."""
    query: TraceQuery = call.query
    return await call.platform.alarm_trace.trace(call.caller.project_id, call.path["rule_id"], query.device)


async def dry_run(call: ApiCall) -> DryRun:
    """Replays a rule over stored history and returns when it would have raised and cleared. Nothing is stored, no
    notice is sent. A call reads up to 200,000 points of up to 100 devices; `complete` tells whether that was
    everything."""
    body: DryRunBody = call.body
    if (body.rule is None) is (body.rule_id is None):
        raise InvalidInput.field("rule", "rule_or_rule_id")
    return await call.platform.alarm_dry_run.run(
        call.caller.project_id,
        body.rule if body.rule is not None else body.rule_id or "",
        [*([body.device] if body.device else []), *body.devices],
        body.start_time,
        body.end_time,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/alarm_rule/{rule_id}/statistics",
        summary="Read the statistics of a rule's alarms",
        handler=statistics,
        role=VIEWER,
        info=RuleStatistics,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/alarm_rule/{rule_id}/trace",
        summary="Read why a rule raised an alarm on a device, or did not",
        handler=trace,
        role=VIEWER,
        query=TraceQuery,
        info=RuleTrace,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/alarm_rule_test",
        summary="Test an alarm rule on stored history",
        handler=dry_run,
        role=OPERATOR,
        body=DryRunBody,
        info=DryRun,
        large=lambda _: True,
        refusals=(NotFound, TooManyRequests),
        example={"rule": SMALLEST, "start_time": 1_700_000_000_000, "end_time": 1_700_086_400_000},
        **COMMON,
    ),
)
