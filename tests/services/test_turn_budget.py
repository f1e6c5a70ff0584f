"""Work of projects is shared turn by turn of the event loop."""

import asyncio

import pytest

from thingstead.services.shared.turn_budget import DEBT_TURNS, TurnBudget

PER_TURN = 100


@pytest.fixture
async def budget() -> TurnBudget:
    return TurnBudget(PER_TURN)


def busy(budget: TurnBudget) -> bool:
    return budget.charged


async def turns_until_free(budget: TurnBudget) -> int:
    count = 0
    while budget.charged:
        await asyncio.sleep(0)
        count += 1
    return count


async def test_who_has_spent_its_share_waits_and_others_do_not(budget: TurnBudget) -> None:
    assert not busy(budget)
    budget.spend("a", PER_TURN)
    assert busy(budget)
    assert budget.spent("a")
    assert not budget.spent("b")
    await turns_until_free(budget)
    assert not budget.spent("a")


async def test_what_was_spent_at_once_counts_for_the_turns_that_follow(budget: TurnBudget) -> None:
    budget.spend("a", 5 * PER_TURN)
    assert await turns_until_free(budget) == 5


async def test_a_project_in_debt_leaves_out_what_can_be_left_out(budget: TurnBudget) -> None:
    budget.spend("a", DEBT_TURNS * PER_TURN - 1)
    assert not budget.indebted("a")
    budget.spend("a", 1)
    assert budget.indebted("a")
    assert not budget.indebted("b")


async def test_those_who_wait_in_a_project_go_on_in_order_as_far_as_a_share_goes(budget: TurnBudget) -> None:
    done: list[tuple[int, int]] = []
    turn = 0

    def go_on(number: int) -> None:
        budget.spend("a", PER_TURN // 2)
        done.append((number, turn))

    budget.spend("a", PER_TURN)
    for number in range(6):
        budget.wait("a", lambda number=number: go_on(number))  # type: ignore[misc]
    while budget.charged:
        await asyncio.sleep(0)
        turn += 1
    assert [number for number, _ in done] == list(range(6))
    at = [turn for _, turn in done]
    assert all(at.count(each) == 2 for each in at), "two halves a turn"


async def test_who_comes_while_others_of_its_project_wait_goes_behind_them(budget: TurnBudget) -> None:
    budget.spend("a", PER_TURN)
    budget.wait("a", lambda: None)
    await asyncio.sleep(0)
    assert not busy(budget)
    budget.spend("a", 3 * PER_TURN)
    for _ in range(2):
        budget.wait("a", lambda: budget.spend("a", PER_TURN))
    seen: list[bool] = []
    while budget.charged:
        await asyncio.sleep(0)
        seen.append(budget.spent("a"))
    assert seen == [True, True, True, True, False]
    assert not budget.spent("b")


async def test_there_is_room_for_one_piece_at_least_and_for_no_more_than_a_share(budget: TurnBudget) -> None:
    assert budget.room("a", PER_TURN * 7) == 1
    assert budget.room("a", 40) == 3, "the one that uses the share up is the last"
    budget.spend("a", 50)
    assert budget.room("a", 10) == 5
    budget.spend("a", PER_TURN)
    assert budget.room("a", 10) == 1


async def test_requests_that_wait_are_let_go_four_a_turn(budget: TurnBudget) -> None:
    await budget.turn("a")  # nothing is spent
    budget.spend("a", 2 * PER_TURN)
    turn, granted = 0, list[int]()

    async def request() -> None:
        await budget.turn("a")
        granted.append(turn)

    requests = [asyncio.create_task(request()) for _ in range(8)]
    abandoned = asyncio.create_task(budget.turn("a"))
    await asyncio.sleep(0)
    abandoned.cancel()
    while not all(each.done() for each in requests):
        await asyncio.sleep(0)
        turn += 1
    assert max(map(granted.count, granted)) == 4
