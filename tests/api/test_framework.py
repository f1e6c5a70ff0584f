"""What holds for every endpoint: envelope, refusals, validation, bounds."""

import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, cast

import httpx
import msgspec
import pytest

from thingstead.api.app import create_app
from thingstead.api.body import DISCARD_LIMIT_BYTES
from thingstead.api.endpoint import Access, Call, Endpoint
from thingstead.api.validation import ERRORS_LIMIT, NODES_LIMIT, parse_query
from thingstead.config import ApiSettings
from thingstead.errors import (
    Conflict,
    DeviceOffline,
    FieldError,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    ReplyTimeout,
    ThingsteadError,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from thingstead.metrics import Metrics
from thingstead.model.tenant import TENANT
from thingstead.services.accounts.tokens import Caller
from thingstead.services.platform import Platform

Connect = Callable[..., httpx.AsyncClient]
APP = {"Authorization": "Bearer app"}
ADMIN = {"Authorization": "Bearer admin"}
REFUSALS: dict[str, ThingsteadError | Exception] = {
    "invalid": InvalidInput("two things", [FieldError("a", "is bad"), FieldError("b", "is worse")]),
    "absent": NotFound("no such device"),
    "offline": DeviceOffline("the device is offline"),
    "slow": ReplyTimeout("no reply"),
    "taken": Conflict.field("device_key", "is taken"),
    "huge": TooLarge("too large"),
    "often": TooManyRequests("slow down", retry_after_s=7),
    "full": Unavailable("the disk is full"),
    "bug": RuntimeError("secret detail"),
}


class Inner(msgspec.Struct, kw_only=True):
    identifier: str
    size: int = 0


class Body(msgspec.Struct, kw_only=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=8)]
    tags: dict[str, str] = {}
    inner: tuple[Inner, ...] = ()
    note: str | msgspec.UnsetType = msgspec.UNSET


class Query(msgspec.Struct, kw_only=True):
    page: Annotated[int, msgspec.Meta(ge=1)] = 1
    start_time: float | None = None
    online: bool | None = None
    keyword: str | None = None


class Tokens:
    """Knows two tokens by heart."""

    async def authenticate(self, token: str) -> Caller:
        if token not in ("app", "admin"):
            raise NotAuthenticated("the AccessToken is invalid or has expired")
        return Caller("project1", "app1", "admin1" if token == "admin" else None)


async def echo(call: Call) -> dict[str, Any]:
    return {"body": call.body, "query": call.query, "path": call.path, "caller": call.caller}


async def refuse(call: Call) -> None:
    raise REFUSALS[call.path["why"]]


async def nothing(call: Call) -> None:
    """Does nothing."""


async def tenant(call: Call) -> dict[str, str]:
    return {"tenant": TENANT.get()}


async def raw(call: Call) -> msgspec.Raw:
    return msgspec.Raw(b'[1,{"a":2}]')


def declare(method: str, path: str, handler: Any, **members: Any) -> Endpoint:
    return Endpoint(method=method, path=path, summary="A test", handler=handler, tag="Test", **members)


ENDPOINTS = (
    declare("POST", "/open", echo, body=Body, access=Access.PUBLIC),
    declare("POST", "/free", echo, body=dict[str, Any]),
    declare("POST", "/things", echo, body=Body),
    declare("GET", "/list", echo, query=Query),
    declare("GET", "/device/{device_id}", echo),
    declare("GET", "/device/{device_id}/attribute/{identifier}", echo),
    declare("GET", "/refuse/{why}", refuse),
    declare("GET", "/admins", nothing, access=Access.ADMINISTRATOR),
    declare("GET", "/nothing", nothing),
    declare("GET", "/tenant", tenant),
    declare("GET", "/raw", raw),
    declare("GET", "/confidential", nothing, confidential=True),
)


def app(settings: ApiSettings | None = None) -> Any:
    platform = cast(Platform, type("TokensOnly", (), {"tokens": Tokens()})())
    return create_app(platform, settings or ApiSettings(), lambda: None, Metrics(), ENDPOINTS)


@pytest.fixture
def client(connect: Connect) -> httpx.AsyncClient:
    return connect(app())


