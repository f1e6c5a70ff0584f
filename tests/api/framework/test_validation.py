"""Bodies, queries and paths: what is taken, and how what is not is named."""

import tracemalloc
from typing import Any

import httpx
import msgspec
import pytest

from tests.api.framework.endpoints import APP, Connect, app, named
from thingstead.api.validation import ERRORS_LIMIT, NODES_LIMIT, parse_query
from thingstead.config import ApiSettings


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"name":}',
        b"NaN",
        b'{"name":"\xff"}',
        b'{"name":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        b'{"name":1,"tags":]',
        b"\x00",
    ],
)
async def test_malformed_json_is_answered_as_the_reference_says(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/open", content=body)
    assert response.status_code == 404
    answer = response.json()
    assert answer.pop("code").startswith(("json_", "payload_"))
    assert answer.pop("args").keys() <= {"at"}
    assert answer == {"result": False, "message": "Invalid JSON message", "errcode": 400}


async def test_a_setting_answers_malformed_json_with_400(connect: Connect) -> None:
    client = connect(app(ApiSettings(malformed_json_status=400)))
    response = await client.post("/open", content=b"{")
    assert (response.status_code, response.json()["errcode"]) == (400, 400)


async def test_every_bad_field_of_a_body_is_named_with_its_path(client: httpx.AsyncClient) -> None:
    body = {"name": "", "tags": {"a": 1, "b": "x"}, "inner": [{"size": "3"}, {"identifier": "i", "size": 1.5}]}
    errors = named(await client.post("/open", json=body))
    assert set(errors) == {"name", "tags.a", "inner[0].identifier", "inner[0].size", "inner[1].size"}
    assert errors["inner[0].identifier"] == "is required"
    assert errors["tags.a"] == "must be a text"


@pytest.mark.parametrize("body", [[1], "text", 5, None, True])
async def test_a_body_that_is_not_an_object_is_refused(client: httpx.AsyncClient, body: Any) -> None:
    content = msgspec.json.encode(body)
    assert set(named(await client.post("/open", content=content))) == {"body"}
    assert set(named(await client.post("/free", content=content, headers=APP))) == {"body"}


async def test_unknown_members_of_a_body_are_ignored(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/open", json={"name": "a", "extra": [1]})).json()
    assert answer["info"]["body"] == {"name": "a", "tags": {}, "inner": []}


async def test_deep_nesting_is_refused(client: httpx.AsyncClient) -> None:
    for depth in (65, 500, 100_000):
        body = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
        assert set(named(await client.post("/free", content=body, headers=APP))) == {"body"}
    many = b'{"a":[' + b",".join([b"[]"] * 500) + b"]}"
    assert (await client.post("/free", content=many, headers=APP)).json()["result"] is True


async def test_integers_that_nothing_could_store_are_refused(client: httpx.AsyncClient) -> None:
    body = b'{"ok":9223372036854775807,"iccid":"89860000000000000000","list":[{"x":9223372036854775808}]}'
    errors = named(await client.post("/free", content=body, headers=APP))
    assert errors == {"list[0].x": "is an integer of more than 64 bits"}
    assert set(named(await client.post("/free", content=b'{"a":1e999}', headers=APP))) == {"body"}


async def test_the_texts_of_paths_are_made_only_for_what_is_refused(client: httpx.AsyncClient) -> None:
    body = b'{"' + b"k" * 100_000 + b'":[' + b",".join([b"0"] * 100_000) + b'],"n":1111111111111111111}'
    tracemalloc.start()
    assert (await client.post("/free", content=body, headers=APP)).json()["result"] is True
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * len(body)


async def test_long_names_are_cut_where_they_are_named(client: httpx.AsyncClient) -> None:
    tags = {f"{index}{'k' * 4_000}": 1 for index in range(150)}
    response = await client.post("/things", json={"name": "a", "tags": tags}, headers=APP)
    assert len(named(response)) == ERRORS_LIMIT
    assert len(response.content) < 20_000
    wide = b'{"%s":[1111111111111111111111]}' % (b"k" * 4_000)
    assert next(iter(named(await client.post("/free", content=wide, headers=APP)))).endswith("k…[0]")


async def test_what_is_wrong_far_behind_is_refused_without_looking_at_everything(client: httpx.AsyncClient) -> None:
    inner = b",".join([b'{"identifier":"a"}'] * (NODES_LIMIT + 1))
    body = b'{"name":"a","inner":[%s,{"identifier":1}]}' % inner
    assert set(named(await client.post("/things", content=body, headers=APP))) == {
        f"inner[{NODES_LIMIT + 1}].identifier"
    }
    wide = b'{"a":[%s1111111111111111111111]}' % (b"1," * NODES_LIMIT)
    assert set(named(await client.post("/free", content=wide, headers=APP))) == {"body"}


async def test_a_query_is_converted_and_its_last_value_counts(client: httpx.AsyncClient) -> None:
    response = await client.get("/list?page=2&page=3&start_time=1.5e3&online=1&keyword=&other=x", headers=APP)
    query = response.json()["info"]["query"]
    assert query == {"page": 3, "start_time": 1500.0, "online": True, "keyword": None}


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("page=0", {"page"}),
        ("page=x&start_time=y&online=z", {"page", "start_time", "online"}),
        ("page=" + "9" * 30, {"page"}),
        ("start_time=nan", {"start_time"}),
        ("start_time=1e999&page=-1", {"start_time", "page"}),
        ("keyword=" + "k" * 9_000, {"query"}),
        ("&".join(f"k{i}=1" for i in range(200)), {"query"}),
    ],
)
async def test_every_bad_field_of_a_query_is_named(client: httpx.AsyncClient, query: str, fields: set[str]) -> None:
    assert set(named(await client.get(f"/list?{query}", headers=APP))) == fields


