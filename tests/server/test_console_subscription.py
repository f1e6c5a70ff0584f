"""Pages of the console subscribe over WebSocket with their session: which pages, to what, and until when."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect
from thingstead.mqtt.decoder import Decoder, Packet
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Suback, Subscribe, SubscriptionRequest
from thingstead.server import Server
from thingstead.services.accounts.browser_sessions import Browser
from thingstead.services.registry.new_device import NewDevice

V5 = ProtocolVersion.V5
TIMEOUT_S = 30
WRONG = ReasonCode.BAD_USER_NAME_OR_PASSWORD


class Page:
    """A page in a browser with a session, and its WebSockets."""

    def __init__(self, server: Server) -> None:
        assert server.credentials is not None
        self.server = server
        self.credentials = server.credentials
        self.origin = f"http://127.0.0.1:{server.http_port}"
        self.client = httpx.AsyncClient(
            base_url=f"{self.origin}/api/v1", headers={"X-Thingstead": "1", "Origin": self.origin}, trust_env=False
        )
        self._open: list[ClientConnection] = []
        self._decoders: dict[ClientConnection, Decoder] = {}

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = (await self.client.request(method, path, json=body)).json()
        assert answer["result"] is True, answer
        return answer["info"]

    async def log_in(self) -> Any:
        credentials = {"account": self.credentials.admin_account, "password": self.credentials.admin_password}
        return await self.call("POST", "console/session", credentials)

    @property
    def cookie(self) -> str:
        [cookie] = self.client.cookies.jar
        return f"{cookie.name}={cookie.value}"

    async def websocket(self, **headers: str) -> ClientConnection:
        """A WebSocket as the browser opens it for the page: with its cookies and its origin."""
        given = {"Origin": self.origin, "Cookie": self.cookie} | headers
        websocket = await connect(
            f"ws://127.0.0.1:{self.server.http_port}/mqtt",
            subprotocols=[Subprotocol("mqtt")],
            additional_headers={name: value for name, value in given.items() if value},
            proxy=None,
            compression=None,
        )
        self._open.append(websocket)
        return websocket

    async def send(self, websocket: ClientConnection, packet: Packet) -> None:
        await websocket.send(packet.serialize(V5))

    async def receive(self, websocket: ClientConnection) -> Packet:
        decoder = self._decoders.setdefault(websocket, Decoder(1_000_000, V5))
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                data = await websocket.recv()
                assert isinstance(data, bytes)
                if packets := decoder.receive_data(data):
                    [packet] = packets
                    return packet

    async def connect(self, websocket: ClientConnection, user_name: str = "", password: bytes | None = None) -> int:
        """The reason code of the CONNACK."""
        name = user_name or self.credentials.view_key
        await self.send(websocket, Connect(V5, "page", user_name=name, password=password))
        connack = await self.receive(websocket)
        assert isinstance(connack, Connack)
        return connack.reason_code

    async def subscribed(self) -> ClientConnection:
        """A WebSocket that was admitted and hears everything of the project."""
        websocket = await self.websocket()
        assert await self.connect(websocket) == 0
        await self.send(websocket, Subscribe(1, [SubscriptionRequest(f"{self.credentials.view_key}/#")]))
        suback = await self.receive(websocket)
        assert isinstance(suback, Suback)
        assert list(suback.reason_codes) == [0]
        return websocket

    async def ended(self, websocket: ClientConnection) -> str:
        """Why the server disconnects and closes."""
        packet = await self.receive(websocket)
        assert isinstance(packet, Disconnect)
        assert packet.reason_code is ReasonCode.ADMINISTRATIVE_ACTION
        async with asyncio.timeout(TIMEOUT_S):
            with pytest.raises(ConnectionClosed):
                await websocket.recv()
        return str(next(iter(packet.properties.values())))

    async def close(self) -> None:
        for websocket in self._open:
            await websocket.close()
        await self.client.aclose()


@pytest.fixture
async def page(server: Server) -> AsyncIterator[Page]:
    """A page whose browser has logged in."""
    page = Page(server)
    await page.log_in()
    yield page
    await page.close()


async def test_a_page_hears_what_an_application_hears(page: Page) -> None:
    websocket = await page.subscribed()
    platform, project_id = page.server.platform, page.credentials.project_id
    device = await platform.devices.create(project_id, NewDevice(name="pump"))
    await page.call("PUT", f"control/device/{device.id}/attributes", {"setpoint": 21.5})
    packet = await page.receive(websocket)
    assert isinstance(packet, Publish)
    assert packet.topic == f"{page.credentials.view_key}/{device.view_token}/attributes"
    assert json.loads(packet.payload)["attributes"] == {"setpoint": 21.5}


async def test_a_page_publishes_nothing(page: Page) -> None:
    websocket = await page.subscribed()
    for topic in (f"{page.credentials.view_key}/x/attributes", "attributes/push", "command/send/1"):
        await page.send(websocket, Publish(topic, b"{}", 1, 7))
        puback = await page.receive(websocket)
        assert isinstance(puback, Puback)
        assert puback.reason_code is ReasonCode.NOT_AUTHORIZED


async def test_pages_of_other_origins_are_not_admitted_by_the_cookie(page: Page) -> None:
    port = page.server.http_port
    for origin in (f"http://127.0.0.1:{port + 1}", f"http://localhost:{port}", "null", "https://evil.example", ""):
        assert await page.connect(await page.websocket(Origin=origin)) == WRONG, origin


async def test_a_page_of_another_origin_with_credentials_of_its_own_is_admitted_whatever_cookie_came_along(
    page: Page,
) -> None:
    websocket = await page.websocket(Origin="https://panel.example")
    assert await page.connect(websocket, password=page.credentials.view_secret.encode()) == 0


async def test_credentials_that_are_wrong_are_not_made_right_by_the_cookie(page: Page) -> None:
    assert await page.connect(await page.websocket(), password=b"wrong") == WRONG


async def test_without_a_session_a_page_is_not_admitted(page: Page) -> None:
    name, _, secret = page.cookie.partition("=")
    for cookie in ("", f"{name}={'x' * len(secret)}", f"{name}=", f"{name}={secret}; {name}={'x' * len(secret)}"):
        assert await page.connect(await page.websocket(Cookie=cookie)) == WRONG, cookie
    assert await page.connect(await page.websocket(Cookie=f"theirs=1; {page.cookie}; more=2")) == 0


async def test_a_session_does_not_open_another_project(page: Page) -> None:
    other = await page.server.platform.projects.create("Another")
    assert await page.connect(await page.websocket(), other.view_key) == WRONG
    assert await page.connect(await page.websocket(), "nosuchview") == WRONG


async def test_a_log_out_closes_what_the_session_opened_and_nothing_else(page: Page, server: Server) -> None:
    elsewhere = Page(server)
    await elsewhere.log_in()
    try:
        websockets = [await page.subscribed() for _ in range(2)]
        other = await elsewhere.subscribed()
        await page.call("DELETE", "console/session")
        assert [await page.ended(websocket) for websocket in websockets] == ["the session was ended"] * 2
        await elsewhere.send(other, Subscribe(2, [SubscriptionRequest(f"{page.credentials.view_key}/+/online")]))
        assert isinstance(await elsewhere.receive(other), Suback)
    finally:
        await elsewhere.close()


async def test_a_session_that_is_ended_from_elsewhere_is_closed(page: Page, server: Server) -> None:
    session = await page.call("GET", "console/session")
    websocket = await page.subscribed()
    elsewhere = Page(server)
    await elsewhere.log_in()
    try:
        await elsewhere.call("DELETE", f"console/sessions/{session['id']}")
    finally:
        await elsewhere.close()
    assert await page.ended(websocket) == "the session was ended"


async def test_another_log_in_of_the_browser_closes_what_the_one_before_opened(page: Page) -> None:
    websocket = await page.subscribed()
    await page.log_in()
    assert await page.ended(websocket) == "another log-in took its place"
    await page.subscribed()


async def test_another_role_closes_it_also_for_the_session_that_goes_on(page: Page) -> None:
    accounts, project_id = page.server.platform.accounts, page.credentials.project_id
    await accounts.create_administrator(project_id, "second", "a long password")
    session = await page.call("GET", "console/session")
    websocket = await page.subscribed()
    await accounts.set_administrator_role(project_id, session["admin"]["id"], "viewer", session_id=session["id"])
    assert await page.ended(websocket) == "the role was changed"
    await page.subscribed()
    assert (await page.call("GET", "console/session"))["role"] == "viewer"


async def test_another_password_closes_it(page: Page, server: Server) -> None:
    session = await page.call("GET", "console/session")
    websocket = await page.subscribed()
    await server.platform.accounts.set_administrator_password(
        page.credentials.project_id, session["admin"]["id"], "another long password"
    )
    assert await page.ended(websocket) == "the password was changed"
    assert await page.connect(await page.websocket()) == WRONG


async def test_a_subscription_that_ended_is_not_remembered(page: Page, server: Server) -> None:
    browser = Browser("127.0.0.1")
    log_in = server.platform.browser_sessions.log_in
    account, password = page.credentials.admin_account, page.credentials.admin_password
    logged_in = await log_in(account, password, browser)
    websocket = await page.subscribed()
    await websocket.close()
    await server.platform.browser_sessions.end(
        page.credentials.project_id, logged_in.person.administrator.id, logged_in.person.session.id
    )
    await page.subscribed()


@pytest.mark.parametrize("role", ["viewer", "operator"])
async def test_an_operator_listens_to_all_messages_of_a_device_and_a_viewer_does_not(page: Page, role: str) -> None:
    body = {"account": "other", "password": "correct horse battery", "role": role}
    await page.call("POST", "admin", body)
    await page.call("DELETE", "console/session")
    page.client.cookies.clear()
    await page.call("POST", "console/session", {"account": "other", "password": "correct horse battery"})
    device = await page.server.platform.devices.create(page.credentials.project_id, NewDevice(name="pump"))
    websocket = await page.websocket()
    assert await page.connect(websocket) == 0
    topic = f"{page.credentials.view_key}/{device.view_token}/trace"
    await page.send(websocket, Subscribe(1, [SubscriptionRequest(topic)]))
    suback = await page.receive(websocket)
    assert isinstance(suback, Suback)
    assert list(suback.reason_codes) == [ReasonCode.NOT_AUTHORIZED if role == "viewer" else ReasonCode.SUCCESS]
