"""Attributes, their history, aggregates and samples."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.model.device import ValueSource
from thingstead.model.device_type import AttrType, DataType


class ReportedValue(msgspec.Struct, frozen=True):
    """What a device reported."""

    value: Any
    ts: int  # ms


class BucketItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A span of time, and what is made of the points in it."""

    ts: int  # ms; where it begins
    timestamp: str  # the same instant, ISO 8601 in UTC with milliseconds
    value: Any  # what the function gives, the first one where there are several; null: nothing
    count: int  # points that counted for it; 0: a gap
    values: dict[str, Any] | None = None  # what each gives, where several were named
    end_ts: int | None = None  # ms; where the next one begins, where spans are those of a calendar


class HistoryItem(msgspec.Struct, frozen=True, kw_only=True):
    """The history of one attribute in a range."""

    identifier: str
    timestamps: list[int]  # ms, ascending
    values: list[Any]  # those of the same points
    total: int  # how many points the range holds; where there are more than these, these are a selection
    # Of a band: each timestamp begins a span of the interval, `values` are means, and beside them stand these.
    interval: str | UnsetType = UNSET  # ms, or one of the calendar, such as 15m; absent where all points are there
    min: list[Any] | UnsetType = UNSET  # null: no number is in the span
    max: list[Any] | UnsetType = UNSET
    count: list[int] | UnsetType = UNSET  # points in each span


class AttributeModel(msgspec.Struct, frozen=True, kw_only=True):
    """The definition of an attribute as the Project API shows it."""

    name: str  # never empty: the identifier where the definition gives no name
    attr_type: AttrType
    data_type: DataType
    data_options: dict[str, Any]


class AttributeItem(msgspec.Struct, frozen=True, gc=False):
    """One line of a device's attributes."""

    identifier: str
    value: Any  # null: defined, and never had a value
    attr_type: AttrType
    data_type: DataType
    ts: int  # ms; 0: never had a value
    # Extensions. Where the value is from; absent where there is none, or those of an instant were asked for.
    source: ValueSource | UnsetType = UNSET
    reported: ReportedValue | UnsetType = UNSET  # what the device reported, where a push or the cloud covers it
    model: AttributeModel | UnsetType = UNSET  # absent where the type does not define the attribute


class SeriesItem(msgspec.Struct, frozen=True, kw_only=True):
    """One point of an attribute's history."""

    ts: int  # ms
    timestamp: str  # the same instant, ISO 8601 in UTC with milliseconds: 2024-05-01T08:00:00.000Z
    name: str  # the identifier
    value: Any
    type: DataType
