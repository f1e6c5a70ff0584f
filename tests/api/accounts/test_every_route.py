"""What holds for every route over a real store: its refusals have one shape, whatever is thrown at it."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest

from tests.api.accounts.conftest import Tenant
from thingstead.api.documents.examples import example
from thingstead.api.documents.openapi import openapi_document
from thingstead.api.endpoint import Access, Endpoint
from thingstead.api.project.routes import ENDPOINTS
from thingstead.refusals import TEXTS

PROTECTED = [endpoint for endpoint in ENDPOINTS if endpoint.access is not Access.PUBLIC]
WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.body is not None and not endpoint.streamed]
WITH_PATH = [endpoint for endpoint in ENDPOINTS if "{" in endpoint.path]
PAGED = [e for e in ENDPOINTS if e.query is not None and "page" in e.query.__struct_fields__]
DOCUMENT = openapi_document(ENDPOINTS)
FAILURE = ["result", "errcode", "message", "code", "args", "errors"]
REQUEST_INVALID = (404, {"message": "Request invalid", "code": "unknown_path"})
INVALID_JSON = (404, {"result": False, "message": "Invalid JSON message", "errcode": 400})


def example_of(endpoint: Endpoint) -> Any:
    """The body that the documentation shows."""
    operation = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return content.get("example")


def query_of(endpoint: Endpoint) -> dict[str, str]:
    """What the query must have, as the documentation shows it."""
    operation = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
    required = [p for p in operation["parameters"] if p["in"] == "query" and p["required"]]
    return {p["name"]: str(example(p["schema"], {}, p["name"])) for p in required}


class Prober:
    """Sends one kind of bad request to many endpoints and gathers the answers that differ from what they should be."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    async def differing(
        self, endpoints: Iterable[Endpoint], expected: Any, *, value: str = "nosuch00", query: str = "", **request: Any
    ) -> dict[str, Any]:
        """Answers by endpoint, without those that are as expected.

        Args:
            expected: the HTTP status, and the whole body or, of a failure envelope, (errcode, bad fields).
            value: of every path parameter.
        """
        found = {}
        for endpoint in endpoints:
            path = re.sub(r"\{\w+\}", value, endpoint.path) + (query or f"?{urlencode(query_of(endpoint))}")
            answer = summary(await self._send(endpoint, path, request))
            if answer != expected:
                found[f"{endpoint.method} {endpoint.path}"] = answer
        return found

    async def _send(self, endpoint: Endpoint, path: str, request: dict[str, Any]) -> httpx.Response:
        given = {
            "method": endpoint.method,
            "headers": {"Authorization": f"Bearer {self._tenant.admin_token}"},
        } | request
        if "content" not in given:
            given["json"] = example_of(endpoint)
        return await self._tenant.client.request(url=path, **given)


def summary(response: httpx.Response) -> tuple[int, Any]:
    """The HTTP status with the body, without what it hints at; of a failure envelope only its errcode and bad
    fields."""
    body = response.json()
    body.pop("hint", None)
    if list(body) != FAILURE or body["result"] is not False or not body["message"]:
        if "errcode" in body:
            assert body.pop("code") in TEXTS
            body.pop("args")
        return response.status_code, body
    assert body["code"] in TEXTS
    assert all(error.keys() == {"field", "message", "code", "args"} for error in body["errors"])
    return response.status_code, (body["errcode"], {error["field"] for error in body["errors"]})


@pytest.fixture
def prober(tenant: Tenant) -> Prober:
    return Prober(tenant)


async def test_nothing_is_readable_without_a_token(prober: Prober, tenant: Tenant) -> None:
    for authorization in ("", "Bearer x", f"Bearer {tenant.credentials.secret_key}", "Basic YTpi"):
        headers = {"Authorization": authorization}
        assert await prober.differing(PROTECTED, (401, (401, set())), headers=headers) == {}


@pytest.mark.parametrize("value", ["nosuch00", "x" * 128, "%27%20OR%201=1--", "温度", "..", "%F0%9F%92%A9", "a%20b"])
async def test_what_does_not_exist_is_404(prober: Prober, value: str) -> None:
    # httpx would resolve ".." itself; as the server sees it, it is one more unknown id
    value = value.replace("..", "%2e%2e")
    assert await prober.differing(WITH_PATH, (200, (404, set())), value=value) == {}


async def test_an_impossible_path_is_an_unknown_resource(prober: Prober) -> None:
    for value in ("%00", "a%0Ab", "a%2Fb", "x" * 129):
        assert await prober.differing(WITH_PATH, REQUEST_INVALID, value=value) == {}
    inside = [endpoint for endpoint in WITH_PATH if not endpoint.path.endswith("}")]  # a slash at the end means nothing
    assert await prober.differing(inside, REQUEST_INVALID, value="") == {}


async def test_malformed_json_is_answered_as_the_reference_says(prober: Prober) -> None:
    for content in (b'{"name": "x"', b"\xff", b"{'name': 1}"):
        assert await prober.differing(WITH_BODY, INVALID_JSON, content=content) == {}
    needed = [endpoint for endpoint in WITH_BODY if not endpoint.body_optional]
    assert await prober.differing(needed, INVALID_JSON, content=b"") == {}


async def test_a_body_that_is_no_object_is_refused(prober: Prober) -> None:
    bodies: tuple[Any, ...] = ([1], "x", 1, 1.5, None, True)
    for body in bodies:
        content = msgspec.json.encode(body)
        assert await prober.differing(WITH_BODY, (200, (400, {"body"})), content=content) == {}


async def test_a_body_that_is_nested_too_deep_is_refused(prober: Prober) -> None:
    for depth in (100, 4_000):
        content = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
        assert await prober.differing(WITH_BODY, (200, (400, {"body"})), content=content) == {}


async def test_a_body_over_the_limit_is_413(prober: Prober) -> None:
    for endpoint in WITH_BODY:
        content = b" " * ((endpoint.body_limit_bytes or 1 << 20) + 1)
        assert await prober.differing([endpoint], (413, (413, set())), content=content) == {}


async def test_bad_values_of_a_query_are_named(prober: Prober) -> None:
    for value in ("x", "0", "-1", "1e9", "9" * 40):
        assert await prober.differing(PAGED, (200, (400, {"page"})), query=f"?page={value}") == {}


async def test_a_method_that_nobody_declared_is_an_unknown_resource(prober: Prober) -> None:
    for method in ("PATCH", "TRACE", "BREW"):
        assert await prober.differing(ENDPOINTS, REQUEST_INVALID, method=method) == {}
