"""Device types."""

import asyncio

import pytest

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, device, device_type
from thingstead.errors import Conflict, NotFound
from thingstead.model.device import Page
from thingstead.model.device_type import AttributeDefinition, EventDefinition, Functions, Parameter
from thingstead.model.modbus.tables import ModbusTables, Register, RegisterGroup, StreamTable
from thingstead.storage.base import Store

TEMPERATURE = Register(attribute="t", address=0, type="int32", order="CDAB", scale=0.1, writable=True)
FUNCTIONS = Functions(
    attributes=(
        AttributeDefinition(identifier="t", attr_type="both", data_options={"unit": "°C", "min": -40, "max": 85.5}),
        AttributeDefinition(
            identifier="mode", data_type="enum", data_options={"items": [{"value": "1", "name": "快"}]}
        ),
    ),
    events=(EventDefinition(identifier="boot", params=(Parameter(identifier="cause", data_type="text"),)),),
)

TABLES = ModbusTables(
    streams=(
        StreamTable(
            identifier="port",
            groups=(RegisterGroup(unit_id=1, function=3, address=0, count=2, registers=(TEMPERATURE,)),),
        ),
    )
)


async def test_a_type_comes_back_as_it_was_given_also_after_a_restart(backend: Backend, store: Store) -> None:
    added = device_type(
        "type-1",
        tags={"a": "b"},
        conn_type="3",
        conn_protocol="9",
        auto_create=True,
        functions=FUNCTIONS,
        modbus=TABLES,
    )

    await store.device_types.create(added)

    assert await store.device_types.get("ours", "type-1") == added
    assert await store.device_types.find_by_type_key("ours", "type-1-key") == added
    assert await (await backend.reopen()).device_types.get("ours", "type-1") == added


async def test_types_with_tables_of_registers_are_found_in_all_projects(store: Store) -> None:
    await store.device_types.create(device_type("type-1"))
    await store.device_types.create(device_type("type-2", modbus=TABLES))
    await store.device_types.create(device_type("type-3", "theirs", modbus=TABLES))
    assert sorted(await store.device_types.with_modbus()) == [("ours", "type-2"), ("theirs", "type-3")]
    await store.device_types.update("ours", "type-2", {"modbus": ModbusTables()})
    assert await store.device_types.with_modbus() == [("theirs", "type-3")]


async def test_a_type_key_is_unique_in_its_project_only(store: Store) -> None:
    await store.device_types.create(device_type("type-1", type_key="k"))
    await store.device_types.create(device_type("type-2", "theirs", type_key="k"))

    with pytest.raises(Conflict) as refusal:
        await store.device_types.create(device_type("type-3", type_key="k"))

    assert refusal.value.errors[0].field == "type_key"


async def test_types_are_listed_oldest_first(store: Store) -> None:
    for type_id, create_time in (("b", NOW), ("a", NOW), ("c", NOW - 1)):
        await store.device_types.create(device_type(type_id, create_time=create_time))
    await store.device_types.create(device_type("d", "theirs"))

    assert [item.id for item in (await store.device_types.list_page("ours", Page(records=100)))[0]] == ["c", "a", "b"]


async def test_a_type_knows_how_many_devices_it_has(store: Store) -> None:
    await store.device_types.create(device_type("type-1"))
    await store.device_types.create(device_type("type-2"))
    await store.device_types.get("ours", "type-1")

    await store.devices.create(device("d1", type_id="type-1"))
    await store.devices.create_many([device(type_id="type-1"), device(type_id="type-1")])
    assert await _counts(store) == {"type-1": 3, "type-2": 0}

    await store.devices.update("ours", "d1", {"type_id": "type-2"})
    assert await _counts(store) == {"type-1": 2, "type-2": 1}

    await store.devices.update("ours", "d1", {"type_id": None})
    assert await _counts(store) == {"type-1": 2, "type-2": 0}

    await store.devices.update("ours", "d1", {"type_id": "type-2"})
    await store.devices.delete("ours", "d1")
    assert await _counts(store) == {"type-1": 2, "type-2": 0}


async def _counts(store: Store) -> dict[str, int]:
    listed = {item.id: item.device_count for item in (await store.device_types.list_page("ours", Page(records=100)))[0]}
    assert listed == {type_id: (await store.device_types.get("ours", type_id)).device_count for type_id in listed}
    return listed


