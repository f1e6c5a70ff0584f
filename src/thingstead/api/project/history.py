"""History over ranges: aggregates and samples. Extensions."""

from typing import Annotated, Literal, cast, get_args

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.streamed import StreamedFile
from thingstead.errors import InvalidInput, NotFound
from thingstead.model import limits
from thingstead.model.report import AggregateFunction
from thingstead.model.roles import VIEWER
from thingstead.wire.history import BucketItem, HistoryItem

TAG = "Device data"
ChartMethod = Literal["minmax", "lttb", "band"]
FUNCTIONS: tuple[str, ...] = get_args(AggregateFunction)

Start = Annotated[float, Meta(description="The earliest instant, in ms.")]
End = Annotated[float, Meta(description="The latest instant, in ms. The range may have any length.")]


class AggregateQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The range, its division into buckets, and the functions."""

    start_time: Start
    end_time: End
    interval: Annotated[
        str,
        Meta(
            max_length=16,
            description="Length of a bucket: in ms, the first one beginning at `start_time`; or by the calendar: "
            "`15m`, `1h` (divisors of a day), `1d`, `1w`, `1mo` and their multiples.",
        ),
    ]
    fn: Annotated[
        str,
        Meta(
            max_length=100,
            description=f"{', '.join(f'`{name}`' for name in FUNCTIONS)}; several, comma-separated, in one pass. "
            "`count`, `first` and `last` count every point, the others those whose value is a number. `p50` and `p95` "
            "are percentiles, interpolated between the closest ranks; `delta` is by how much a counter went up since "
            "the point before the bucket, `rate` the same per second; `twa` is the average over time of a value that "
            "holds until the next one.",
        ),
    ]
    timezone: (
        Annotated[
            str,
            Meta(
                max_length=64,
                description="Time zone of the calendar: `+08:00`, or a name such as `Europe/Berlin`; default: "
                "the project's. An `interval` in ms is then a number of whole days, or a divisor of a day.",
            ),
        ]
        | None
    ) = None
    gaps: (
        Annotated[
            bool,
            Meta(
                description="Whether to return empty buckets, with `value` null and `count` 0; default: only "
                "with an interval of the calendar."
            ),
        ]
        | None
    ) = None

    def functions(self) -> list[AggregateFunction]:
        """The named functions, without repeats."""
        named = list(dict.fromkeys(name.strip() for name in self.fn.split(",")))
        if not all(name in FUNCTIONS for name in named):
            raise InvalidInput.field("fn", "functions_expected", allowed=", ".join(FUNCTIONS))
        return cast(list[AggregateFunction], named)


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes, the range, and the maximum number of points."""

    identifiers: Annotated[str, Meta(min_length=1, description="Identifiers of attributes, comma-separated.")]
    start_time: Start
    end_time: End
    points: Annotated[
        int, Meta(ge=2, le=limits.SAMPLE_POINTS, description="Maximum number of points per attribute.")
    ] = limits.SAMPLE_POINTS_DEFAULT
    method: Annotated[
        ChartMethod,
        Meta(
            description="How points are selected if there are more: `minmax` keeps the lowest and the highest of "
            "equal time spans, `lttb` those that preserve the shape of the line; `band` divides the range into spans, "
            "of which `values` are means, beside `min`, `max` and `count`."
        ),
    ] = "minmax"
    interval: (
        Annotated[
            str,
            Meta(
                max_length=16,
                description="For `band`: length of a span, as for an aggregate; default: one of 1 s, "
                "2 s, 5 s … 1 m … 1 h … `1d`, `1w`, `1mo`, so that there are at most about `points` spans.",
            ),
        ]
        | None
    ) = None
    timezone: (
        Annotated[
            str, Meta(max_length=64, description="For `band`: time zone of the calendar; default: the project's.")
        ]
        | None
    ) = None
    gaps: Annotated[bool, Meta(description="For `band`: whether to return spans without points.")] = False


class CsvQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes and the range."""

    identifiers: Annotated[str, Meta(min_length=1, description="Identifiers of attributes, comma-separated.")]
    start_time: Start
    end_time: End


async def history_csv(call: ApiCall) -> StreamedFile:
    """All points of the range as a CSV file: attribute by attribute, newest first, with the columns `time` (UTC), `ts`
    (ms), `identifier` and `value`. A text that a spreadsheet would evaluate gets an apostrophe in front. The file is
    sent while it is read; if that fails, or the caller logs out or loses its access meanwhile, the connection is closed
    before its end."""
    query: CsvQuery = call.query
    device, pieces = await call.platform.csv_export.begin(
        call.caller.project_id,
        call.path["device_id"],
        [part.strip() for part in query.identifiers.split(",") if part.strip()],
        query.start_time,
        query.end_time,
    )
    return StreamedFile(f"{device.id}.csv", pieces)


async def aggregate(call: ApiCall) -> list[BucketItem]:
    """Buckets, oldest first: `[start_time + n × interval, start_time + (n + 1) × interval)` without empty ones, or the
    hours, days, weeks or months of a time zone, including empty ones. The first and the last bucket contain only points
    of the range. Sums and means are exact, rounded once."""
    query: AggregateQuery = call.query
    buckets: list[BucketItem] = await call.platform.aggregates.aggregate(
        call.caller.project_id,
        call.path["device_id"],
        call.path["identifier"],
        start_time=query.start_time,
        end_time=query.end_time,
        interval=query.interval,
        functions=query.functions(),
        timezone=query.timezone,
        gaps=query.gaps,
    )
    return buckets


async def history(call: ApiCall) -> list[HistoryItem]:
    """The timestamps and values of several attributes, oldest first: all points of the range, a selection of similar
    shape, or a band (`method`). `total` is the number of points."""
    query: HistoryQuery = call.query
    identifiers = [part.strip() for part in query.identifiers.split(",") if part.strip()]
    if query.method == "band":
        bands: list[HistoryItem] = await call.platform.aggregates.bands(
            call.caller.project_id,
            call.path["device_id"],
            identifiers,
            start_time=query.start_time,
            end_time=query.end_time,
            points=query.points,
            interval=query.interval,
            timezone=query.timezone,
            gaps=query.gaps,
        )
        return bands
    for name, given in (("interval", query.interval), ("timezone", query.timezone), ("gaps", query.gaps or None)):
        if given is not None:
            raise InvalidInput.field(name, "goes_with_band")
    items: list[HistoryItem] = await call.platform.aggregates.history(
        call.caller.project_id,
        call.path["device_id"],
        identifiers,
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
        scoped="history",
        summary="Aggregate the history of an attribute",
        handler=aggregate,
        role=VIEWER,
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
        scoped="history",
        summary="Read the history of several attributes for a chart",
        handler=history,
        role=VIEWER,
        tag=TAG,
        query=HistoryQuery,
        large=lambda _: True,
        info=list[HistoryItem],
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/device/{device_id}/history.csv",
        summary="Read the history of several attributes as a CSV file",
        handler=history_csv,
        role=VIEWER,
        tag=TAG,
        query=CsvQuery,
        file="text/csv; charset=utf-8",
        refusals=(NotFound,),
        extension=True,
    ),
)