def named(response: httpx.Response) -> dict[str, str]:
    """The bad fields of a refusal."""
    answer = response.json()
    assert response.status_code == 200
    assert answer["result"] is False
    assert answer["errcode"] == 400
    return {error["field"]: error["message"] for error in answer["errors"]}


async def test_a_success_is_result_true_with_info(client: httpx.AsyncClient) -> None:
    response = await client.get("/nothing", headers=APP)
    assert (response.status_code, response.text) == (200, '{"result":true,"info":{}}')
    assert response.headers["content-type"] == "application/json"


async def test_info_that_is_already_encoded_is_put_in_as_it_is(client: httpx.AsyncClient) -> None:
    response = await client.get("/raw", headers=APP)
    assert response.text == '{"result":true,"info":[1,{"a":2}]}'


@pytest.mark.parametrize(
    ("why", "status", "errcode"),
    [
        ("invalid", 200, 400),
        ("absent", 200, 404),
        ("offline", 200, 404),
        ("slow", 200, 408),
        ("taken", 200, 409),
        ("huge", 413, 413),
        ("often", 429, 429),
        ("full", 503, 503),
        ("bug", 500, 500),
    ],
)
async def test_every_refusal_has_the_failure_envelope(
    client: httpx.AsyncClient, why: str, status: int, errcode: int
) -> None:
    response = await client.get(f"/refuse/{why}", headers=APP)
    answer = response.json()
    assert response.status_code == status
    assert list(answer) == ["result", "errcode", "message", "errors"]
    assert answer["result"] is False
    assert answer["errcode"] == errcode


async def test_errors_name_each_bad_field(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/refuse/invalid", headers=APP)).json()
    assert answer["errors"] == [{"field": "a", "message": "is bad"}, {"field": "b", "message": "is worse"}]


async def test_a_throttled_caller_learns_when_to_come_back(client: httpx.AsyncClient) -> None:
    assert (await client.get("/refuse/often", headers=APP)).headers["retry-after"] == "7"


async def test_a_bug_is_logged_and_not_shown(client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    response = await client.get("/refuse/bug", headers=APP)
    assert "secret detail" not in response.text
    logged = capsys.readouterr()
    assert (logged.out + logged.err).count("RuntimeError: secret detail") == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/device"),
        ("GET", "/device/"),
        ("GET", "/device/a/b"),
        ("POST", "/nothing"),
        ("BREW", "/nothing"),
        ("GET", "/device/a%00b"),
        ("GET", "/device/a%0Ab"),
        ("GET", "/device/a%2Fb"),
        ("GET", "/device/" + "a" * 129),
        ("GET", "/" + "a/" * 4_000),
        ("GET", "/nothing//"),
        ("GET", "//nothing"),
    ],
)
async def test_an_unknown_resource_is_404_request_invalid(client: httpx.AsyncClient, method: str, path: str) -> None:
    response = await client.request(method, path, headers=APP)
    assert response.status_code == 404
    assert response.json()["message"] == "Request invalid"
    assert response.json()["hint"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer  "},
        {"Authorization": "Bearer expired"},
        {"Authorization": "Basic app"},
        {"Authorization": "app"},
        {"Authorization": b"Bearer \xff\xfe"},
    ],
)
async def test_a_request_without_a_valid_token_is_401(client: httpx.AsyncClient, headers: Any) -> None:
    response = await client.get("/nothing", headers=headers)
    answer = response.json()
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert (answer["result"], answer["errcode"], answer["errors"]) == (False, 401, [])


async def test_the_scheme_bearer_may_be_written_in_any_case(client: httpx.AsyncClient) -> None:
    assert (await client.get("/nothing", headers={"Authorization": "bearer app"})).json()["result"] is True


async def test_a_stranger_is_refused_before_the_body_is_read(client: httpx.AsyncClient) -> None:
    response = await client.post("/free", content=b"not json")
    assert response.status_code == 401


