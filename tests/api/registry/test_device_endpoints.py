"""A device by itself: creating, reading, changing and removing it, and its certificate."""

import string
from typing import Any

import pytest

from tests.api.registry.house import Api, House
from thingstead.model.messages import DeviceChanged, SessionsRevoked

GATEWAY, SUB_DEVICE = {"conn_type": "3"}, {"conn_type": "2"}


async def gateway_with_sub_device(api: Api) -> tuple[str, str]:
    gateway = await api.new_device(type=await api.new_type(**GATEWAY))
    sub = await api.new_device(type=await api.new_type(**SUB_DEVICE), gateway=gateway, sub_address="1")
    return gateway, sub


async def test_a_new_device_is_answered_with_its_id_and_read_as_created(api: Api, house: House) -> None:
    body = {"name": "设备 1", "descr": "d", "type": "", "tags": {"site": "A"}, "device_key": ""}
    created = await api.call("POST", "device", body)
    assert created.keys() == {"id", "name"}
    assert created["name"] == "设备 1"
    device = await api.get(f"device/{created['id']}")
    codes = {key: device.pop(key) for key in ("view_token", "device_code")}
    assert all(len(code) == 16 and set(code) <= set(string.ascii_lowercase + string.digits) for code in codes.values())
    assert device == {
        "id": created["id"],
        "name": "设备 1",
        "descr": "d",
        "device_key": "",
        "tags": {"site": "A"},
        "create_time": house.clock.now_ms(),
        "version": 1,
        "alarm": {},
        "active": {},
        "online": False,
        "type": "",
        "groups": [],
    }


async def test_a_device_shows_its_type_and_the_newest_uplink_of_each_kind(api: Api, house: House) -> None:
    type_id = await api.new_type(name="Meter", conn_protocol="2")
    device_id = await api.new_device(type=type_id)
    await house.report(device_id, t=1)
    device = await api.get(f"device/{device_id}")
    assert device["type"] == type_id
    assert device["type_info"] == {"id": type_id, "name": "Meter", "conn_type": "1", "conn_protocol": "2"}
    assert device["active"] == {"attributes": house.clock.now_ms()}


async def test_every_bad_field_of_a_new_device_is_named(api: Api) -> None:
    refusal = await api.refusal("POST", "device", {"descr": 5, "tags": {"k": 1}, "device_key": "x" * 129})
    assert refusal.errcode == 400
    assert refusal.fields == {"name", "descr", "tags.k", "device_key"}
    refusal = await api.refusal("POST", "device", {"name": " ", "descr": "a\0b", "tags": {"": "x"}, "type": "a b"})
    assert refusal.fields == {"name", "descr", "tags", "type"}


async def test_a_device_key_is_unique_in_its_project_only(api: Api, stranger: Api) -> None:
    await api.new_device(device_key="imei-1")
    refusal = await api.refusal("POST", "device", {"name": "again", "device_key": "imei-1"})
    assert (refusal.errcode, refusal.fields) == (409, {"device_key"})
    await stranger.new_device(device_key="imei-1")
    for _ in range(2):
        await api.new_device(device_key="")


async def test_a_certificate_opens_with_the_project_key(api: Api) -> None:
    device_id = await api.new_device(name="n")
    certificate = await api.get(f"device/{device_id}/certificate")
    assert len(certificate.pop("access_token")) == 16
    assert certificate == {"id": device_id, "name": "n", "project_key": api.project_key}


async def test_a_reset_certificate_voids_the_old_one_and_ends_sessions(api: Api, house: House) -> None:
    device_id = await api.new_device()
    old = await api.get(f"device/{device_id}/certificate")
    house.heard.clear()
    new = await api.call("POST", f"device/{device_id}/certificate_reset")
    assert new == await api.get(f"device/{device_id}/certificate")
    assert new["access_token"] != old["access_token"]
    assert await house.store.devices.find_by_access_token(old["access_token"]) is None
    assert house.heard == [DeviceChanged(device_id), SessionsRevoked([device_id], "certificate reset")]


async def test_info_changes_only_what_is_given(api: Api, house: House) -> None:
    device_id = await api.new_device(name="a", descr="b", device_key="c")
    house.heard.clear()
    assert await api.call("PUT", f"device/{device_id}/info", {"descr": ""}) == {}
    await api.call("PUT", f"device/{device_id}/info", {"name": "A", "device_key": "C"})
    device = await api.get(f"device/{device_id}")
    assert (device["name"], device["descr"], device["device_key"]) == ("A", "", "C")
    assert house.heard == [DeviceChanged(device_id)] * 2