async def test_a_change_of_a_type_is_seen_at_once(backend: Backend, store: Store) -> None:
    await store.device_types.create(device_type("type-1"))
    await store.device_types.get("ours", "type-1")

    await store.device_types.update("ours", "type-1", {"functions": FUNCTIONS, "auto_create": True})

    after = await store.device_types.get("ours", "type-1")
    assert (after.functions, after.auto_create, after.name) == (FUNCTIONS, True, "Type type-1")
    assert await (await backend.reopen()).device_types.get("ours", "type-1") == after


async def test_callers_that_merge_tags_at_once_never_lose_each_others(store: Store) -> None:
    await store.device_types.create(device_type("type-1", tags={"old": "1", "kept": "1"}))

    await asyncio.gather(
        store.device_types.merge_tags("ours", "type-1", {"a": "1"}, ["old", "unknown"]),
        *(store.device_types.merge_tags("ours", "type-1", {f"k{n}": "v"}, []) for n in range(20)),
    )

    tags = (await store.device_types.get("ours", "type-1")).tags
    assert tags == {"kept": "1", "a": "1"} | {f"k{n}": "v" for n in range(20)}


async def test_a_tag_that_is_removed_and_put_in_one_step_stays(store: Store) -> None:
    await store.device_types.create(device_type("type-1", tags={"a": "1"}))

    await store.device_types.merge_tags("ours", "type-1", {"a": "2"}, ["a"])

    assert (await store.device_types.get("ours", "type-1")).tags == {"a": "2"}


async def test_a_type_that_has_devices_stays(store: Store) -> None:
    await store.device_types.create(device_type("type-1"))
    await store.devices.create(device("d1", type_id="type-1"))

    with pytest.raises(Conflict):
        await store.device_types.delete("ours", "type-1")

    assert (await store.device_types.get("ours", "type-1")).device_count == 1


async def test_a_removed_type_is_gone_at_once(store: Store) -> None:
    await store.device_types.create(device_type("type-1"))
    await store.device_types.get("ours", "type-1")

    await store.device_types.delete("ours", "type-1")

    with pytest.raises(NotFound):
        await store.device_types.get("ours", "type-1")


async def test_a_type_of_another_project_is_out_of_reach(store: Store) -> None:
    foreign = device_type("type-1", "theirs")
    await store.device_types.create(foreign)
    await store.device_types.get("theirs", "type-1")

    for call in (
        store.device_types.get("ours", "type-1"),
        store.device_types.update("ours", "type-1", {"name": "stolen"}),
        store.device_types.merge_tags("ours", "type-1", {"k": "v"}, []),
        store.device_types.delete("ours", "type-1"),
    ):
        with pytest.raises(NotFound):
            await call

    assert await store.device_types.find_by_type_key("ours", "type-1-key") is None
    assert await store.device_types.get("theirs", "type-1") == foreign


async def test_devices_of_types_that_let_them_create_themselves_are_counted(store: Store) -> None:
    for type_id, project_id, auto_create in (("a", "ours", True), ("b", "ours", False), ("c", "theirs", True)):
        await store.device_types.create(device_type(type_id, project_id, auto_create=auto_create))
        for number in range(2):
            await store.devices.create(device(f"{type_id}{number}", project_id, type_id=type_id))
    assert await store.device_types.count_self_created("ours") == 2


async def test_types_are_found_by_their_texts_as_these_are_now_and_listed_by_name(store: Store) -> None:
    for type_id, name in (("a", "Pump"), ("b", "Boiler"), ("c", "pump, large")):
        await store.device_types.create(device_type(type_id, name=name))

    async def found(keyword: str | None, page: Page = Page()) -> list[str]:  # noqa: B008 - frozen
        return [item.id for item in (await store.device_types.list_page("ours", page, keyword))[0]]

    assert await found("PUMP") == ["a", "c"]
    assert await found(None, Page(sort="name")) == ["b", "a", "c"]
    assert await found("pump", Page(sort="-name")) == ["c", "a"]
    await store.device_types.update("ours", "a", {"name": "Valve"})
    await store.device_types.update("ours", "b", {"descr": "of the pump house"})
    assert await found("pump") == ["b", "c"]