async def test_an_application_may_not_do_what_administrators_may(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/admins", headers=APP)).json()
    assert (answer["result"], answer["errcode"]) == (False, 403)
    assert (await client.get("/admins", headers=ADMIN)).json()["result"] is True


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
    assert response.json() == {"result": False, "message": "Invalid JSON message", "errcode": 400}


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


@pytest.mark.parametrize("length", [101, 50_000, DISCARD_LIMIT_BYTES + 200_000])
async def test_a_body_over_the_limit_is_413(connect: Connect, length: int) -> None:
    client = connect(app(ApiSettings(body_limit_bytes=100)))

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, length, 65_536):
            yield b"x" * min(65_536, length - start)

    response = await client.post("/open", content=stream())
    assert (response.status_code, response.json()["errcode"]) == (413, 413)
    assert response.headers["connection"] == "close"


async def test_a_body_of_exactly_the_limit_is_read(connect: Connect) -> None:
    client = connect(app(ApiSettings(body_limit_bytes=100)))
    response = await client.post("/open", content=b'{"name":"a"}'.ljust(100))
    assert response.json()["result"] is True


async def test_a_body_that_never_ends_is_408() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not sent:
            sent.append("part")
            return {"type": "http.request", "body": b"{", "more_body": True}
        raise TimeoutError  # as asyncio.timeout does when its time is over

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/open", "headers": [], "query_string": b""}
    await app()(scope, receive, send)
    assert sent[1]["status"] == 408


async def test_a_peer_that_hangs_up_gets_no_answer() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/open", "headers": [], "query_string": b""}
    await app()(scope, receive, send)
    assert sent == []


async def test_head_answers_as_get_without_a_body(client: httpx.AsyncClient) -> None:
    response = await client.head("/nothing", headers=APP)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == str(len('{"result":true,"info":{}}'))


async def test_options_names_the_methods_of_a_path(client: httpx.AsyncClient) -> None:
    response = await client.options("/nothing")
    assert (response.status_code, response.headers["allow"]) == (200, "GET, HEAD, OPTIONS")
    assert (await client.options("/unknown")).status_code == 404


PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,authorization"}


async def test_browsers_of_configured_origins_may_call(connect: Connect) -> None:
    client = connect(app(ApiSettings(cors_origins=("https://panel.example",))))
    response = await client.options("/open", headers={"Origin": "https://panel.example", **PREFLIGHT})
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "https://panel.example"
    response = await client.post("/open", json={"name": "a"}, headers={"Origin": "https://panel.example"})
    assert response.headers["access-control-allow-origin"] == "https://panel.example"


async def test_other_origins_are_not_let_in(connect: Connect) -> None:
    client = connect(app(ApiSettings(cors_origins=("https://panel.example",))))
    response = await client.options("/open", headers={"Origin": "https://evil.example", **PREFLIGHT})
    assert "access-control-allow-origin" not in response.headers
    response = await client.post("/open", json={"name": "a"}, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in response.headers


async def test_no_origin_is_let_in_by_default(client: httpx.AsyncClient) -> None:
    response = await client.options("/open", headers={"Origin": "https://panel.example", **PREFLIGHT})
    assert "access-control-allow-origin" not in response.headers


async def test_a_star_lets_every_origin_in(connect: Connect) -> None:
    client = connect(app(ApiSettings(cors_origins=("*",))))
    response = await client.options("/open", headers={"Origin": "https://any.example", **PREFLIGHT})
    assert response.headers["access-control-allow-origin"] == "*"


def test_a_path_declared_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        create_app(cast(Platform, None), ApiSettings(), lambda: None, Metrics(), (ENDPOINTS[0], ENDPOINTS[0]))


async def test_only_an_answer_that_carries_a_credential_may_not_be_stored(connect: Connect) -> None:
    client = connect(app())
    stored = [(await client.get(path, headers=APP)).headers.get("cache-control") for path in ("/confidential", "/raw")]
    assert stored == ["no-store", None]


async def test_a_large_read_whose_peer_hangs_up_is_cancelled() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def read(call: Call) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    endpoint = declare("GET", "/large", read, large=lambda call: True)
    platform = cast(Platform, type("TokensOnly", (), {"tokens": Tokens()})())
    application = create_app(platform, ApiSettings(), lambda: None, Metrics(), [endpoint])
    messages = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        if len(messages) == 1:
            await begun.wait()
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Bearer app")]
    scope = {"type": "http", "method": "GET", "path": "/large", "query_string": b"", "headers": headers}
    await application(scope, receive, send)
    assert cancelled.is_set()
    assert sent == []


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


async def test_a_slash_at_the_end_of_a_path_means_nothing(client: httpx.AsyncClient) -> None:
    assert (await client.get("/nothing/", headers=APP)).json()["result"] is True
    answer = await client.get("/device/d1/attribute/temp/", headers=APP)
    assert answer.json()["info"]["path"] == {"device_id": "d1", "identifier": "temp"}


async def test_a_wrong_method_learns_which_are_right(client: httpx.AsyncClient) -> None:
    response = await client.put("/things", headers=APP)
    assert (response.status_code, response.headers["allow"]) == (404, "OPTIONS, POST")
    assert response.json() == {"message": "Request invalid", "hint": "this path takes POST"}


LONG = {"name": "a", "tags": {str(number): "x" * 20 for number in range(50)}}


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress)]
)
async def test_a_body_may_be_compressed(client: httpx.AsyncClient, encoding: str, compress: Any) -> None:
    content = compress(json.dumps(LONG).encode())
    answer = await client.post("/things", content=content, headers={**APP, "Content-Encoding": encoding})
    assert answer.json()["info"]["body"]["tags"] == LONG["tags"]