@pytest.mark.parametrize("empty", ["", None])
async def test_an_empty_device_key_takes_the_key_away_from_any_number_of_devices(api: Api, empty: Any) -> None:
    for key in ("a", "b"):
        device_id = await api.new_device(device_key=key)
        await api.call("PUT", f"device/{device_id}/info", {"device_key": empty})
        assert (await api.get(f"device/{device_id}"))["device_key"] == ""
    await api.new_device(device_key="a")


async def test_info_is_refused_field_by_field(api: Api) -> None:
    await api.new_device(device_key="taken")
    device_id = await api.new_device()
    path = f"device/{device_id}/info"
    assert (await api.refusal("PUT", path, {"device_key": "taken"})).errcode == 409
    assert (await api.refusal("PUT", path, {"name": "", "descr": 5})).fields == {"name", "descr"}
    assert (await api.refusal("PUT", path, {})).errcode == 400
    assert (await api.refusal("PUT", path, {"other": 1})).message == "give at least one of name, descr, device_key"


async def test_tags_are_merged_and_removed_by_key(api: Api) -> None:
    device_id = await api.new_device(tags={"a": "1", "b": "2"})
    assert await api.call("PUT", f"device/{device_id}/tags", {"tags": {"b": "3", "c": "4"}}) == {}
    assert (await api.get(f"device/{device_id}"))["tags"] == {"a": "1", "b": "3", "c": "4"}
    assert await api.call("POST", f"device/{device_id}/tags_remove", {"keys": ["a", "b", "unknown"]}) == {}
    assert (await api.get(f"device/{device_id}"))["tags"] == {"c": "4"}


@pytest.mark.parametrize(
    ("tags", "field"),
    [({"k": "x" * 513}, "tags.k"), ({"x" * 65: ""}, "tags"), ({"k": None}, "tags.k"), (5, "tags"), (None, "tags")],
)
async def test_tags_out_of_bounds_are_refused(api: Api, tags: Any, field: str) -> None:
    path = f"device/{await api.new_device()}/tags"
    assert (await api.refusal("PUT", path, {"tags": tags})).fields == {field}


async def test_a_device_has_at_most_64_tags(api: Api) -> None:
    device_id = await api.new_device(tags={str(number): "" for number in range(64)})
    path = f"device/{device_id}/tags"
    await api.call("PUT", path, {"tags": {"0": "changed"}})
    assert (await api.refusal("PUT", path, {"tags": {"one more": ""}})).fields == {"tags"}


async def test_a_removed_device_is_gone_and_its_sessions_end(api: Api, house: House) -> None:
    device_id = await api.new_device()
    await house.report(device_id, t=1)
    house.heard.clear()
    assert await api.call("DELETE", f"device/{device_id}") == {}
    assert (await api.refusal("GET", f"device/{device_id}")).errcode == 404
    assert (await api.get("devices"))["total"] == 0
    assert SessionsRevoked([device_id], "device removed") in house.heard


async def test_a_type_is_changed_and_taken_away(api: Api, house: House) -> None:
    type_id = await api.new_type()
    device_id = await api.new_device()
    house.heard.clear()
    assert await api.call("PUT", f"device/{device_id}/type", {"type": type_id}) == {}
    assert (await api.get(f"device/{device_id}"))["type"] == type_id
    assert (await api.get(f"device_type/{type_id}"))["device_count"] == 1
    await api.call("PUT", f"device/{device_id}/type", {"type": None})
    assert "type_info" not in await api.get(f"device/{device_id}")
    assert (await api.get(f"device_type/{type_id}"))["device_count"] == 0
    assert house.heard == [DeviceChanged(device_id)] * 2
    assert (await api.refusal("PUT", f"device/{device_id}/type", {"type": "nosuch00"})).fields == {"type"}


async def test_a_device_that_becomes_a_gateway_must_connect_anew(api: Api, house: House) -> None:
    device_id = await api.new_device()
    await api.call("PUT", f"device/{device_id}/type", {"type": await api.new_type(**GATEWAY)})
    assert SessionsRevoked([device_id], "type changed") in house.heard


