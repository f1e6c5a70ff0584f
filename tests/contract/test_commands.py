"""Commands and their states."""

import asyncio
import itertools
from typing import get_args

import pytest
from msgspec.structs import replace

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, command, device
from thingstead.errors import Conflict, InvalidInput, NotFound
from thingstead.model import limits
from thingstead.model.command import TRANSITIONS, CommandState
from thingstead.model.device import Page
from thingstead.model.messages import CommandChanged
from thingstead.storage.base import Store

STATES: tuple[CommandState, ...] = get_args(CommandState)


@pytest.fixture
async def fleet(store: Store) -> Store:
    """The devices d1 and d2."""
    await store.devices.create_many([device("d1"), device("d2")])
    return store


async def test_a_command_comes_back_as_it_was_given_also_after_a_restart(backend: Backend, fleet: Store) -> None:
    given = command("c1", "d1", params={"on": True, "levels": [1, 2.5, None]}, command_id=2**40)

    await fleet.commands.create(given)

    assert await fleet.commands.get("d1", "c1") == given
    assert await (await backend.reopen()).commands.get("d1", "c1") == given


async def test_a_command_is_of_one_device(fleet: Store) -> None:
    await fleet.commands.create(command("c1", "d1"))

    with pytest.raises(NotFound):
        await fleet.commands.get("d2", "c1")
    with pytest.raises(NotFound):
        await fleet.commands.create(command("c2", "nowhere"))
    with pytest.raises(NotFound):
        await fleet.commands.create(command("c3", "d1", project_id="theirs"))
    with pytest.raises(Conflict) as refusal:
        await fleet.commands.create(command("c1", "d2"))
    assert refusal.value.errors[0].field == "id"


async def test_an_id_over_64_bits_is_refused(fleet: Store) -> None:
    with pytest.raises(InvalidInput):
        await fleet.commands.create(command("c1", "d1", command_id=2**64))


@pytest.mark.parametrize(("before", "after"), list(itertools.product(STATES, STATES)))
async def test_states_only_move_forward(fleet: Store, before: CommandState, after: CommandState) -> None:
    given = command("c1", "d1", state=before)
    await fleet.commands.create(given)

    advanced = await fleet.commands.advance("c1", after, NOW + 1, reason="why", reply={"ok": 1})

    if after in TRANSITIONS[before]:
        assert advanced == CommandChanged("d1", "c1", given.command_id, given.method, after, "why", {"ok": 1})
        expected = replace(given, state=after, update_time=NOW + 1, reason="why", reply={"ok": 1})
        assert await fleet.commands.get("d1", "c1") == expected
    else:
        assert advanced is None
        assert await fleet.commands.get("d1", "c1") == given


async def test_advancing_may_give_a_command_more_time_and_never_less(fleet: Store) -> None:
    await fleet.commands.create(command("c1", "d1", expire_time=NOW + 10))
    steps: list[tuple[CommandState, int, int]] = [("sent", NOW + 20, NOW + 20), ("delivered", NOW + 5, NOW + 20)]
    for state, given, left in steps:
        assert await fleet.commands.advance("c1", state, NOW, expire_time=given) is not None
        assert (await fleet.commands.get("d1", "c1")).expire_time == left


async def test_a_command_that_is_gone_does_not_advance(fleet: Store) -> None:
    assert await fleet.commands.advance("nowhere", "sent", NOW) is None


async def test_of_two_that_advance_a_command_at_once_exactly_one_does(fleet: Store) -> None:
    await fleet.commands.create(command("c1", "d1", state="delivered"))

    outcomes = await asyncio.gather(
        fleet.commands.advance("c1", "replied", NOW, reply=1), fleet.commands.advance("c1", "expired", NOW)
    )

    assert sum(outcome is not None for outcome in outcomes) == 1


async def test_open_commands_are_listed_in_the_order_of_their_creation(fleet: Store) -> None:
    for n, state in enumerate(STATES):
        await fleet.commands.create(command(f"{9 - n}", "d1", state=state, create_time=NOW - n))
    await fleet.commands.create(command("other", "d2"))

    assert [each.state for each in await fleet.commands.list_open("d1")] == ["queued", "sent", "delivered"]


