"""Answers of the Project API as pandas DataFrames."""

import pytest

from thingstead.client import frames
from thingstead.wire.history import BucketItem, HistoryItem, SeriesItem

pandas = pytest.importorskip("pandas")


def point(ts: int, name: str, value: object) -> SeriesItem:
    return SeriesItem(ts=ts, timestamp="", name=name, value=value, type="number")


def test_points_in_any_order_become_columns_by_attribute_and_rows_by_instant() -> None:
    frame = frames.of_series([point(2000, "t", 21.5), point(1000, "t", 20), point(2000, "relay", True)])
    assert list(frame.columns) == ["t", "relay"]
    assert [instant.isoformat() for instant in frame.index] == [
        "1970-01-01T00:00:01+00:00",
        "1970-01-01T00:00:02+00:00",
    ]
    assert list(frame["t"]) == [20, 21.5]
    assert frame["relay"].isna().tolist() == [True, False]


def test_history_has_a_column_for_each_attribute() -> None:
    items = [
        HistoryItem(identifier="t", timestamps=[1000, 3000], values=[1, 3], total=2),
        HistoryItem(identifier="p", timestamps=[3000], values=[None], total=1),
    ]
    frame = frames.of_history(items)
    assert frame.index.name == "ts"
    assert frame["t"].tolist() == [1, 3]
    assert frame["p"].isna().all()


def test_buckets_have_their_functions_and_counts() -> None:
    many = frames.of_buckets([BucketItem(ts=0, timestamp="", value=1, count=2, values={"min": 1, "max": 4})])
    assert many.iloc[0].to_dict() == {"min": 1, "max": 4, "count": 2}
    one = frames.of_buckets([BucketItem(ts=0, timestamp="", value=None, count=0)])
    assert one["value"].isna().all()
    assert one["count"].tolist() == [0]


def test_nothing_becomes_an_empty_frame() -> None:
    for frame in (frames.of_series([]), frames.of_history([]), frames.of_buckets([])):
        assert frame.empty
        assert str(frame.index.dtype).endswith("UTC]")
