"""The tree of device groups."""

from typing import Any

import pytest

from tests.api.registry.house import Api, House
from thingstead.model import limits


async def tree(api: Api) -> list[Any]:
    """The names of the tree: ``[name, [children…]]``."""

    def shape(items: list[dict[str, Any]]) -> list[Any]:
        return [[item["name"], shape(item["children"])] for item in items]

    return shape((await api.get("device_groups_tree"))["items"])


async def members(api: Api, group_id: str) -> set[str]:
    return {item["id"] for item in (await api.get("devices", group=group_id))["items"]}


async def test_the_tree_shows_groups_below_their_parents(api: Api, stranger: Api, house: House) -> None:
    await stranger.new_group(name="theirs")
    top = await api.new_group(name="top", descr="d", tags={"a": "b"})
    house.clock.advance(1)
    second = await api.new_group(name="second", parent="")
    house.clock.advance(1)
    below = await api.new_group(name="below", parent=top)
    now = house.clock.now_ms()
    leaf = {
        "id": below,
        "name": "below",
        "descr": "",
        "tags": {},
        "create_time": now,
        "version": 1,
        "children": [],
    }
    root = {
        "id": top,
        "name": "top",
        "descr": "d",
        "tags": {"a": "b"},
        "create_time": now - 2,
        "version": 1,
        "children": [leaf],
    }
    other = {
        "id": second,
        "name": "second",
        "descr": "",
        "tags": {},
        "create_time": now - 1,
        "version": 1,
        "children": [],
    }
    assert await api.get("device_groups_tree") == {"items": [root, other]}
    await house.reopen()
    assert await api.get("device_groups_tree") == {"items": [root, other]}


async def test_the_tree_counts_each_device_once_above_its_groups(api: Api, stranger: Api) -> None:
    top = await api.new_group(name="top")
    left, right = [await api.new_group(name=name, parent=top) for name in ("left", "right")]
    leaf = await api.new_group(name="leaf", parent=left)
    apart = await api.new_group(name="apart")
    theirs = await stranger.new_group(name="theirs")
    await stranger.call("POST", f"device_group/{theirs}/devices", {"devices": [await stranger.new_device()]})
    one, two, three = [await api.new_device() for _ in range(3)]
    for group, devices in ((leaf, [one, two]), (right, [two]), (top, [two]), (apart, [two, three])):
        await api.call("POST", f"device_group/{group}/devices", {"devices": devices})

    counts: dict[str, tuple[int, int]] = {}

    def walk(items: list[dict[str, Any]]) -> None:
        for item in items:
            counts[item["name"]] = (item["device_count"], item["device_count_below"])
            walk(item["children"])

    walk((await api.get("device_groups_tree", counts=1))["items"])
    assert counts == {"top": (1, 2), "left": (0, 2), "right": (1, 1), "leaf": (2, 2), "apart": (2, 2)}
    listed = await api.get("devices", group=top, include_sub_groups=1)
    assert listed["total"] == counts["top"][1]


async def test_a_group_is_read_alone_with_its_parent(api: Api, house: House) -> None:
    top = await api.new_group(name="top")
    below = await api.new_group(name="below", descr="d", tags={"a": "b"}, parent=top)
    assert (await api.get(f"device_group/{top}"))["parent"] == ""
    assert await api.get(f"device_group/{below}") == {
        "id": below,
        "name": "below",
        "descr": "d",
        "tags": {"a": "b"},
        "create_time": house.clock.now_ms(),
        "version": 1,
        "parent": top,
    }


async def test_a_bad_group_is_refused_field_by_field(api: Api, stranger: Api) -> None:
    theirs = await stranger.new_group()
    refusal = await api.refusal("POST", "device_group", {"tags": {"a": 1}, "parent": 5})
    assert refusal.fields == {"name", "tags.a", "parent"}
    for parent in (theirs, "nosuch00", "\0"):
        refusal = await api.refusal("POST", "device_group", {"name": " ", "parent": parent})
        assert (refusal.errcode, refusal.fields) == (400, {"name", "parent"})


async def test_a_group_moves_with_all_that_is_below_it(api: Api, house: House) -> None:
    ids: list[str] = []
    for name in "abc":
        ids.append(await api.new_group(name=name, parent=ids[-1] if name == "b" else ""))
        house.clock.advance(1)
    a, b, c = ids
    assert await api.call("PUT", f"device_group/{a}/info", {"parent": c, "name": "A"}) == {}
    assert await tree(api) == [["c", [["A", [["b", []]]]]]]
    await api.call("PUT", f"device_group/{b}/info", {"parent": None})
    assert await tree(api) == [["b", []], ["c", [["A", []]]]]
    await api.call("PUT", f"device_group/{a}/info", {"parent": "", "descr": "d"})
    assert await tree(api) == [["A", []], ["b", []], ["c", []]]


