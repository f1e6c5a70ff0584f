"""What every answer looks like, and who gets one."""

from typing import Any, cast

import httpx
import pytest

from tests.api.framework.endpoints import ADMIN, APP, ENDPOINTS, Connect, app
from thingstead.api.app import create_app
from thingstead.config import ApiSettings
from thingstead.metrics import Metrics
from thingstead.services.platform import Platform


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
    assert list(answer) == ["result", "errcode", "message", "code", "args", "errors"]
    assert answer["result"] is False
    assert answer["errcode"] == errcode


async def test_errors_name_each_bad_field(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/refuse/invalid", headers=APP)).json()
    assert answer["errors"] == [
        {"field": "a", "message": "must be a text", "code": "must_be_text", "args": {}},
        {"field": "b", "message": "must be at most 9", "code": "at_most", "args": {"maximum": 9}},
    ]


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


def test_a_path_declared_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        create_app(cast(Platform, None), ApiSettings(), lambda: None, Metrics(), (ENDPOINTS[0], ENDPOINTS[0]))


async def test_only_an_answer_that_carries_a_credential_may_not_be_stored(connect: Connect) -> None:
    client = connect(app())
    stored = [(await client.get(path, headers=APP)).headers.get("cache-control") for path in ("/confidential", "/raw")]
    assert stored == ["no-store", None]


async def test_what_a_request_does_is_done_on_behalf_of_its_project(client: httpx.AsyncClient) -> None:
    assert (await client.get("/tenant", headers=APP)).json()["info"] == {"tenant": "project1"}
