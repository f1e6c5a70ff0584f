"""Answers of the Project API as pandas DataFrames. Needs pandas: the extra ``pandas``.

Every frame has an index ``ts`` of instants in UTC, ascending, and a column for each attribute or function. Cells
without a value are missing (NaN or None)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from thingstead.wire.history import BucketItem, HistoryItem, SeriesItem

if TYPE_CHECKING:
    import pandas


def of_series(points: Iterable[SeriesItem]) -> "pandas.DataFrame":
    """Points of a series, or of several, in any order: ``of_series(api.data.points(device, "t", …))``."""
    import pandas

    columns: dict[str, dict[int, object]] = {}
    for point in points:
        columns.setdefault(point.name, {})[point.ts] = point.value
    frame = pandas.DataFrame({name: pandas.Series(values) for name, values in columns.items()})
    return _by_instant(frame)


def of_history(items: Iterable[HistoryItem]) -> "pandas.DataFrame":
    """The answer of :func:`data.history`: a column for each attribute."""
    import pandas

    columns = {item.identifier: pandas.Series(item.values, index=item.timestamps) for item in items}
    return _by_instant(pandas.DataFrame(columns))


def of_buckets(buckets: Iterable[BucketItem]) -> "pandas.DataFrame":
    """The answer of :func:`data.aggregate`: a column ``value``, or one for each function, and ``count``."""
    import pandas

    rows = {item.ts: {**(item.values or {"value": item.value}), "count": item.count} for item in buckets}
    return _by_instant(pandas.DataFrame.from_dict(rows, orient="index"))


def _by_instant(frame: "pandas.DataFrame") -> "pandas.DataFrame":
    import pandas

    frame.index = pandas.to_datetime(frame.index.astype("int64"), unit="ms", utc=True)
    frame.index.name = "ts"
    return frame.sort_index()