async def test_a_sub_device_belongs_to_its_gateway(api: Api) -> None:
    gateway, sub = await gateway_with_sub_device(api)
    device = await api.get(f"device/{sub}")
    assert (device["gateway"], device["sub_address"]) == (gateway, "1")
    assert [item["id"] for item in (await api.get("devices", gateway=gateway))["items"]] == [sub]


async def test_a_sub_address_is_unique_within_its_gateway(api: Api) -> None:
    gateway, sub = await gateway_with_sub_device(api)
    type_id = (await api.get(f"device/{sub}"))["type"]
    body = {"name": "n", "type": type_id, "gateway": gateway, "sub_address": "1"}
    refusal = await api.refusal("POST", "device", body)
    assert (refusal.errcode, refusal.fields) == (409, {"sub_address"})
    await api.new_device(**body | {"sub_address": "2"})


async def test_a_sub_device_needs_a_gateway_an_address_and_a_fitting_type(api: Api, stranger: Api) -> None:
    gateway, sub = await gateway_with_sub_device(api)
    sub_type = (await api.get(f"device/{sub}"))["type"]
    plain_type, plain = await api.new_type(), await api.new_device()
    their_gateway, _ = await gateway_with_sub_device(stranger)
    for bad, fields in (
        ({"gateway": gateway}, {"sub_address"}),
        ({"sub_address": "9"}, {"gateway"}),
        ({"gateway": plain, "sub_address": "9"}, {"gateway"}),
        ({"gateway": their_gateway, "sub_address": "9"}, {"gateway"}),
        ({"gateway": "../..", "sub_address": "9"}, {"gateway"}),
        ({"gateway": gateway, "sub_address": "9", "type": plain_type}, {"type"}),
        ({"gateway": gateway, "sub_address": "9", "type": None}, {"type"}),
    ):
        refusal = await api.refusal("POST", "device", {"name": "n", "type": sub_type} | bad)
        assert (refusal.errcode, refusal.fields) == (400, fields), bad


async def test_a_gateway_with_sub_devices_stays_a_gateway(api: Api) -> None:
    gateway, sub = await gateway_with_sub_device(api)
    assert (await api.refusal("DELETE", f"device/{gateway}")).errcode == 409
    assert (await api.refusal("PUT", f"device/{gateway}/type", {"type": ""})).errcode == 409
    assert (await api.refusal("PUT", f"device/{sub}/type", {"type": ""})).fields == {"type"}
    await api.call("DELETE", f"device/{sub}")
    await api.call("PUT", f"device/{gateway}/type", {"type": ""})
    await api.call("DELETE", f"device/{gateway}")


OF_A_DEVICE: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("DELETE", "", None),
    ("GET", "/certificate", None),
    ("POST", "/certificate_reset", None),
    ("PUT", "/info", {"name": "n"}),
    ("PUT", "/tags", {"tags": {"a": "b"}}),
    ("POST", "/tags_remove", {"keys": ["a"]}),
    ("PUT", "/type", {"type": ""}),
    ("GET", "/attributes", None),
    ("GET", "/attribute/t/series", None),
    ("POST", "/attributes_remove", {"keys": ["t"]}),
    ("GET", "/alarm_logs", None),
]


@pytest.mark.parametrize(("method", "suffix", "body"), OF_A_DEVICE)
async def test_nobody_else_can_reach_a_device(api: Api, stranger: Api, method: str, suffix: str, body: Any) -> None:
    device_id = await api.new_device(name="mine", tags={"a": "1"})
    before = await api.get(f"device/{device_id}"), await api.get(f"device/{device_id}/certificate")
    for name in (device_id, "nosuch00", "a" * 100, "%F0%9F%92%A9"):
        caller = stranger if name == device_id else api
        assert (await caller.refusal(method, f"device/{name}{suffix}", body)).errcode == 404, name
    assert before == (await api.get(f"device/{device_id}"), await api.get(f"device/{device_id}/certificate"))


async def test_devices_outlive_a_restart(api: Api, house: House) -> None:
    type_id = await api.new_type()
    device_id = await api.new_device(name="n", type=type_id, tags={"a": "b"}, device_key="k")
    await api.call("PUT", f"device/{device_id}/info", {"descr": "later"})
    before = await api.get(f"device/{device_id}"), await api.get(f"device/{device_id}/certificate")
    await house.reopen()
    assert before == (await api.get(f"device/{device_id}"), await api.get(f"device/{device_id}/certificate"))
    assert before[0]["descr"] == "later"
