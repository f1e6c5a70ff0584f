"""The registry of devices: creation, look-ups, changes, removal."""

import asyncio
import time

import pytest
from msgspec.structs import replace

from tests.contract.conftest import Backend
from tests.contract.nouns import alarm, command, customer, device, device_group, device_type, ended, record, session
from thingstead.errors import Conflict, InvalidInput, NotFound, ThingsteadError
from thingstead.model.alarms.alarm import AlarmFilter
from thingstead.model.device import Device, Page
from thingstead.model.report import EventRecord, Report
from thingstead.storage.base import Store

Refusal = tuple[type[Exception], str]


def refusal_of(answer: Device | Exception) -> Refusal:
    assert isinstance(answer, Conflict | InvalidInput)
    return type(answer), answer.errors[0].field


async def test_a_created_device_is_found_by_everything_that_names_it(backend: Backend, store: Store) -> None:
    await store.device_types.create(device_type("type-1"))
    await store.customers.create(customer("customer-1"))
    given = device("d1", type_id="type-1", customer_id="customer-1", device_key="IMEI-1", tags={"k": "v"}, descr="x")

    created = await store.devices.create(given)

    assert created == replace(given, number=created.number)
    assert created.number > 0
    for _ in ("while open", "after a restart"):
        assert await store.devices.get("ours", "d1") == created
        assert await store.devices.find_by_access_token(given.access_token) == created
        assert await store.devices.find_by_device_key("ours", "IMEI-1") == created
        assert await store.devices.find_by_number(created.number) == created
        store = await backend.reopen()


async def test_what_names_no_device_finds_none(store: Store) -> None:
    await store.devices.create(device("d1", device_key="IMEI-1"))

    assert await store.devices.find_by_access_token("nothing") is None
    assert await store.devices.find_by_device_key("theirs", "IMEI-1") is None
    assert await store.devices.find_by_number(999) is None
    assert await store.devices.find_by_sub_address("d1", "1") is None
    with pytest.raises(NotFound):
        await store.devices.get("ours", "nowhere")


async def test_a_device_key_is_unique_in_its_project_only(store: Store) -> None:
    await store.devices.create(device(device_key="k"))
    await store.devices.create(device("foreign", "theirs", device_key="k"))
    await store.devices.create(device("no-key"))
    await store.devices.create(device("no-key-either"))

    with pytest.raises(Conflict) as at_creation:
        await store.devices.create(device(device_key="k"))
    with pytest.raises(Conflict) as at_update:
        await store.devices.update("ours", "no-key", {"device_key": "k"})

    assert [at_creation.value.errors[0].field, at_update.value.errors[0].field] == ["device_key", "device_key"]
    assert (await store.devices.get("ours", "no-key")).device_key is None


@pytest.mark.parametrize("field", ["id", "access_token"])
async def test_ids_and_access_tokens_are_unique_in_the_server(store: Store, field: str) -> None:
    first = await store.devices.create(device("d1", "theirs"))

    with pytest.raises(Conflict) as refusal:
        await store.devices.create(replace(device("d2"), **{field: getattr(first, field)}))

    assert refusal.value.errors[0].field == field


async def test_a_view_token_is_unique_in_its_project(store: Store) -> None:
    await store.devices.create(device(view_token="v"))
    await store.devices.create(device(None, "theirs", view_token="v"))

    with pytest.raises(Conflict) as refusal:
        await store.devices.create(device(view_token="v"))

    assert refusal.value.errors[0].field == "view_token"


@pytest.mark.parametrize("field", ["type", "customer", "gateway"])
@pytest.mark.parametrize("other_id", ["nowhere", "foreign"])
async def test_a_device_refers_only_to_what_is_in_its_project(store: Store, field: str, other_id: str) -> None:
    await store.device_types.create(device_type("foreign", "theirs"))
    await store.customers.create(customer("foreign", "theirs"))
    await store.devices.create(device("foreign", "theirs"))
    await store.devices.create(device("d1"))
    reference = {f"{field}_id": other_id}

    with pytest.raises(InvalidInput) as at_creation:
        await store.devices.create(device("d2", **reference))
    with pytest.raises(InvalidInput) as at_update:
        await store.devices.update("ours", "d1", {"name": "changed", **reference})

    assert [at_creation.value.errors[0].field, at_update.value.errors[0].field] == [field, field]
    assert (await store.devices.get("ours", "d1")).name == "Device d1"


