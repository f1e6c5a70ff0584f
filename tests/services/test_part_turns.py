"""Parts of changes of many devices take turns."""

import asyncio

import pytest

from thingstead.clock import ManualClock
from thingstead.services.shared.part_turns import PartTurns


@pytest.fixture
def turns() -> PartTurns:
    return PartTurns(ManualClock())


async def test_one_part_is_applied_at_a_time_and_projects_take_turns(turns: PartTurns) -> None:
    order: list[str] = []

    async def part(project_id: str, name: str) -> None:
        async with turns.turn(project_id, 0):
            order.append(name)
            await asyncio.sleep(0)
            order.append(name)

    many = [part("many", f"m{number}") for number in range(3)]
    await asyncio.gather(*many, part("one", "o0"))
    assert order == ["m0", "m0", "m1", "m1", "o0", "o0", "m2", "m2"]


@pytest.mark.parametrize("granted", [False, True])
async def test_a_cancelled_part_leaves_its_turn_to_the_next(turns: PartTurns, granted: bool) -> None:
    async def part() -> None:
        async with turns.turn("p", 0):
            pass

    async with turns.turn("p", 0):
        given_up, waiting = asyncio.create_task(part()), asyncio.create_task(part())
        await asyncio.sleep(0)
        if not granted:
            given_up.cancel()
            await asyncio.sleep(0)
    given_up.cancel()
    async with asyncio.timeout(30):
        await waiting
        await part()
    assert given_up.cancelled()


async def test_a_part_that_fails_ends_its_turn(turns: PartTurns) -> None:
    with pytest.raises(ValueError, match="no"):
        async with turns.turn("p", 0):
            raise ValueError("no")
    async with asyncio.timeout(30), turns.turn("q", 0):
        pass
