"""Devices in groups, each as much as one transaction takes; reports in rows that are read at once."""

from typing import Any

import pytest

from thingstead.storage.sql.history import flush
from thingstead.storage.sql.history.chunks import HEAD_WEIGHT, chunks
from thingstead.storage.sql.history.records import PendingReport


def grouped(weights: Any) -> Any:
    """Weights in place of devices."""
    return [*chunks(weights, lambda weight: weight)]  # type: ignore[arg-type, return-value]


def test_groups_hold_about_as_much_as_one_transaction_may() -> None:
    assert grouped([0.4, 0.4, 0.4, 2.0, 0.1]) == [[0.4, 0.4, 0.4], [2.0], [0.1]]
    assert len(grouped([0.0] * 2_000)) == pytest.approx(2_000 * HEAD_WEIGHT, abs=1)
    assert grouped([]) == []


def report(size_bytes: int) -> PendingReport:
    return PendingReport(1, 1, bytes(size_bytes), False)


def test_a_row_of_the_spool_is_short_enough_to_be_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flush, "SPOOL_ROW_BYTES", 100)
    sizes = [60, 40, 1, 99, 150, 10]
    parts = [[len(report.body) for report in part] for part in flush.parts([report(size) for size in sizes])]
    assert parts == [[60, 40], [1, 99], [150], [10]]
    assert [*flush.parts([])] == []