async def test_a_group_cannot_stand_below_itself(api: Api) -> None:
    top = await api.new_group()
    middle = await api.new_group(parent=top)
    bottom = await api.new_group(parent=middle)
    for parent in (top, middle, bottom):
        assert (await api.refusal("PUT", f"device_group/{top}/info", {"parent": parent})).fields == {"parent"}
    assert (await api.get(f"device_group/{top}"))["parent"] == ""


async def test_the_tree_has_a_greatest_depth(api: Api) -> None:
    chain = [await api.new_group()]
    while len(chain) < limits.GROUP_DEPTH:
        chain.append(await api.new_group(parent=chain[-1]))
    assert (await api.refusal("POST", "device_group", {"name": "n", "parent": chain[-1]})).fields == {"parent"}
    top = await api.new_group()
    await api.new_group(parent=top)
    refusal = await api.refusal("PUT", f"device_group/{top}/info", {"parent": chain[-2]})
    assert refusal.fields == {"parent"}
    await api.call("PUT", f"device_group/{top}/info", {"parent": chain[-3]})


async def test_nothing_given_changes_nothing(api: Api) -> None:
    group_id = await api.new_group()
    assert (await api.refusal("PUT", f"device_group/{group_id}/info", {})).errcode == 400
    assert (await api.refusal("PUT", f"device_group/{group_id}/info", {"name": ""})).fields == {"name"}


async def test_tags_of_a_group_are_merged_and_removed(api: Api) -> None:
    group_id = await api.new_group(tags={"a": "1", "b": "2"})
    await api.call("PUT", f"device_group/{group_id}/tags", {"tags": {"b": "3", "c": "4"}})
    await api.call("POST", f"device_group/{group_id}/tags_remove", {"keys": ["a", "unknown"]})
    assert (await api.get(f"device_group/{group_id}"))["tags"] == {"b": "3", "c": "4"}


async def test_a_group_with_groups_below_it_stays(api: Api) -> None:
    top = await api.new_group()
    below = await api.new_group(parent=top)
    device_id = await api.new_device()
    await api.call("POST", f"device_group/{below}/devices", {"devices": [device_id]})
    assert (await api.refusal("DELETE", f"device_group/{top}")).errcode == 409
    assert await api.call("DELETE", f"device_group/{below}") == {}
    assert await api.call("DELETE", f"device_group/{top}") == {}
    assert (await api.get(f"device/{device_id}"))["id"] == device_id


async def test_devices_join_and_leave_a_group(api: Api, house: House) -> None:
    group_id, other = await api.new_group(), await api.new_group()
    a, b, c = [await api.new_device() for _ in range(3)]
    path = f"device_group/{group_id}/devices"
    assert await api.call("POST", path, {"devices": [a, b, a]}) == {}
    await api.call("POST", path, {"devices": [b, c]})
    await api.call("POST", f"device_group/{other}/devices", {"devices": [c]})
    assert await members(api, group_id) == {a, b, c}
    assert await api.call("POST", f"device_group/{group_id}/devices_remove", {"devices": [c]}) == {}
    await api.call("POST", f"device_group/{group_id}/devices_remove", {"devices": [c, a]})
    await house.reopen()
    assert await members(api, group_id) == {b}
    assert await members(api, other) == {c}


async def test_devices_join_all_or_none(api: Api, stranger: Api) -> None:
    group_id = await api.new_group()
    mine, theirs = await api.new_device(), await stranger.new_device()
    for unknown in (theirs, "nosuch00"):
        refusal = await api.refusal("POST", f"device_group/{group_id}/devices", {"devices": [mine, unknown]})
        assert refusal.errcode == 404
        assert unknown in refusal.message
    refusal = await api.refusal("POST", f"device_group/{group_id}/devices", {"devices": [mine, "\0"]})
    assert refusal.fields == {"devices[1]"}
    for devices in ([], "x", ["aaaaaaaa"] * 1001):
        refusal = await api.refusal("POST", f"device_group/{group_id}/devices", {"devices": devices})
        assert refusal.fields == {"devices"}
    assert await members(api, group_id) == set()


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", None),
        ("DELETE", "", None),
        ("PUT", "/info", {}),
        ("PUT", "/info", {"name": "n"}),
        ("PUT", "/info", {"parent": ""}),
        ("PUT", "/tags", {"tags": {"a": "b"}}),
        ("POST", "/tags_remove", {"keys": ["a"]}),
        ("POST", "/devices", {"devices": ["aaaaaaaa"]}),
        ("POST", "/devices_remove", {"devices": ["aaaaaaaa"]}),
    ],
)
async def test_nobody_else_can_reach_a_group(api: Api, stranger: Api, method: str, suffix: str, body: Any) -> None:
    group_id = await api.new_group(name="mine", tags={"a": "1"})
    before = await api.get(f"device_group/{group_id}")
    for caller, name in ((stranger, group_id), (api, "nosuch00"), (api, "%F0%9F%92%A9")):
        assert (await caller.refusal(method, f"device_group/{name}{suffix}", body)).errcode == 404
    assert await api.get(f"device_group/{group_id}") == before
