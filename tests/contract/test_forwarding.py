"""Forwarding targets, the log of messages that wait for them, and dead letters."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW
from thingstead.errors import Conflict, NotFound
from thingstead.model.device import Page
from thingstead.model.forwarding.message import ForwardDevice, message_of
from thingstead.model.forwarding.segment import Segment
from thingstead.model.forwarding.target import (
    LANES,
    DeadLetter,
    ForwardError,
    ForwardTarget,
    LaneCursor,
    Progress,
    TargetConfig,
    TargetFilter,
    UrlConfig,
)
from thingstead.storage.base import Store
from thingstead.storage.commit import settled
from thingstead.storage.sql.tables.automation import forwarding as forwarding_table

PUMP = ForwardDevice("d1", "pump", "key-1", "t1")
CONFIG = TargetConfig(url=UrlConfig(url="https://erp.example.com/in", secret="s", headers={"X-A": "b"}))


def target(target_id: str, project_id: str = "ours", **more: Any) -> ForwardTarget:
    values = {"name": target_id, "kinds": ("attributes", "event"), "create_time": NOW, "update_time": NOW}
    return ForwardTarget(id=target_id, project_id=project_id, config=CONFIG, **{**values, **more})


def segment(seq: int, *targets: str, project_id: str = "ours", values: int = 1) -> Segment:
    made = Segment(seq, project_id, NOW + seq)
    made.add(targets, PUMP, "attributes", [("", NOW + index, {"t": index}) for index in range(values)])
    return made


def letter(target_id: str, message_id: str) -> DeadLetter:
    message = message_of(message_id, "event", PUMP, NOW, {"method": "m", "params": {}, "id": message_id})
    error = ForwardError(reason="HTTP 400", code="notice_http_status", args={"status": 400}, status=400, answer="no")
    return DeadLetter(target_id=target_id, message=message, error=error, create_time=NOW)


async def test_a_target_comes_back_as_it_was_given_also_after_a_restart(backend: Backend, store: Store) -> None:
    narrow = target("f1", type_ids=("t1",), device_ids=("d1", "d2"), tags={"site": "north"}, batch=False)
    off = target("f2", enabled=False, create_time=NOW + 1, name="Off \u00e9")
    for each in (narrow, off, target("f3", "theirs")):
        await store.forwarding.create(each)

    forwarding = (await backend.reopen()).forwarding
    assert await forwarding.get("ours", "f1") == narrow
    assert await forwarding.list_page("ours", TargetFilter(), Page()) == ([narrow, off], 2)
    assert (await forwarding.list_page("ours", TargetFilter(enabled=False, keyword="OFF"), Page()))[0] == [off]
    assert [each.id for each in await forwarding.list_all("f1", 10)] == ["f2", "f3"]
    assert await forwarding.count("ours") == 2
    await forwarding.replace(replace(off, enabled=True), 1)
    assert await forwarding.get("ours", "f2") == replace(off, enabled=True, version=2)
    with pytest.raises(Conflict):
        await forwarding.replace(off, 1)
    with pytest.raises(NotFound):
        await forwarding.get("theirs", "f1")
    await forwarding.delete("ours", "f1")
    with pytest.raises(NotFound):
        await forwarding.delete("ours", "f1")


async def test_segments_are_read_in_order_by_those_who_want_them(backend: Backend, store: Store) -> None:
    made = [segment(1, "f1"), segment(2, "f2"), segment(3, "f1", "f2", values=3), segment(4, "f1", project_id="theirs")]
    commits = [store.forwarding.append_segment(each) for each in made]
    for commit in commits:
        await settled(commit)

    forwarding = (await backend.reopen()).forwarding
    assert await forwarding.last_seq() == 4
    assert sorted(await forwarding.list_projects()) == ["ours", "theirs"]
    headers = await forwarding.list_headers("ours", "f1", 0, 10)
    assert [(each.seq, each.created_at, sum(each.counts["f1"][:LANES])) for each in headers] == [
        (1, NOW + 1, 1),
        (3, NOW + 3, 3),
    ]
    (found,) = await forwarding.read_segments("ours", "f2", 3, 9, 1_000_000)
    lane = next(lane for lane in range(LANES) if found.places("f2", lane))
    assert found.messages(found.places("f2", lane)) == [
        message_of(f"3-{index}", "attributes", PUMP, NOW + index, {"t": index}) for index in range(3)
    ]
    assert [each.seq for each in await forwarding.read_segments("ours", "f1", 1, 9, 1)] == [1]
    assert await forwarding.read_segments("ours", "f1", 1, 2, 1_000_000) != []


async def test_progress_and_dead_letters_are_saved_together_and_segments_deleted(store: Store) -> None:
    forwarding = store.forwarding
    await forwarding.create(target("f1"))
    for seq in (1, 2, 3):
        await settled(forwarding.append_segment(segment(seq, "f1")))
    assert await forwarding.progress("f1") == Progress()
    progress = Progress(lanes=[LaneCursor(3, 1, 1, 20), *[LaneCursor(4)] * 3], sent=7, last_sent_at=NOW)
    letters = [letter("f1", "m1"), letter("f1", "m2"), letter("gone", "m3")]
    assert await forwarding.save([("f1", progress), ("gone", progress)], letters, [("ours", 2)]) == set()

    assert await forwarding.progress("f1") == progress
    assert await forwarding.progress("gone") == Progress()
    assert [each.seq for each in await forwarding.list_headers("ours", "f1", 0, 10)] == [3]
    found, total = await forwarding.list_dead("ours", "f1", Page())
    assert ([each.message for each in found], total) == ([each.message for each in letters[:2]], 2)
    assert found[0].error == letters[0].error
    with pytest.raises(NotFound):
        await forwarding.list_dead("theirs", "f1", Page())


async def test_dead_letters_are_put_back_oldest_first_or_removed(store: Store) -> None:
    forwarding, wanted = store.forwarding, target("f1")
    await forwarding.create(wanted)
    await forwarding.create(target("f2"))
    names = [f"m{number}" for number in range(5)]
    await forwarding.save([], [*(letter("f1", name) for name in names), letter("f2", "other")], [])
    ids = [str(each.seq) for each in (await forwarding.list_dead("ours", "f1", Page()))[0]]

    replayed, remaining = await forwarding.replay(wanted, None, 10, NOW, 2)
    assert (len(replayed), remaining) == (2, 3)
    replayed, remaining = await forwarding.replay(wanted, [ids[0], ids[4], "no number"], 11, NOW, 10)
    assert (len(replayed), remaining) == (1, 0)
    found = await forwarding.read_segments("ours", "f1", 0, 99, 1_000_000)
    assert [message.id for each in found for message in each.messages(range(len(each)))] == ["m0", "m1", "m4"]
    assert await forwarding.delete_dead(wanted, [ids[2]]) == 1
    assert await forwarding.count_dead("f1") == 1
    assert await forwarding.delete_dead(wanted, None) == 1
    assert await forwarding.count_dead("f2") == 1
    empty, _ = await forwarding.replay(wanted, None, 12, NOW, 10)
    assert (len(empty), await forwarding.last_seq()) == (0, 11)


async def test_dead_letters_are_bounded_in_bytes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding_table, "DEAD_LETTERS_BYTES", 5_000)
    await store.forwarding.create(target("f1"))
    large = [letter("f1", "x" * 900) for _ in range(5)]
    await store.forwarding.save([], [letter("f1", "first"), *large, letter("f1", "last")], [])
    found, total = await store.forwarding.list_dead("ours", "f1", Page())
    assert 2 <= total < 6
    assert found[-1].message.id == "last"