async def test_commands_are_paged_newest_first_and_of_equal_instants_the_last_first(fleet: Store) -> None:
    for row_id, create_time in (("c1", NOW), ("c2", NOW + 5), ("c3", NOW)):
        await fleet.commands.create(command(row_id, "d1", create_time=create_time))

    pages = [await fleet.commands.list_page("d1", Page(number=page, records=2)) for page in (1, 2)]

    assert [([item.id for item in items], total) for items, total in pages] == [(["c2", "c3"], 3), (["c1"], 3)]


async def test_open_commands_whose_time_is_over_expire_earliest_first(fleet: Store) -> None:
    for n, state in enumerate(STATES):
        given = command(f"c-{state}", "d1", state=state, expire_time=NOW + 10 - n, reply_defined=True)
        await fleet.commands.create(given)
    await fleet.commands.create(command("c-later", "d2", expire_time=NOW + 11))

    first = await fleet.commands.expire(NOW + 10, 2)
    rest = await fleet.commands.expire(NOW + 10, 2)

    assert [each.command_row_id for each in [*first, *rest]] == ["c-delivered", "c-sent", "c-queued"]
    assert all(each.state == "expired" and each.reason for each in [*first, *rest])
    kept = await fleet.commands.get("d1", "c-delivered")
    assert (kept.state, kept.update_time) == ("expired", NOW + 10)
    assert (await fleet.commands.get("d1", "c-replied")).state == "replied"
    assert (await fleet.commands.get("d2", "c-later")).state == "queued"
    assert await fleet.commands.expire(NOW + 10, 2) == []


async def test_what_was_delivered_or_sent_at_qos_0_and_defines_no_reply_ends_as_it_is(fleet: Store) -> None:
    kinds = {"delivered": ("delivered", 1), "qos0": ("sent", 0), "qos1": ("sent", 1), "queued": ("queued", None)}
    for row_id, (state, sent_qos) in kinds.items():
        await fleet.commands.create(command(row_id, "d1", state=state, sent_qos=sent_qos, expire_time=NOW))

    ended = await fleet.commands.expire(NOW, 10)

    states = {each.command_row_id: each.state for each in ended}
    assert states == {"delivered": "delivered", "qos0": "sent", "qos1": "expired", "queued": "expired"}
    assert await fleet.commands.list_open("d1") == []
    assert await fleet.commands.advance("delivered", "replied", NOW + 1) is None
    assert (await fleet.commands.get("d1", "delivered")).reason == ""


async def test_open_commands_are_found_by_id_and_method_oldest_or_newest(fleet: Store) -> None:
    for row_id, command_id, method in (("c1", 7, "a"), ("c2", 7, "b"), ("c3", 8, "a")):
        await fleet.commands.create(command(row_id, "d1", command_id=command_id, method=method))
    await fleet.commands.create(command("gone", "d1", command_id=9, method="a", state="replied"))

    assert await fleet.commands.find_open("d1", command_id=7) == "c1"
    assert await fleet.commands.find_open("d1", command_id=7, method="b") == "c2"
    assert await fleet.commands.find_open("d1", method="a", newest=True) == "c3"
    assert await fleet.commands.find_open("d1", command_id=9) is None
    assert await fleet.commands.find_open("d2", command_id=7) is None
    assert await fleet.commands.issued_lately("d1", 9, "a", 1)
    assert not await fleet.commands.issued_lately("d1", 7, "a", 3)
    assert await fleet.commands.issued_lately("d1", 7, "a", 4)


async def test_the_open_commands_of_a_device_are_bounded_in_number_and_bytes(
    fleet: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OPEN_COMMANDS_COUNT", 2)
    monkeypatch.setattr(limits, "OPEN_COMMANDS_BYTES", 100)
    await fleet.commands.create(command("c1", "d1", size_bytes=60))
    with pytest.raises(Conflict, match="60 bytes"):
        await fleet.commands.create(command("c2", "d1", size_bytes=41))
    await fleet.commands.create(command("c2", "d1", size_bytes=40))
    with pytest.raises(Conflict, match="2 commands"):
        await fleet.commands.create(command("c3", "d1"))
    await fleet.commands.create(command("c4", "d2", size_bytes=100))
    await fleet.commands.advance("c1", "failed", NOW)
    await fleet.commands.create(command("c3", "d1", size_bytes=60))


async def test_a_command_is_found_in_its_project_alone(fleet: Store) -> None:
    await fleet.commands.create(command("c1", "d1"))
    assert (await fleet.commands.get_of_project("ours", "c1")).id == "c1"
    with pytest.raises(NotFound):
        await fleet.commands.get_of_project("theirs", "c1")
