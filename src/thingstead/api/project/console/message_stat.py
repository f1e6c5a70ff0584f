"""Rates of messages of the project."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.project.device_logs import Instant
from thingstead.model.roles import VIEWER
from thingstead.model.spans import read_interval
from thingstead.wire.message_stat import MessageStatInfo

IntervalName = Literal["1m", "5m", "10m", "15m", "30m", "1h", "2h", "3h", "6h", "12h", "1d"]


class MessageStatQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The range and its division."""

    start_time: (
        Annotated[Instant, Meta(description="From this instant (ms) on; default: 24 hours before the end.")] | None
    ) = None
    end_time: Annotated[Instant, Meta(description="Up to this instant (ms); default: now.")] | None = None
    interval: Annotated[
        IntervalName,
        Meta(
            description="Length of a span. Spans begin at its multiples in UTC; those under an hour reach 2 days back."
        ),
    ] = "1h"


async def message_stat(call: ApiCall) -> MessageStatInfo:
    """How many messages the devices sent and were sent, how many were refused, and how many devices were online: by
    minute for the last 2 days, by hour for 400 days. Every span of the range is listed; what is older than that is
    not."""
    query: MessageStatQuery = call.query
    length_ms = read_interval(query.interval).least_ms
    return await call.platform.message_stat.read(call.caller.project_id, query.start_time, query.end_time, length_ms)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/message_stat",
        summary="Read rates of messages",
        handler=message_stat,
        role=VIEWER,
        tag="Project",
        query=MessageStatQuery,
        info=MessageStatInfo,
        extension=True,
    ),
)
