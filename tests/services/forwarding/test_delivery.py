"""What a target gets, in which order, and what happens when it fails."""

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.services.forwarding.plant import Plant, numbers, open_plant, until, until_async
from tests.services.receivers import HttpReceiver, Received, reply
from tests.stores import connection_to
from thingstead.config import ForwardingSettings
from thingstead.model.device import Page
from thingstead.model.forwarding.message import ForwardMessage
from thingstead.model.forwarding.target import ForwardTarget
from thingstead.model.forwarding.target_form import ForwardTargetPatch
from thingstead.model.report import EventRecord, Report
from thingstead.services.forwarding.target import OpenContext, TargetRefusal
from thingstead.services.forwarding.targets import OPENERS
from thingstead.storage.commit import settled


async def test_a_message_arrives_with_its_id_signature_and_body(tmp_path: Path) -> None:
    async with open_plant(tmp_path) as plant, HttpReceiver() as receiver:
        await plant.add_target(receiver.url + "/in", batch=False, kinds=["attributes", "event"])
        await plant.report(1)
        await until(lambda: len(receiver.received) == 1)
        link = await plant.link()
        plant.platform.ingest.take_event(link, {"method": "opened", "params": {"by": "guest"}})
        await until(lambda: len(receiver.received) == 2)
        reported, event = receiver.received
    device = {"id": "d1", "name": "Device d1", "device_key": ""}
    assert reported.json == {"device": device, "attributes": {"n": 1}, "ts": reported.json["ts"]}
    assert abs(reported.json["ts"] - plant.clock.now_ms() / 1000) < 60
    params = {"method": "opened", "params": {"by": "guest"}, "id": event.headers["x-thingstead-id"]}
    assert event.json == {"device": device, "event": params, "ts": event.json["ts"]}
    assert (event.path, event.headers["x-thingstead-kind"]) == ("/in", "event")
    for request in (reported, event):
        signed = request.headers["x-thingstead-timestamp"].encode() + b"." + request.body
        digest = hmac.new(b"key", signed, hashlib.sha256).hexdigest()
        assert request.headers["x-thingstead-signature"] == f"sha256={digest}"


async def test_messages_of_each_device_arrive_in_order_in_lists(tmp_path: Path) -> None:
    async with open_plant(tmp_path) as plant, HttpReceiver() as receiver:
        target = await plant.add_target(receiver.url)
        for begin in range(0, 300, 100):
            for device_id in ("d1", "d2", "d3"):
                await plant.report(*range(begin, begin + 100), device_id=device_id)
        await until(lambda: plant.runner(target).progress.sent == 900)
        entries = [entry for request in receiver.received for entry in request.json]
        assert len(receiver.received) < 100
        assert len({entry["id"] for entry in entries}) == 900
        for device_id in ("d1", "d2", "d3"):
            of_device = [entry["attributes"]["n"] for entry in entries if entry["device"]["id"] == device_id]
            assert of_device == list(range(300))
        statistics = await plant.forwarding.statistics("ours", target.id)
        assert (statistics.state, statistics.waiting_items, statistics.waiting_bytes) == ("running", 0, 0)
        await plant.forwarder.save()
        assert await plant.store.forwarding.list_projects() == []


async def test_nothing_is_written_for_messages_that_no_target_wants(tmp_path: Path) -> None:
    async with open_plant(tmp_path) as plant, HttpReceiver() as receiver:
        await plant.add_target(receiver.url, devices=["d2"])
        await plant.add_target(receiver.url, kinds=["event"])
        await plant.add_target(receiver.url, tags={"site": "north"})
        await plant.add_target(receiver.url, enabled=False)
        await plant.report(1)
        assert await plant.store.forwarding.last_seq() == 0
        await plant.report(2, device_id="d2")
        await until(lambda: numbers(receiver) == [2])