async def test_a_compressed_body_has_the_limit_of_its_content(connect: Connect) -> None:
    client = connect(app(ApiSettings(body_limit_bytes=2_000)))
    bomb = gzip.compress(b" " * 10_000_000, 9)
    packed = {**APP, "Content-Encoding": "gzip"}
    tracemalloc.start()
    assert (await client.post("/things", content=bomb[:1_900], headers=packed)).status_code == 413
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    exact = json.dumps({"name": "a"}).encode().ljust(2_000)
    assert (await client.post("/things", content=gzip.compress(exact), headers=packed)).json()["result"] is True


@pytest.mark.parametrize(
    ("encoding", "content", "field"),
    [
        ("br", b"{}", "Content-Encoding"),
        ("gzip", b'{"name":"a"}', "body"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-4], "body"),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"more", "body"),
        ("deflate", b"", "body"),
    ],
)
async def test_a_body_that_is_not_what_its_encoding_says_is_refused(
    client: httpx.AsyncClient, encoding: str, content: bytes, field: str
) -> None:
    answer = await client.post("/things", content=content, headers={**APP, "Content-Encoding": encoding})
    assert set(named(answer)) == {field}


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip", "gzip"), ("br, GZIP;q=0.5", "gzip"), ("*", "gzip"), ("gzip;q=0", None), ("br", None), ("identity", None)],
)
async def test_a_long_answer_is_compressed_for_who_asks_for_it(
    client: httpx.AsyncClient, accepted: str, encoding: str | None
) -> None:
    for body in (LONG, {**LONG, "tags": {str(number): "x" * 500 for number in range(500)}}):
        answer = await client.post("/things", json=body, headers={**APP, "Accept-Encoding": accepted})
        assert answer.headers.get("content-encoding") == encoding
        assert answer.headers.get("vary") == (encoding and "accept-encoding")
        assert answer.json()["info"]["body"]["tags"] == body["tags"]
    short = await client.get("/nothing", headers={**APP, "Accept-Encoding": accepted})
    assert "content-encoding" not in short.headers


async def test_an_answer_with_a_credential_is_not_compressed(connect: Connect) -> None:
    async def secret(call: Call) -> dict[str, str]:
        return {"token": "x" * 5_000}

    endpoint = declare("GET", "/secret", secret, confidential=True)
    platform = cast(Platform, type("TokensOnly", (), {"tokens": Tokens()})())
    client = connect(create_app(platform, ApiSettings(), lambda: None, Metrics(), [endpoint]))
    answer = await client.get("/secret", headers={**APP, "Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("query", ["keyword=温度", "keyword=%E6%B8%A9%E5%BA%A6"])
def test_a_query_is_utf_8_whether_it_is_escaped_or_not(query: str) -> None:
    assert parse_query(query.encode()) == {"keyword": "温度"}


async def test_what_a_request_does_is_done_on_behalf_of_its_project(client: httpx.AsyncClient) -> None:
    assert (await client.get("/tenant", headers=APP)).json()["info"] == {"tenant": "project1"}
