"""The corpus, replayed; and some thousand inputs more, the same ones every time. ``script/fuzz`` looks further."""

import os
import random
from collections.abc import Iterator

import pytest

from tests.fuzz import devices, scripts
from tests.fuzz.mutation import MAX_BYTES, mutate
from tests.fuzz.targets import CORPUS, TARGETS, Target, name_of

SEED = int(os.environ.get("FUZZ_SEED", "1"))
ROUNDS = {"codec": 3_000, "topics": 300, "payloads": 3_000, "registration": 2_000, "proxy": 2_000, "open_port": 400}
ROUNDS |= {"websocket": 500, "devices": 250}
CORPUS_MAX_BYTES = 500_000


@pytest.fixture(scope="module", autouse=True)
def _platform() -> Iterator[None]:
    yield
    devices.close()


def run(target: Target, data: bytes, what: str) -> None:
    try:
        target.run(data)
    except BaseException as exc:
        exc.add_note(f"{target.name}, {what}: {data.hex()}")
        raise


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_reveals_no_bug(name: str) -> None:
    target = TARGETS[name]
    for data in target.corpus():
        run(target, data, f"input {name_of(data)}")


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_reveal_no_bug(name: str) -> None:
    target, chance = TARGETS[name], random.Random(SEED)
    corpus = target.corpus()
    for number in range(ROUNDS[name]):
        run(target, mutate(chance.choice(corpus), corpus, chance), f"FUZZ_SEED={SEED}, number {number}")


def test_the_corpus_is_small_and_named_by_its_contents() -> None:
    paths = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert paths
    assert {path.parent.name for path in paths} <= TARGETS.keys()
    assert all(path.name == name_of(path.read_bytes()) for path in paths)
    assert sum(path.stat().st_size for path in paths) <= CORPUS_MAX_BYTES


def test_a_seed_gives_the_same_inputs_every_time() -> None:
    def inputs() -> list[bytes]:
        chance = random.Random(3)
        return [mutate(b"0123456789", [b"abc", b"defg" * 100], chance) for _ in range(200)]

    first = inputs()
    assert first == inputs()
    assert len(set(first)) > 100
    assert max(map(len, first)) <= MAX_BYTES


def test_a_script_is_read_as_it_was_written() -> None:
    records = [
        scripts.Record(slot, action, piece, payload)
        for slot, action, piece, payload in zip(
            (0, 3, 1),
            (scripts.Action.SEND, scripts.Action.SEND_FIRST, scripts.Action.LOSE),
            (1, 8, 3),
            (b"a" * 255, b"b", b""),
            strict=True,
        )
    ]
    script = b"".join(scripts.write(each.slot, each.action, each.payload, each.piece) for each in records)
    assert [*scripts.read(script)] == records
    assert [*scripts.read(script[:-3])][:-1] == records[:1]