async def test_one_refused_message_of_a_batch_becomes_a_dead_letter_and_can_be_sent_again(tmp_path: Path) -> None:
    async with open_plant(tmp_path) as plant, Choosy(refused=7) as receiver:
        target = await plant.add_target(receiver.url)
        await plant.report(*range(20))
        await until(lambda: plant.runner(target).progress.refused == 1)
        await until(lambda: plant.runner(target).progress.sent == 19)
        assert receiver.accepted == [number for number in range(20) if number != 7]
        await plant.forwarder.save()
        (letter,), _ = await plant.forwarding.list_dead("ours", target.id, Page())
        assert (letter.message.content, letter.error.status) == ({"n": 7}, 400)
        assert letter.error.answer == "x" * 1024
        receiver.refused = -1
        replayed = await plant.forwarding.replay("ours", target.id, [str(letter.seq)])
        assert (replayed.replayed, replayed.remaining) == (1, 0)
        await until(lambda: 7 in receiver.accepted)
        assert receiver.ids[7] == {letter.message.id}


@pytest.mark.parametrize("status", [401, 403, 302])
async def test_a_target_that_refuses_the_server_is_paused_and_loses_nothing(tmp_path: Path, status: int) -> None:
    async with open_plant(tmp_path, ForwardingSettings(wait_max_s=3_600)) as plant, HttpReceiver() as receiver:
        receiver.answers = [reply(status, b"who are you?")]
        target = await plant.add_target(receiver.url)
        await plant.report(1)
        await until(lambda: plant.runner(target).state == "paused")
        statistics = await plant.forwarding.statistics("ours", target.id)
        assert statistics.last_error is not None
        assert (statistics.last_error.status, statistics.last_error.answer) == (status, "who are you?")
        assert statistics.waiting_items == 1
        assert statistics.waiting_since is not None
        assert [each.code for each in plant.forwarder.warnings()] == ["forward_targets_paused"]
        await plant.forwarding.retry("ours", target.id)
        await until(lambda: numbers(receiver) == [1, 1])
        await until(lambda: plant.runner(target).state == "running")


async def test_a_target_that_asks_for_time_gets_it(tmp_path: Path) -> None:
    async with open_plant(tmp_path) as plant, HttpReceiver() as receiver:
        receiver.answers = [reply(429, Retry_After="3600")]
        target = await plant.add_target(receiver.url)
        await plant.report(1)
        await until(lambda: plant.runner(target).state == "backing_off")
        next_try_at = (await plant.forwarding.statistics("ours", target.id)).next_try_at
        assert next_try_at is not None
        assert next_try_at - plant.clock.now_ms() > 3_000_000


@pytest.mark.parametrize("answer", [reply(500), reply(503), b"HTTP/1.1 200 X\r\nContent-Le", b"", b"nonsense\r\n\r\n"])
async def test_a_batch_that_failed_comes_again_with_the_same_ids(tmp_path: Path, answer: bytes) -> None:
    async with open_plant(tmp_path) as plant, HttpReceiver() as receiver:
        receiver.answers = [answer, answer]
        target = await plant.add_target(receiver.url)
        await plant.report(1, 2)
        await until(lambda: plant.runner(target).progress.sent == 2)
        assert numbers(receiver) == [1, 2] * 3
        assert len({entry["id"] for request in receiver.received for entry in request.json}) == 2


async def test_a_target_that_hangs_delays_neither_reports_nor_other_targets(tmp_path: Path) -> None:
    async with open_plant(tmp_path) as plant, HttpReceiver() as hanging, HttpReceiver() as quick:
        hanging.hold = asyncio.Event()
        slow = await plant.add_target(hanging.url)
        await plant.add_target(quick.url)
        await plant.report(1)
        await until(lambda: hanging.received and numbers(quick) == [1])
        await plant.report(2)
        await until(lambda: numbers(quick) == [1, 2])
        await until(lambda: plant.runner(slow).state == "backing_off")
        hanging.hold.set()
        hanging.hold = None
        await until(lambda: plant.runner(slow).progress.sent == 2)


