"""Large work has turns: one piece in each turn of the event loop, of one owner after the other."""

import asyncio

import pytest

from thingstead.api import turns as module
from thingstead.api.turns import TURN_BYTES, Turns


class Workers:
    """Tasks that wait for their turns, and the order in which these came."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.order: list[str] = []
        self.loop_turns: list[int] = []  # in which each began
        self._loop_turn = 0

    async def work(self, owner: str) -> None:
        await self.turns.begin(owner)
        self.order.append(owner)
        self.loop_turns.append(self._loop_turn)

    def count(self) -> None:
        """Counts the turns of the event loop."""
        self._loop_turn += 1
        asyncio.get_running_loop().call_soon(self.count)


async def test_owners_take_turns_however_many_requests_one_of_them_has() -> None:
    workers = Workers()
    owners = ["greedy"] * 5 + ["a", "b", "a"]
    await asyncio.gather(*map(workers.work, owners))
    assert workers.order == ["greedy", "greedy", "a", "b", "greedy", "a", "greedy", "greedy"]


async def test_one_begins_in_each_turn_of_the_event_loop() -> None:
    workers = Workers()
    asyncio.get_running_loop().call_soon(workers.count)
    await asyncio.gather(*[workers.work("a") for _ in range(20)])
    assert len(set(workers.loop_turns)) == 20


async def test_who_gives_up_takes_nobodys_turn() -> None:
    workers = Workers()
    tasks = [asyncio.ensure_future(workers.work(owner)) for owner in ("a", "a", "b", "a")]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert workers.order == ["a", "b", "a"]
    async with asyncio.timeout(30):
        await workers.turns.begin("c")


async def test_who_asks_for_a_large_answer_again_waits_for_turns_and_for_nothing_else() -> None:
    turns = Turns()
    turns.answered("modest", "/a", TURN_BYTES - 1)
    turns.answered("greedy", "/a", TURN_BYTES)
    asked = [("modest", "/a"), ("greedy", "/a"), ("greedy", "/b")]
    assert [turns.is_heavy(owner, path) for owner, path in asked] == [False, True, False]


async def test_what_is_remembered_of_owners_is_bounded_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAVY_COUNT", 2)
    turns = Turns()
    for owner in ("a", "b", "c"):
        turns.answered(owner, "/", TURN_BYTES)
    assert [turns.is_heavy(owner, "/") for owner in ("a", "b", "c")] == [False, True, True]
    monkeypatch.setattr(module, "HEAVY_S", -1.0)
    turns.answered("d", "/", TURN_BYTES)
    assert not turns.is_heavy("d", "/")
