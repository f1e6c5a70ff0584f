"""The console over TLS, and behind a proxy that ends TLS: cookies, origins, and what keeps browsers there."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.certificates import Authority
from tests.raw_device import CONNACK_ACCEPTED
from thingstead.config import ApiSettings, Config
from thingstead.mqtt.connection_packets import Connect
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.server import Server, open_server

V3_1_1 = ProtocolVersion.V3_1_1
SESSION = "/api/v1/console/session"
PROXY = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Host": "iot.example"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def secure(config: Config, authority: Authority) -> AsyncIterator[Server]:
    """A server with ports behind TLS and without, behind a trusted proxy on this machine."""
    signed = authority.sign("server")
    http = ApiSettings(hsts_max_age_s=3600, trusted_proxies=("127.0.0.1",))
    files = {"tls_certificate": str(signed.certificate), "tls_key": str(signed.key)}
    async with open_server(msgspec.structs.replace(config, https_port=0, http=http, **files)) as server:
        yield server


def person(server: Server) -> dict[str, Any]:
    assert server.credentials is not None
    return {"account": server.credentials.admin_account, "password": server.credentials.admin_password, "keep": True}


async def subscribes(address: str, server: Server, trust: ssl.SSLContext | None, **headers: str) -> bool:
    """Whether the page of a browser is admitted by its session."""
    assert server.credentials is not None
    mqtt = [Subprotocol("mqtt")]
    async with connect(
        address, ssl=trust, additional_headers=headers, subprotocols=mqtt, proxy=None, compression=None
    ) as websocket:
        view_key = server.credentials.view_key
        await websocket.send(Connect(V3_1_1, "page", user_name=view_key).serialize(V3_1_1))
        async with asyncio.timeout(30):
            return await websocket.recv() == CONNACK_ACCEPTED


async def test_over_tls_the_cookie_is_secure_and_opens_the_api_and_the_subscription(
    secure: Server, authority: Authority
) -> None:
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    port = secure.ports["https_port"]
    origin = f"https://localhost:{port}"
    page = {"X-Thingstead": "1", "Origin": origin}
    async with httpx.AsyncClient(base_url=origin, verify=trust, trust_env=False) as client:
        response = await client.post(SESSION, json=person(secure), headers=page)
        header = response.headers["set-cookie"]
        assert header.startswith("__Host-thingstead_")
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(header.split("; "))
        assert (await client.get(SESSION, headers=page)).json()["result"] is True
        assert (await client.get(SESSION, headers=page | {"Origin": f"http://localhost:{port}"})).status_code == 401
        assert (await client.get("/console/")).headers["strict-transport-security"] == "max-age=3600"
    cookie = header.partition(";")[0]
    assert await subscribes(f"wss://localhost:{port}/mqtt", secure, trust, Origin=origin, Cookie=cookie)
    plain = cookie.removeprefix("__Host-")
    assert not await subscribes(f"wss://localhost:{port}/mqtt", secure, trust, Origin=origin, Cookie=plain)


async def test_a_secure_cookie_does_not_count_on_the_plain_port(secure: Server, authority: Authority) -> None:
    origin = f"http://127.0.0.1:{secure.http_port}"
    page = {"X-Thingstead": "1", "Origin": origin}
    async with httpx.AsyncClient(base_url=origin, trust_env=False) as client:
        header = (await client.post(SESSION, json=person(secure), headers=page)).headers["set-cookie"]
        assert header.startswith("thingstead_")
        assert "Secure" not in header
        client.cookies.clear()
        prefixed = page | {"Cookie": f"__Host-{header.partition(';')[0]}"}
        assert (await client.get(SESSION, headers=prefixed)).status_code == 401
        assert "strict-transport-security" not in (await client.get("/console/")).headers


async def test_behind_a_trusted_proxy_that_ends_tls_it_is_as_over_tls(secure: Server) -> None:
    address = f"127.0.0.1:{secure.http_port}"
    page = PROXY | {"X-Thingstead": "1", "Origin": "https://iot.example"}
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
        response = await client.post(SESSION, json=person(secure), headers=page)
        header = response.headers["set-cookie"]
        assert header.startswith("__Host-thingstead_")
        cookie = header.partition(";")[0]
        client.cookies.clear()
        sessions = (await client.get("/api/v1/console/sessions", headers=page | {"Cookie": cookie})).json()["info"]
        assert sessions["items"][0]["remote_address"] == "203.0.113.9"
        info = await client.get("/api/v1/project/connection_info", headers=page | {"Cookie": cookie})
        assert {"kind": "wss", "host": "iot.example", "port": 443} in info.json()["info"]["endpoints"]
    for headers, admitted in ((PROXY, True), ({**PROXY, "X-Forwarded-Proto": "http"}, False)):
        given = {**headers, "Origin": "https://iot.example", "Cookie": cookie}
        host = given.pop("Host")
        assert await subscribes(f"ws://{address}/mqtt", secure, None, **given) is False, "the Host is another one"
        assert (await through_proxy(address, secure, host, given)) is admitted


async def through_proxy(address: str, server: Server, host: str, headers: dict[str, str]) -> bool:
    """The same with a Host of the proxy's choice, which the client library would not send."""
    assert server.credentials is not None
    reader, writer = await asyncio.open_connection(*address.split(":"))
    handshake = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "mqtt",
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in handshake.items())
    writer.write(f"GET /mqtt HTTP/1.1\r\n{lines}\r\n".encode())
    packet = Connect(V3_1_1, "page", user_name=server.credentials.view_key).serialize(V3_1_1)
    writer.write(bytes((0x82, 0x80 | len(packet))) + bytes(4) + packet)  # masked with zeros
    async with asyncio.timeout(30):
        await reader.readuntil(b"\r\n\r\n")
        frame = await reader.readexactly(6)
    writer.close()
    return frame[2:] == CONNACK_ACCEPTED