async def test_a_poisoned_lane_does_not_stop_the_others(tmp_path: Path) -> None:
    async with open_plant(tmp_path, devices=[f"d{n}" for n in range(1, 9)]) as plant, Choosy(broken="d1") as receiver:
        target = await plant.add_target(receiver.url)
        for number in range(1, 9):
            await plant.report(number, device_id=f"d{number}")
        runner = plant.runner(target)
        await until(lambda: runner.state == "backing_off" and sum(bool(lane.items) for lane in runner.lanes) == 1)
        assert receiver.accepted


async def test_what_waits_survives_a_restart_and_a_change_of_the_address(tmp_path: Path) -> None:
    async with HttpReceiver() as dead, HttpReceiver() as receiver:
        dead.hold = asyncio.Event()
        async with open_plant(tmp_path) as plant:
            target = await plant.add_target(dead.url)
            await plant.report(*range(5))
        async with open_plant(tmp_path) as plant:
            await until(lambda: plant.runner(target).counted)
            assert plant.runner(target).items == 5
            patch: Any = {"url": {"url": receiver.url}}
            changed = await update(plant, target.id, patch)
            assert changed.config.url is not None
            assert changed.config.url.secret not in ("key", None)
            await until(lambda: plant.runner(target).progress.sent == 5)
            assert numbers(receiver) == [0, 1, 2, 3, 4]
        async with open_plant(tmp_path) as plant:
            await until(lambda: plant.runner(target).counted)
            assert plant.runner(target).items == 0
            await plant.report(5)
            await until(lambda: numbers(receiver) == [0, 1, 2, 3, 4, 5])


async def test_a_target_behind_the_recent_segments_reads_the_log(tmp_path: Path) -> None:
    async with open_plant(tmp_path) as plant, HttpReceiver() as receiver:
        receiver.hold = asyncio.Event()
        target = await plant.add_target(receiver.url)
        for begin in range(0, 2_000, 500):
            await plant.report(*range(begin, begin + 500))
        plant.forwarder._recent.forget("ours", plant.forwarder.tap.horizon)
        receiver.hold.set()
        await until(lambda: plant.runner(target).progress.sent == 2_000)
        found = numbers(receiver)
        assert sorted(set(found)) == list(range(2_000))


async def test_the_oldest_messages_are_given_up_when_too_many_bytes_wait(tmp_path: Path) -> None:
    settings = ForwardingSettings(target_max_bytes=1 << 20, timeout_s=1, wait_max_s=0.1)
    async with open_plant(tmp_path, settings) as plant, HttpReceiver() as receiver:
        target = await plant.add_target("http://127.0.0.1:9/nobody")
        link = await plant.link()
        runner = plant.runner(target)
        for number in range(40):
            outcome = plant.platform.ingest.report_values(link, {"n": number, "text": "x" * 60_000})
            assert outcome.commit is not None
            await plant.report(number)
        await until(lambda: runner.size_bytes <= 1 << 20 and runner.progress.dropped > 0)
        statistics = await plant.forwarding.statistics("ours", target.id)
        assert statistics.dropped + statistics.waiting_items == 80
        assert "forward_messages_dropped" in [each.code for each in plant.forwarder.warnings()]
        await update(plant, target.id, {"url": {"url": receiver.url}})
        await until(lambda: plant.runner(target).progress.sent == statistics.waiting_items)
        assert numbers(receiver)[-1] == 39
        assert 0 not in numbers(receiver)


async def update(plant: Plant, target_id: str, patch: Any) -> Any:
    changed, _ = await plant.forwarding.update("ours", target_id, msgspec.convert(patch, ForwardTargetPatch))
    return changed


class Choosy(HttpReceiver):
    """Refuses every list with a certain number (400), or with a certain device (500)."""

    def __init__(self, refused: int = -1, broken: str = "") -> None:
        super().__init__()
        self.refused = refused
        self.broken = broken
        self.accepted: list[int] = []
        self.ids: dict[int, set[str]] = {}

    def answer_to(self, request: Received) -> bytes:
        entries = request.json
        for entry in entries:
            self.ids.setdefault(entry["attributes"]["n"], set()).add(entry["id"])
        if any(entry["attributes"]["n"] == self.refused for entry in entries):
            return reply(400, b"x" * 2_000)
        if any(entry["device"]["id"] == self.broken for entry in entries):
            return reply(500)
        self.accepted += [entry["attributes"]["n"] for entry in entries]
        return reply(200)


