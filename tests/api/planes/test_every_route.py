"""What holds for every route of the planes: one shape of refusals, and no data without the certificate."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.planes.plane import Plane
from tests.api.registry.house import Api, House
from thingstead.api import body
from thingstead.api.app import create_app
from thingstead.api.endpoint import Access, Endpoint
from thingstead.api.routes import ENDPOINTS
from thingstead.config import ApiSettings
from thingstead.refusals import TEXTS
from thingstead.services.ingest.streams import MAX_DATA_BYTES

Connect = Callable[..., httpx.AsyncClient]
PLANES = [endpoint for endpoint in ENDPOINTS if endpoint.for_devices]
OF_A_DEVICE = [endpoint for endpoint in PLANES if endpoint.access is Access.DEVICE]
WITH_BODY = [endpoint for endpoint in PLANES if endpoint.body is not None]
STRUCTURED = [endpoint for endpoint in WITH_BODY if endpoint.body is not bytes]


def url(endpoint: Endpoint, access_token: str) -> str:
    return endpoint.path.replace("{access_token}", access_token).replace("{identifier}", "frames")


def summary(response: httpx.Response) -> tuple[int, int, int]:
    """HTTP status, ``result`` and errcode of a refusal."""
    body = response.json()
    assert list(body) == ["result", "errcode", "message", "code"]
    assert body["code"] in TEXTS
    assert 0 < len(body["message"]) <= 120
    return response.status_code, body["result"], body["errcode"]


async def differing(plane: Plane, endpoints: list[Endpoint], expected: Any, **request: Any) -> dict[str, Any]:
    """Refusals by endpoint, without those that are as expected."""
    found = {}
    for endpoint in endpoints:
        path = url(endpoint, request.get("token", plane.certificate["access_token"]))
        headers, content = request.get("headers"), request.get("content", b"{}")
        answer = summary(await plane.client.request(endpoint.method, path, headers=headers, content=content))
        if answer != expected:
            found[f"{endpoint.method} {endpoint.path}"] = answer
    return found


def test_both_planes_are_there() -> None:
    prefixes = [re.match(r"/(app/)?device/v1/", endpoint.path) for endpoint in PLANES]
    assert len([prefix for prefix in prefixes if prefix and prefix[1]]) == 7
    assert len([prefix for prefix in prefixes if prefix and not prefix[1]]) == 6


@pytest.mark.parametrize("key", ["", "wrong", "x" * 300, "ü"])
async def test_without_the_project_key_nothing_opens(device: Plane, key: str) -> None:
    device.client.headers.pop("Project-Key")
    headers: Any = {"Project-Key": key.encode("latin-1")} if key else {}
    content = b'{"device_key":"k"}'
    assert await differing(device, PLANES, (401, 0, 401), headers=headers, content=content) == {}


@pytest.mark.parametrize("token", ["0123456789abcdef", "x" * 128, "a%20b", "温度"])
async def test_without_the_access_token_nothing_opens(device: Plane, token: str) -> None:
    assert await differing(device, OF_A_DEVICE, (401, 0, 401), token=token) == {}


async def test_the_certificate_of_one_project_does_not_open_another(device: Plane, house: House) -> None:
    neighbor = await house.platform.projects.create(admin_password="correct horse battery")
    headers = {"Project-Key": neighbor.project_key}
    assert await differing(device, OF_A_DEVICE, (401, 0, 401), headers=headers) == {}


async def test_a_reset_certificate_opens_nothing_any_more(api: Api, device: Plane) -> None:
    await api.call("POST", f"device/{device.certificate['id']}/certificate_reset")
    assert await differing(device, OF_A_DEVICE, (401, 0, 401)) == {}


@pytest.mark.parametrize("content", [b"{", b"[]", b'"x"', b"\xff", b"null", b"[" * 8_000, b'{"a":' + b"[" * 8_000])
async def test_a_body_that_is_no_object_is_refused(device: Plane, content: bytes) -> None:
    endpoints = [
        endpoint for endpoint in STRUCTURED if not (endpoint.topic == "attributes/series" and content == b"[]")
    ]
    assert await differing(device, endpoints, (200, 0, 400), content=content) == {}


async def test_a_body_over_the_limit_is_413(device: Plane) -> None:
    for endpoint in WITH_BODY:
        content = b" " * ((endpoint.body_limit_bytes or 1 << 20) + 1)
        assert await differing(device, [endpoint], (413, 0, 413), content=content) == {}
    assert next(e for e in WITH_BODY if e.body is bytes).body_limit_bytes == MAX_DATA_BYTES


async def test_a_body_that_does_not_come_is_408(house: House, certificate: dict[str, Any], connect: Connect) -> None:
    app = create_app(house.platform, ApiSettings(body_timeout_s=0.05), lambda: None)
    plane = Plane(connect(app), "/device/v1", certificate)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    response = await plane.send("POST", "attributes", content=never())
    assert summary(response) == (408, 0, 408)


async def test_a_method_that_nobody_declared_is_an_unknown_resource(device: Plane) -> None:
    for endpoint in PLANES:
        response = await device.client.request("DELETE", url(endpoint, device.certificate["access_token"]))
        assert (response.status_code, response.json()["message"]) == (404, "Request invalid")


async def test_a_page_of_a_configured_origin_may_send_the_project_key(house: House, connect: Connect) -> None:
    origin = "https://panel.example"
    client = connect(create_app(house.platform, ApiSettings(cors_origins=(origin,)), lambda: None))
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "project-key,content-type",
    }
    response = await client.options("/app/device/v1/0123456789abcdef/attributes", headers=headers)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == origin
    other = await client.options("/app/device/v1/x/attributes", headers=headers | {"Origin": "https://other.example"})
    assert "access-control-allow-origin" not in other.headers


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.sampled_from(
    ["method", "params", "id", "timeout", "wait_ms", "ts", "attributes", "type", "msg", "level", "device_key", "keys"]
)
BODIES = st.binary(max_size=64) | (JSON | st.dictionaries(MEMBERS, JSON, max_size=5)).map(msgspec.json.encode)
QUERIES = st.dictionaries(MEMBERS | st.just("push_mode"), st.text(max_size=20) | JSON.map(str), max_size=3)


@given(endpoint=st.sampled_from(PLANES), content=BODIES, query=QUERIES)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_request_is_a_fault_of_the_server(
    device: Plane, endpoint: Endpoint, content: bytes, query: Any
) -> None:
    path = url(endpoint, device.certificate["access_token"])
    response = await device.client.request(endpoint.method, path, content=content, params=query)
    body = response.json()
    assert response.status_code in (200, 429), body
    assert (body["result"] == 1) is ("errcode" not in body)


async def test_bodies_of_all_requests_under_way_have_a_bound_that_leaves_room_for_other_devices(
    house: House, api: Api, certificate: dict[str, Any], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "BODIES_LIMIT_BYTES", 100_000)
    client = connect(create_app(house.platform, ApiSettings(body_limit_bytes=40_000), lambda: None))
    hostile = Plane(client, "/device/v1", certificate)
    other_id = await api.new_device(name="other")
    other = Plane(client, "/device/v1", await api.get(f"device/{other_id}/certificate"))
    begun, end = asyncio.Semaphore(0), asyncio.Event()

    async def held() -> AsyncIterator[bytes]:
        yield b" " * 39_000
        begun.release()
        await end.wait()
        yield b'{"level":1}'

    async def taken(plane: Plane, content: bytes) -> tuple[int, int]:
        response = await plane.send("POST", "attributes", content=content)
        return response.status_code, response.json()["result"]

    under_way = [asyncio.ensure_future(hostile.send("POST", "attributes", content=held())) for _ in range(2)]
    await begun.acquire()
    await begun.acquire()
    large = b" " * 30_000 + b'{"level":2}'
    assert await taken(hostile, large) == (503, 0)
    assert await taken(other, b'{"level":1}') == (200, 1)
    end.set()
    assert [response.json() for response in await asyncio.gather(*under_way)] == [{"result": 1}] * 2
    assert await taken(hostile, large) == (200, 1)


async def test_what_a_compressed_body_becomes_counts_too(
    house: House, certificate: dict[str, Any], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "BODIES_LIMIT_BYTES", 10_000)
    app = create_app(house.platform, ApiSettings(body_limit_bytes=1_024), lambda: None)
    plane = Plane(connect(app), "/device/v1", certificate)
    stream = gzip.compress(b" " * 200_000 + b"1")
    plane.client.headers["Content-Encoding"] = "gzip"
    assert summary(await plane.send("POST", "data/frames", content=stream)) == (503, 0, 503)
