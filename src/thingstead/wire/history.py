"""Attributes, their history, aggregates and samples."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.model.device import ValueSource
from thingstead.model.device_type import AttrType, DataType


class ReportedValue(msgspec.Struct, frozen=True):
    """The last value that the device reported."""

    value: Any
    ts: int  # ms


class BucketItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A span of time, and the aggregates of its points."""

    ts: int  # ms; begin of the span
    timestamp: str  # the same instant, ISO 8601 in UTC with milliseconds
    value: Any  # result of the function, or of the first one; null: no result
    count: int  # points that it aggregated; 0: a gap
    values: dict[str, Any] | None = None  # results by function, if several were requested
    end_ts: int | None = None  # ms; end of the span (exclusive), if spans are those of a calendar


class HistoryItem(msgspec.Struct, frozen=True, kw_only=True):
    """The history of one attribute in a range."""

    identifier: str
    timestamps: list[int]  # ms, ascending
    values: list[Any]  # of the same points
    total: int  # points in the range; if greater than the number of values, these are downsampled
    # Spans: each timestamp begins a span of the interval, `values` are means, and the members below describe the same
    # spans.
    interval: str | UnsetType = UNSET  # ms, or a calendar interval such as 15m; absent if these are single points
    min: list[Any] | UnsetType = UNSET  # null: no number in the span
    max: list[Any] | UnsetType = UNSET
    count: list[int] | UnsetType = UNSET  # points in each span


class AttributeModel(msgspec.Struct, frozen=True, kw_only=True):
    """The definition of an attribute in the Project API."""

    name: str  # never empty: the identifier if the definition has no name
    attr_type: AttrType
    data_type: DataType
    data_options: dict[str, Any]


class AttributeItem(msgspec.Struct, frozen=True, gc=False):
    """One attribute in a device's list of attributes."""

    identifier: str
    value: Any  # null: defined, without a value so far
    attr_type: AttrType
    data_type: DataType
    ts: int  # ms; 0: no value so far
    # Extension: source of the value; absent without a value, or if values of an instant were requested.
    source: ValueSource | UnsetType = UNSET
    reported: ReportedValue | UnsetType = UNSET  # the last reported value, if a push or cloud value replaced it
    model: AttributeModel | UnsetType = UNSET  # absent if the type does not define the attribute


class SeriesItem(msgspec.Struct, frozen=True, kw_only=True):
    """One point in the history of an attribute."""

    ts: int  # ms
    timestamp: str  # the same instant, ISO 8601 in UTC with milliseconds: 2024-05-01T08:00:00.000Z
    name: str  # the identifier
    value: Any
    type: DataType