async def test_a_device_is_not_its_own_gateway(store: Store) -> None:
    await store.devices.create(device("d1"))

    with pytest.raises(InvalidInput) as refusal:
        await store.devices.update("ours", "d1", {"gateway_id": "d1"})

    assert refusal.value.errors[0].field == "gateway"


async def test_sub_addresses_are_unique_within_their_gateway(store: Store) -> None:
    await store.devices.create_many([device("g1"), device("g2")])
    first = await store.devices.create(device(gateway_id="g1", sub_address="1"))
    second = await store.devices.create(device(gateway_id="g2", sub_address="1"))

    with pytest.raises(Conflict) as refusal:
        await store.devices.create(device(gateway_id="g1", sub_address="1"))

    assert refusal.value.errors[0].field == "sub_address"
    assert await store.devices.find_by_sub_address("g1", "1") == first
    assert await store.devices.find_by_sub_address("g2", "1") == second


async def test_of_two_that_create_one_device_key_at_once_exactly_one_wins(store: Store) -> None:
    answers = await asyncio.gather(
        *(store.devices.create(device(f"d{n}", device_key="k")) for n in range(5)), return_exceptions=True
    )

    winners = [answer for answer in answers if isinstance(answer, Device)]
    assert len(winners) == 1
    assert {type(answer) for answer in answers if answer is not winners[0]} == {Conflict}
    assert await store.devices.find_by_device_key("ours", "k") == winners[0]


async def test_many_are_created_as_far_as_they_can_be(backend: Backend, store: Store) -> None:
    await store.devices.create(device("d0", device_key="taken"))
    rows = [
        device("d1", device_key="k"),
        device("d2", device_key="k"),
        device("d3", device_key="taken"),
        device("d4", type_id="nowhere"),
        device("d1"),
        device("d5", create_time=2**70),
        device("d6"),
    ]

    answers = await store.devices.create_many(rows)

    assert [refusal_of(answer) for answer in answers[1:5]] == [
        (Conflict, "device_key"),
        (Conflict, "device_key"),
        (InvalidInput, "type"),
        (Conflict, "id"),
    ]
    assert isinstance(answers[5], InvalidInput)
    store = await backend.reopen()
    for answer in (answers[0], answers[6]):
        assert isinstance(answer, Device)
        assert await store.devices.get("ours", answer.id) == answer
    assert (await store.devices.stat("ours", 0)).device_total == 3


async def test_ten_thousand_devices_are_created_within_seconds(store: Store) -> None:
    await store.device_types.create(device_type("type-1"))
    rows = [device(f"d{n}", device_key=f"k{n}", type_id="type-1", tags={"site": str(n)}) for n in range(10_000)]
    begun = time.monotonic()

    answers = await store.devices.create_many(rows)

    assert time.monotonic() - begun < 60
    assert [answer.id for answer in answers if isinstance(answer, Device)] == [row.id for row in rows]
    assert (await store.device_types.get("ours", "type-1")).device_count == 10_000


async def test_a_change_is_seen_at_once_by_every_way_to_the_device(backend: Backend, store: Store) -> None:
    before = await store.devices.create(device("d1", device_key="old"))
    await store.devices.get("ours", "d1")
    await store.devices.find_by_access_token(before.access_token)

    await store.devices.update("ours", "d1", {"device_key": "new", "access_token": "reset", "name": "n", "tags": {}})

    after = replace(before, device_key="new", access_token="reset", name="n", tags={}, version=2)
    assert await store.devices.get("ours", "d1") == after
    assert await store.devices.find_by_access_token("reset") == after
    assert await store.devices.find_by_number(before.number) == after
    assert await store.devices.find_by_device_key("ours", "new") == after
    assert await store.devices.find_by_access_token(before.access_token) is None
    assert await store.devices.find_by_device_key("ours", "old") is None
    assert await (await backend.reopen()).devices.get("ours", "d1") == after


async def test_an_access_token_that_moved_to_another_device_leads_to_that_one(store: Store) -> None:
    first = await store.devices.create(device("d1", access_token="a"))
    second = await store.devices.create(device("d2", access_token="b"))
    assert await store.devices.find_by_access_token("a") == first

    await store.devices.update("ours", "d1", {"access_token": "c"})
    await store.devices.update("ours", "d2", {"access_token": "a"})

    assert await store.devices.find_by_access_token("a") == replace(second, access_token="a", version=2)
    assert await store.devices.find_by_access_token("b") is None


