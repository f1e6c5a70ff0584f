"""History over ranges: aggregates and samples. Extensions."""

from typing import Annotated

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import Call, Endpoint
from thingstead.errors import NotFound
from thingstead.model import limits
from thingstead.model.report import AggregateFunction, SampleMethod
from thingstead.services.aggregates import BucketItem, HistoryItem

TAG = "Device data"

Start = Annotated[float, Meta(description="The earliest instant, in ms.")]
End = Annotated[float, Meta(description="The latest instant, in ms. The range may have any length.")]


class AggregateQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The range, how it is divided, and what is made of each part."""

    start_time: Start
    end_time: End
    interval: Annotated[
        int, Meta(ge=1, le=limits.INSTANT_MS, description="Length of a bucket in ms; the first begins at `start_time`.")
    ]
    fn: Annotated[
        AggregateFunction,
        Meta(
            description="`count`, `first` and `last` count every point, the others those whose value is a number. "
            "`p50` and `p95` are percentiles, interpolated between the closest ranks."
        ),
    ]


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes, the range, and how many points are wanted."""

    identifiers: Annotated[str, Meta(min_length=1, description="Identifiers of attributes, comma-separated.")]
    start_time: Start
    end_time: End
    points: Annotated[
        int, Meta(ge=2, le=limits.SAMPLE_POINTS, description="How many points an attribute has at most.")
    ] = limits.SAMPLE_POINTS_DEFAULT
    method: Annotated[
        SampleMethod,
        Meta(
            description="How points are selected where there are more: `minmax` keeps the lowest and the highest of "
            "equal spans of time, `lttb` those that shape the line most."
        ),
    ] = "minmax"


async def aggregate(call: Call) -> list[BucketItem]:
    """Buckets `[start_time + n × interval, start_time + (n + 1) × interval)`, oldest first; those in which nothing
    counts are left out. The last one ends with the range."""
    query: AggregateQuery = call.query
    buckets: list[BucketItem] = await call.platform.aggregates.aggregate(
        call.caller.project_id,
        call.path["device_id"],
        call.path["identifier"],
        start_time=query.start_time,
        end_time=query.end_time,
        interval=query.interval,
        function=query.fn,
    )
    return buckets


async def history(call: Call) -> list[HistoryItem]:
    """Several attributes at once, for charts: of each the timestamps and the values, oldest point first; all points of
    the range, or a selection that looks like them. `total` says how many there are."""
    query: HistoryQuery = call.query
    items: list[HistoryItem] = await call.platform.aggregates.history(
        call.caller.project_id,
        call.path["device_id"],
        [part.strip() for part in query.identifiers.split(",") if part.strip()],
        start_time=query.start_time,
        end_time=query.end_time,
        points=query.points,
        method=query.method,
    )
    return items


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/device/{device_id}/attribute/{identifier}/aggregate",
        summary="Aggregate the history of an attribute",
        handler=aggregate,
        tag=TAG,
        query=AggregateQuery,
        large=lambda _: True,
        info=list[BucketItem],
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/device/{device_id}/history",
        summary="Read the history of several attributes for a chart",
        handler=history,
        tag=TAG,
        query=HistoryQuery,
        large=lambda _: True,
        info=list[HistoryItem],
        refusals=(NotFound,),
        extension=True,
    ),
)
