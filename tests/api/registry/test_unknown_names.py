"""A name that an endpoint does not know is said, not ignored."""

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from tests.api.registry.house import Api, House, administrator
from thingstead.api.unknown_names import UNKNOWN_LIMIT, unknown_of_body, unknown_of_query
from thingstead.config.nearest import nearest
from thingstead.errors import FieldError

Connect = Callable[..., httpx.AsyncClient]


class Inner(msgspec.Struct, kw_only=True):
    identifier: str = ""
    below: "list[Inner]" = []


class Body(msgspec.Struct, kw_only=True, rename={"raise_": "raise"}):
    device_type: str | None = None
    raise_: Inner | None = None
    rules: list[Inner] = []
    tags: dict[str, str] = {}
    by_name: dict[str, Inner] = {}
    anything: Any = None
    either: Inner | dict[str, Any] | None = None


def fields(kind: Any, value: Any) -> list[str]:
    look = unknown_of_body(kind)
    assert look is not None
    return [error.field for error in look(msgspec.json.encode(value))]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, []),
        ({"device_type": "x", "raise": {"identifier": "t"}, "tags": {"any": "y"}, "anything": {"z": 1}}, []),
        ({"type": "x"}, ["type"]),
        ({"raise_": {}}, ["raise_"]),
        ({"raise": {"ident": 1}}, ["raise.ident"]),
        ({"raise": None, "rules": None}, []),
        ({"rules": [{}, {"below": [{}, {"x": 1}]}]}, ["rules[1].below[1].x"]),
        ({"by_name": {"a": {"x": 1}}}, ["by_name.a.x"]),
        ({"either": {"x": 1}}, []),
        ([1], []),
        ("text", []),
    ],
)
def test_unknown_members_are_found_at_any_depth_and_free_ones_are_not(value: Any, expected: list[str]) -> None:
    assert fields(Body, value) == expected


def test_a_free_object_has_no_unknown_member() -> None:
    for kind in (dict[str, Any], list[Any], list[str], dict[str, list[int]]):
        assert unknown_of_body(kind) is None


def test_what_was_read_may_be_sent_back() -> None:
    look = unknown_of_body(Inner, Body)
    assert look is not None
    assert look(b'{"identifier":"t","device_type":"x","more":1}') == [FieldError.of("more", "not_known")]


def test_no_more_are_named_than_the_limit_however_many_there_are() -> None:
    assert len(fields(list[Inner], [{f"x{n}": 1, "below": [{"y": 1}]} for n in range(1000)])) == UNKNOWN_LIMIT
    assert len(unknown_of_query(None)("&".join(f"x{n}=1" for n in range(100)).encode())) == UNKNOWN_LIMIT


def test_what_is_no_json_has_no_unknown_member() -> None:
    look = unknown_of_body(Body)
    assert look is not None
    assert [look(body) for body in (b"{", b"\xff", b"[" * 100_000, b'{"a":1e999}')] == [[], [], [], []]


def test_names_of_a_query_are_found() -> None:
    [error] = unknown_of_query(Body)(b"device_typ=x&device_type=y")
    assert error == FieldError.of("device_typ", "not_known_near", near="device_type")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("type", "device_type"),
        ("deviceType", "device_type"),
        ("device-type", "device_type"),
        ("devicetype", "device_type"),
        ("identifierx", "identifier"),
        ("start", "start_time"),
        ("zzz", None),
        ("", None),
        ("t" * 10_000, None),
    ],
)
def test_the_name_that_was_meant_is_said(name: str, meant: str | None) -> None:
    known = ["device_type", "identifier", "start_time", "days"]
    assert nearest(name, known) == (meant or "")


# Endpoints


async def test_an_extension_refuses_what_it_does_not_know(api: Api) -> None:
    type_id = await api.new_type()
    refusal = await api.refusal("POST", "device_type", {"name": "a", "autoCreate": True})
    assert (refusal.errcode, refusal.fields) == (400, {"autoCreate"})
    assert "did you mean auto_create?" in refusal.message
    refusal = await api.refusal("GET", f"device_type/{type_id}", verbose=1)
    assert refusal.fields == {"verbose"}
    refusal = await api.refusal("GET", f"device/{await api.new_device()}/event_logs", page_record=3)
    assert refusal.message == "page_record: is not known; did you mean page_records?"


async def test_a_rule_of_retention_that_a_typing_error_would_widen_is_refused(api: Api, house: House) -> None:
    body = {"rules": [{"type": "abc", "days": 1}], "max_byte": 1}
    headers = await administrator(api, house)
    answer = (await api.client.put("/api/v1/retention", json=body, headers=headers)).json()
    assert [(error["field"], error["message"]) for error in answer["errors"]] == [
        ("rules[0].type", "is not known; did you mean device_type?"),
        ("max_byte", "is not known; did you mean max_bytes?"),
    ]
    assert (await api.get("retention"))["rules"] == []


async def test_an_endpoint_of_the_reference_accepts_it_and_says_so(api: Api, house: House) -> None:
    response = await api.client.post("/api/v1/device", json={"name": "a", "devicekey": "k"})
    answer = response.json()
    assert answer["result"] is True
    assert answer["warnings"] == [
        {
            "field": "devicekey",
            "message": "is not known; did you mean device_key?",
            "code": "not_known_near",
            "args": {"near": "device_key"},
        }
    ]
    assert (await api.get(f"device/{answer['info']['id']}"))["device_key"] == ""
    listed = (await api.client.get("/api/v1/devices?keywrd=x&page=1")).json()
    assert [warning["field"] for warning in listed["warnings"]] == ["keywrd"]
    assert listed["info"]["total"] == 1


async def test_a_refusal_names_what_is_not_known_too(api: Api) -> None:
    refusal = await api.refusal("POST", "device", {"name_": "a"})
    assert refusal.fields == {"name", "name_"}


async def test_the_application_plane_warns_and_the_device_plane_answers_as_firmware_expects(
    api: Api, house: House, connect: Connect
) -> None:
    device_id = await api.new_device(device_key="K")
    token = (await api.get(f"device/{device_id}/certificate"))["access_token"]
    client = connect(house.serve)
    client.headers["Project-Key"] = api.project_key
    read = (await client.get(f"/app/device/v1/{token}/attributes?key=a")).json()
    assert read["warnings"] == [
        {
            "field": "key",
            "message": "is not known; did you mean keys?",
            "code": "not_known_near",
            "args": {"near": "keys"},
        }
    ]
    assert "warnings" not in (await client.get(f"/device/v1/{token}/attributes?key=a")).json()
    body = {"device_key": "K", "imei": "1"}
    assert list((await client.post("/device/v1/certificate", json=body)).json()) == ["result", "device"]


async def test_a_row_of_an_import_with_an_unknown_member_is_refused_on_its_own(api: Api) -> None:
    rows = [{"name": "a", "devicekey": "k"}, {"name": "b"}]
    items = (await api.call("POST", "devices_import", {"devices": rows}))["items"]
    assert [item["result"] for item in items] == ["refused", "created"]
    assert items[0]["errors"] == [
        {
            "field": "devicekey",
            "message": "is not known; did you mean device_key?",
            "code": "not_known_near",
            "args": {"near": "device_key"},
        }
    ]