async def test_members_that_never_change_are_refused_by_an_update(store: Store) -> None:
    await store.devices.create(device("d1"))

    for name in ("id", "number", "project_id", "create_time"):
        with pytest.raises(ValueError, match=name):
            await store.devices.update("ours", "d1", {name: "x"})


async def test_callers_that_merge_tags_at_once_never_lose_each_others(store: Store) -> None:
    await store.devices.create(device("d1", tags={"old": "1"}))

    await asyncio.gather(
        store.devices.merge_tags("ours", "d1", {}, ["old"]),
        *(store.devices.merge_tags("ours", "d1", {f"k{n}": "v"}, []) for n in range(20)),
    )

    assert (await store.devices.get("ours", "d1")).tags == {f"k{n}": "v" for n in range(20)}


async def test_a_removed_device_is_gone_with_all_that_was_its(store: Store) -> None:
    await store.device_groups.create(device_group("a"))
    created = await store.devices.create(device("d1", device_key="k"))
    await store.device_groups.add_devices("ours", "a", ["d1"])
    await store.presence.open_session(created.number, session("s1"))
    await store.commands.create(command("c1", "d1"))
    await record(store, alarm("a1", "d1"))
    assert (
        await ended(store.events.append(EventRecord(id="e1", device_id="d1", method="boot", ts=1), created.number))
        is None
    )
    assert await ended(store.history.append(Report(created.number, 1, 1, {"t": 1}))) is None

    await store.devices.delete("ours", "d1")

    with pytest.raises(NotFound):
        await store.devices.get("ours", "d1")
    assert await store.devices.find_by_access_token(created.access_token) is None
    assert await store.devices.find_by_number(created.number) is None
    assert await store.presence.find_session(created.number) is None
    assert await store.commands.list_page("d1", Page()) == ([], 0)
    assert await store.events.list_page("d1", Page()) == ([], 0)
    assert await store.alarms.list_page("ours", AlarmFilter(), Page()) == ([], 0)
    assert await store.history.current(created.number) == {}
    assert (await store.devices.stat("ours", 0)).alarm_device_total == 0


async def test_the_number_of_a_removed_device_is_never_given_again(backend: Backend, store: Store) -> None:
    removed = await store.devices.create(device("d1", device_key="k"))
    await store.devices.delete("ours", "d1")

    again = await (await backend.reopen()).devices.create(device("d1", device_key="k"))

    assert again.number > removed.number


async def test_a_gateway_with_sub_devices_stays(store: Store) -> None:
    await store.devices.create(device("g1"))
    await store.devices.create(device("s1", gateway_id="g1", sub_address="1"))

    with pytest.raises(Conflict):
        await store.devices.delete("ours", "g1")

    await store.devices.delete("ours", "s1")
    await store.devices.delete("ours", "g1")


async def test_a_device_of_another_project_is_out_of_reach(store: Store) -> None:
    foreign = await store.devices.create(device("d1", "theirs"))
    await store.devices.get("theirs", "d1")

    for call in (
        store.devices.get("ours", "d1"),
        store.devices.get_view("ours", "d1"),
        store.devices.update("ours", "d1", {"name": "stolen"}),
        store.devices.merge_tags("ours", "d1", {"k": "v"}, []),
        store.devices.delete("ours", "d1"),
    ):
        with pytest.raises(NotFound):
            await call

    assert await store.devices.get("theirs", "d1") == foreign


@pytest.mark.parametrize("change", [{"name": "\ud800"}, {"descr": "\udfff"}, {"tags": {"k": "\ud800"}}])
async def test_what_cannot_be_kept_is_refused_and_changes_nothing(store: Store, change: dict[str, object]) -> None:
    created = await store.devices.create(device("d1"))

    with pytest.raises(ThingsteadError) as refusal:
        await store.devices.update("ours", "d1", change)

    assert isinstance(refusal.value, InvalidInput)
    assert await store.devices.get("ours", "d1") == created


async def test_a_text_that_no_device_can_have_names_none(store: Store) -> None:
    assert await store.devices.find_by_access_token("a\0b") is None
    assert await store.devices.find("\0") is None
