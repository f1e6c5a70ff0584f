"""Device groups and who stands in them."""

import pytest

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, device, device_group
from thingstead.errors import Conflict, InvalidInput, NotFound
from thingstead.model.device import DeviceFilter, Page
from thingstead.storage.base import Store


async def members(store: Store, group_id: str, project_id: str = "ours") -> list[str]:
    views, _ = await store.devices.list_views(project_id, DeviceFilter(group_ids=(group_id,)), Page())
    return [view.device.id for view in views]


async def test_a_group_comes_back_as_it_was_given_also_after_a_restart(backend: Backend, store: Store) -> None:
    top = device_group("top", tags={"a": "b"}, descr="the top")
    child = device_group("child", parent_id="top")

    await store.device_groups.create(top)
    await store.device_groups.create(child)

    assert await store.device_groups.get("ours", "top") == top
    assert await (await backend.reopen()).device_groups.get("ours", "child") == child


async def test_what_is_no_group_of_the_project_is_neither_known_nor_changed(store: Store) -> None:
    for group_id, project_id in (("one", "ours"), ("other", "ours"), ("foreign", "theirs")):
        await store.device_groups.create(device_group(group_id, project_id))
    assert await store.device_groups.known("ours", ["one", "foreign", "nowhere"]) == {"one"}
    for group_id in ("foreign", "nowhere"):
        with pytest.raises(NotFound):
            await store.device_groups.update("ours", group_id, {"name": "new"})
        with pytest.raises(NotFound):
            await store.device_groups.update("ours", group_id, {})
    assert (await store.device_groups.get("theirs", "foreign")).name != "new"


async def test_groups_are_listed_oldest_first(store: Store) -> None:
    for group_id, create_time in (("b", NOW), ("a", NOW), ("c", NOW - 1)):
        await store.device_groups.create(device_group(group_id, create_time=create_time))
    await store.device_groups.create(device_group("d", "theirs"))

    assert [group.id for group in await store.device_groups.list_all("ours")] == ["c", "a", "b"]


@pytest.mark.parametrize("parent_id", ["nowhere", "foreign"])
async def test_a_parent_must_be_a_group_of_the_project(store: Store, parent_id: str) -> None:
    await store.device_groups.create(device_group("foreign", "theirs"))
    await store.device_groups.create(device_group("top"))

    with pytest.raises(InvalidInput) as at_creation:
        await store.device_groups.create(device_group("child", parent_id=parent_id))
    with pytest.raises(InvalidInput) as at_update:
        await store.device_groups.update("ours", "top", {"parent_id": parent_id, "name": "changed"})

    assert [at_creation.value.errors[0].field, at_update.value.errors[0].field] == ["parent", "parent"]
    assert await store.device_groups.list_all("ours") == [device_group("top")]


@pytest.mark.parametrize("parent_id", ["top", "child", "grandchild"])
async def test_a_group_never_comes_to_lie_below_itself(store: Store, parent_id: str) -> None:
    await store.device_groups.create(device_group("top"))
    await store.device_groups.create(device_group("child", parent_id="top"))
    await store.device_groups.create(device_group("grandchild", parent_id="child"))

    with pytest.raises(InvalidInput) as refusal:
        await store.device_groups.update("ours", "top", {"parent_id": parent_id})

    assert refusal.value.errors[0].field == "parent"
    assert (await store.device_groups.get("ours", "top")).parent_id is None


async def test_a_group_can_move_and_become_a_top_again(store: Store) -> None:
    for group_id in ("a", "b"):
        await store.device_groups.create(device_group(group_id))

    await store.device_groups.update("ours", "b", {"parent_id": "a", "name": "moved"})
    assert await store.device_groups.get("ours", "b") == device_group("b", parent_id="a", name="moved", version=2)

    await store.device_groups.update("ours", "b", {"parent_id": None})
    assert (await store.device_groups.get("ours", "b")).parent_id is None


async def test_tags_of_a_group_merge(store: Store) -> None:
    await store.device_groups.create(device_group("a", tags={"old": "1", "kept": "1"}))

    await store.device_groups.merge_tags("ours", "a", {"new": "1"}, ["old"])

    assert (await store.device_groups.get("ours", "a")).tags == {"kept": "1", "new": "1"}


async def test_a_group_with_child_groups_stays(store: Store) -> None:
    await store.device_groups.create(device_group("top"))
    await store.device_groups.create(device_group("child", parent_id="top"))

    with pytest.raises(Conflict):
        await store.device_groups.delete("ours", "top")

    await store.device_groups.delete("ours", "child")
    await store.device_groups.delete("ours", "top")
    assert await store.device_groups.list_all("ours") == []


async def test_devices_outlive_their_group(store: Store) -> None:
    await store.device_groups.create(device_group("a"))
    await store.devices.create(device("d1"))
    await store.device_groups.add_devices("ours", "a", ["d1"])

    await store.device_groups.delete("ours", "a")

    assert (await store.devices.get("ours", "d1")).id == "d1"
    assert await members(store, "a") == []


async def test_a_device_may_stand_in_many_groups_and_once_in_each(backend: Backend, store: Store) -> None:
    for group_id in ("a", "b"):
        await store.device_groups.create(device_group(group_id))
    await store.devices.create_many([device("d1"), device("d2")])

    await store.device_groups.add_devices("ours", "a", ["d1", "d2", "d1"])
    await store.device_groups.add_devices("ours", "a", ["d1"])
    await store.device_groups.add_devices("ours", "b", ["d1"])

    assert await members(store, "a") == ["d1", "d2"]
    assert await members(await backend.reopen(), "b") == ["d1"]


@pytest.mark.parametrize("unknown", ["nowhere", "foreign"])
async def test_members_change_all_or_nothing(store: Store, unknown: str) -> None:
    await store.device_groups.create(device_group("a"))
    await store.devices.create_many([device("d1"), device("d2"), device("foreign", "theirs")])
    await store.device_groups.add_devices("ours", "a", ["d1"])

    with pytest.raises(NotFound, match=unknown):
        await store.device_groups.add_devices("ours", "a", ["d2", unknown])
    with pytest.raises(NotFound, match=unknown):
        await store.device_groups.remove_devices("ours", "a", ["d1", unknown])

    assert await members(store, "a") == ["d1"]


async def test_a_removed_member_is_out_and_one_that_never_was_in_is_passed_over(store: Store) -> None:
    await store.device_groups.create(device_group("a"))
    await store.devices.create_many([device("d1"), device("d2"), device("d3")])
    await store.device_groups.add_devices("ours", "a", ["d1", "d2"])

    await store.device_groups.remove_devices("ours", "a", ["d2", "d3"])

    assert await members(store, "a") == ["d1"]


async def test_a_group_of_another_project_is_out_of_reach(store: Store) -> None:
    foreign = device_group("a", "theirs")
    await store.device_groups.create(foreign)
    await store.devices.create(device("d1"))

    for call in (
        store.device_groups.get("ours", "a"),
        store.device_groups.update("ours", "a", {"name": "stolen"}),
        store.device_groups.merge_tags("ours", "a", {"k": "v"}, []),
        store.device_groups.delete("ours", "a"),
        store.device_groups.add_devices("ours", "a", ["d1"]),
        store.device_groups.remove_devices("ours", "a", ["d1"]),
    ):
        with pytest.raises(NotFound):
            await call

    assert await store.device_groups.get("theirs", "a") == foreign