async def test_what_is_wrong_with_a_query_is_said_without_the_words_of_json(client: httpx.AsyncClient) -> None:
    errors = named(await client.get("/list?page=x&online=maybe", headers=APP))
    assert errors == {"page": "must be an integer", "online": "must be true or false"}


async def test_bad_percent_encoding_and_nul_in_a_query_do_no_harm(client: httpx.AsyncClient) -> None:
    response = await client.get("/list?keyword=%ff%00%zz", headers=APP)
    assert response.json()["info"]["query"]["keyword"] == "\ufffd\0%zz"


async def test_path_parameters_reach_the_handler(client: httpx.AsyncClient) -> None:
    response = await client.get("/device/abc/attribute/温度", headers=APP)
    assert response.json()["info"]["path"] == {"device_id": "abc", "identifier": "温度"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "a", "tags": None, "inner": None, "note": None}, {"name": "a", "tags": {}, "inner": []}),
        ({"name": "a", "tags": []}, {"name": "a", "tags": {}, "inner": []}),
        (
            {"name": "a", "inner": [{"identifier": "i", "size": None}]},
            {"name": "a", "tags": {}, "inner": [{"identifier": "i", "size": 0}]},
        ),
    ],
)
async def test_what_is_as_good_as_nothing_counts_as_nothing(
    client: httpx.AsyncClient, body: Any, expected: Any
) -> None:
    answer = (await client.post("/things", json=body, headers=APP)).json()
    assert answer["result"] is True, answer
    assert answer["info"]["body"] == expected


async def test_an_empty_array_is_an_empty_object_where_one_is_expected(client: httpx.AsyncClient) -> None:
    assert (await client.post("/free", content=b"[]", headers=APP)).json()["info"]["body"] == {}
    assert named(await client.post("/things", content=b"[]", headers=APP)) == {"name": "is required"}
    assert set(named(await client.post("/free", content=b"[1]", headers=APP))) == {"body"}


async def test_null_for_what_is_needed_is_as_if_it_were_missing(client: httpx.AsyncClient) -> None:
    errors = named(await client.post("/things", json={"name": None, "tags": {"a": None}}, headers=APP))
    assert errors["name"] == "is required"
    assert set(errors) == {"name", "tags.a"}


@pytest.mark.parametrize("query", ["keyword=温度", "keyword=%E6%B8%A9%E5%BA%A6"])
def test_a_query_is_utf_8_whether_it_is_escaped_or_not(query: str) -> None:
    assert parse_query(query.encode()) == {"keyword": "温度"}