async def test_a_message_that_cannot_be_encoded_is_left_out_and_harms_no_report(tmp_path: Path) -> None:
    async with open_plant(tmp_path) as plant, HttpReceiver() as receiver:
        await plant.add_target(receiver.url, kinds=["attributes", "event"])
        link = await plant.link()
        assert link.forwards is not None
        commit = plant.platform.ingest.keep(link, Report(link.device.number, 1, 1, {"n": 1}, "report"))
        plant.forwarder.tap.event(link.forwards, "ours", commit, broken_event())
        await settled(commit)
        await plant.report(2)
        await until(lambda: numbers(receiver) == [1, 2])


def broken_event() -> EventRecord:
    return EventRecord(id="e1", device_id="d1", method="m", params={"text": "\ud800"}, ts=1)


async def test_messages_that_are_too_old_are_given_up_unless_the_clock_jumped(tmp_path: Path) -> None:
    async with open_plant(tmp_path) as plant:
        target = await plant.add_target("http://127.0.0.1:9/nobody")
        await plant.report(1, 2)
        await until(lambda: plant.runner(target).state == "backing_off")
        with connection_to(plant.store) as connection:
            connection.execute("UPDATE forward_segments SET created_at = 1")
        plant.forwarder._trusted_now_ms = believed_long_ago
        await plant.forwarder.shed()
        assert plant.runner(target).items == 2
        plant.forwarder._trusted_now_ms = plant.platform.retention.trusted_clock.now_ms
        await until_async(lambda: all_given_up(plant, target))


async def believed_long_ago() -> int:
    return 1


async def all_given_up(plant: Plant, target: ForwardTarget) -> bool:
    await plant.forwarder.shed()
    return plant.runner(target).progress.dropped == 2


async def test_a_target_that_is_removed_while_it_is_changed_is_gone(tmp_path: Path) -> None:
    async with open_plant(tmp_path) as plant, HttpReceiver() as receiver:
        target = await plant.add_target(receiver.url)
        await asyncio.gather(
            update(plant, target.id, {"name": "other"}),
            plant.forwarding.delete("ours", target.id),
            return_exceptions=True,
        )
        assert plant.forwarder.runners == {}
        await plant.report(1)
        assert await plant.store.forwarding.last_seq() == 0


async def test_a_long_answer_is_not_read_to_its_end(tmp_path: Path) -> None:
    async with open_plant(tmp_path) as plant, HttpReceiver() as receiver:
        receiver.answers = [reply(200, b"x" * 10_000_000)]
        target = await plant.add_target(receiver.url)
        await plant.report(1)
        await until(lambda: plant.runner(target).progress.sent == 1)


class Confused:
    """A target that tells nonsense about its first batch, and accepts all others."""

    def __init__(self) -> None:
        self.ids: list[list[str]] = []

    async def send(self, batch: Sequence[ForwardMessage]) -> Sequence[TargetRefusal | None] | None:
        self.ids.append([message.id for message in batch])
        return [None] * 99 if len(self.ids) == 1 else None

    async def close(self) -> None:
        pass


async def test_a_bug_in_a_kind_of_target_costs_a_repetition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    confused = Confused()

    async def open_confused(context: OpenContext, config: Any) -> Confused:
        return confused

    monkeypatch.setitem(OPENERS, "url", open_confused)
    async with open_plant(tmp_path) as plant:
        target = await plant.add_target("http://127.0.0.1:9/")
        await plant.report(1, 2)
        await until(lambda: plant.runner(target).progress.sent == 2)
        assert confused.ids[0] == confused.ids[1]
        statistics = await plant.forwarding.statistics("ours", target.id)
        assert statistics.last_error is not None
        assert statistics.last_error.code == "forward_failed"
