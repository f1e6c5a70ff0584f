"""The newest segments in memory: bounded, and complete from a place on."""

import pytest

from thingstead.model.forwarding.message import ForwardDevice
from thingstead.model.forwarding.segment import Segment
from thingstead.services.forwarding import recent
from thingstead.services.forwarding.recent import RecentSegments

PUMP = ForwardDevice("d1", "pump")


def segment(seq: int, project_id: str = "a") -> Segment:
    made = Segment(seq, project_id, 0)
    made.add(("t1",), PUMP, "attributes", [("", 0, {"n": seq})])
    return made


def seqs(found: list[Segment] | None) -> list[int] | None:
    return None if found is None else [each.seq for each in found]


def test_segments_are_told_from_a_place_on_or_not_at_all() -> None:
    kept = RecentSegments()
    kept.floor = 5
    for seq in (7, 6, 9):  # a transaction may end later than the next one
        kept.add(segment(seq))
    kept.add(segment(3))  # is read from the store
    assert seqs(kept.since("a", 6)) == [6, 7, 9]
    assert seqs(kept.since("a", 8)) == [9]
    assert seqs(kept.since("b", 6)) == []
    assert kept.since("a", 5) is None
    kept.forget("a", 7)
    assert kept.since("a", 7) is None
    assert seqs(kept.since("a", 8)) == [9]


def test_what_is_forgotten_takes_no_memory_behind_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = RecentSegments()
    kept.add(segment(1, "slow"))
    for seq in range(2, 500):
        kept.add(segment(seq))
        kept.forget("a", seq)
    assert len(kept._order) == 1
    monkeypatch.setattr(recent, "RECENT_BYTES", 5_000)
    for seq in range(500, 600):
        kept.add(segment(seq))
    assert kept.size_bytes <= 5_000
    assert kept.since("slow", 1) is None
    assert seqs(kept.since("a", 599)) == [599]
