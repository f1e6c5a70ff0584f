"""MQTT over WebSocket on the HTTP port (chapter 6 of MQTT 5.0)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from thingstead.broker.net import stream
from thingstead.config import ApiSettings, Config, MqttSettings
from thingstead.errors import DeviceOffline
from thingstead.model.device import Device
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect
from thingstead.mqtt.decoder import Decoder, Packet
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Subscribe, SubscriptionRequest
from thingstead.server import Server, open_server
from thingstead.services.registry.new_device import NewDevice

V5 = ProtocolVersion.V5
TIMEOUT_S = 30
MQTT = [Subprotocol("mqtt")]


class WebSocketPeer:
    """A device's end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._decoder = Decoder(1_000_000, V5)
        self._arrived: list[Packet] = []
        self.websocket: ClientConnection
        self.device: Device

    async def open(self, path: str = "/mqtt", subprotocols: Any = MQTT, **headers: str) -> ClientConnection:
        address = f"ws://127.0.0.1:{self._server.http_port}{path}"
        self.websocket = await connect(
            address, subprotocols=subprotocols, additional_headers=headers, proxy=None, compression=None
        )
        return self.websocket

    async def log_in(self, device: Device | None = None, **headers: str) -> "WebSocketPeer":
        platform, credentials = self._server.platform, self._server.credentials
        assert credentials is not None
        self.device = device or await platform.devices.create(credentials.project_id, NewDevice(name="d"))
        await self.open(**headers)
        password = credentials.project_key.encode()
        await self.send(Connect(V5, "c", user_name=self.device.access_token, password=password))
        assert isinstance(await self.receive(), Connack)
        return self

    async def send(self, *packets: Packet) -> None:
        await self.websocket.send(b"".join(packet.serialize(V5) for packet in packets))

    async def receive(self) -> Packet:
        async with asyncio.timeout(TIMEOUT_S):
            while not self._arrived:
                data = await self.websocket.recv()
                assert isinstance(data, bytes)
                self._arrived += self._decoder.receive_data(data)
        return self._arrived.pop(0)

    async def goodbye(self) -> ReasonCode:
        """Why the server disconnects, which it does next."""
        packet = await self.receive()
        assert isinstance(packet, Disconnect)
        return packet.reason_code

    async def close_code(self) -> int | None:
        """The code of the close frame that ends the connection."""
        async with asyncio.timeout(TIMEOUT_S):
            try:
                while True:
                    await self.websocket.recv()
            except ConnectionClosed:
                return self.websocket.close_code

    async def online(self) -> bool:
        view = await self._server.platform.devices.get_view(self.device.project_id, self.device.id)
        return view.online


@pytest.fixture
def config(config: Config) -> Config:
    return msgspec.structs.replace(config, mqtt=MqttSettings(max_packet_size_bytes=4_096, send_buffer_max_bytes=65_536))


@pytest.fixture
async def peer(server: Server) -> AsyncIterator[WebSocketPeer]:
    peer = WebSocketPeer(server)
    yield peer
    if hasattr(peer, "websocket"):
        await peer.websocket.close()


@pytest.mark.parametrize("name", ["mqtt", "mqttv3.1"])
async def test_the_server_selects_the_subprotocol_of_the_client(peer: WebSocketPeer, name: str) -> None:
    """[MQTT-6.0.0-3] [MQTT-6.0.0-4]"""
    websocket = await peer.open(subprotocols=[Subprotocol("other"), Subprotocol(name)])
    assert websocket.subprotocol == name


@pytest.mark.parametrize(
    ("path", "subprotocols", "status"), [("/mqtt", None, 400), ("/mqtt", ["chat"], 400), ("/other", ["mqtt"], 404)]
)
async def test_what_is_not_mqtt_is_refused(peer: WebSocketPeer, path: str, subprotocols: Any, status: int) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await peer.open(path, subprotocols)
    assert refusal.value.response.status_code == status


async def test_the_path_of_websockets_is_no_resource_of_http(server: Server) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.http_port}", trust_env=False) as client:
        assert (await client.get("/mqtt")).status_code == 404


async def test_packets_may_be_cut_into_frames_and_joined_in_them_anyhow(peer: WebSocketPeer) -> None:
    """[MQTT-6.0.0-2]"""
    await peer.log_in()
    subscribe = Subscribe(1, [SubscriptionRequest("#")]).serialize(V5)
    reports = b"".join(Publish("attributes", b'{"n":%d}' % n, 1, n).serialize(V5) for n in range(1, 20))
    for byte in subscribe:
        await peer.websocket.send(bytes((byte,)))
    await peer.websocket.send([reports[:50], reports[50:51], reports[51:]])  # fragments of one message
    await peer.receive()
    received = [await peer.receive() for _ in range(2 * 19)]
    assert [packet.packet_id for packet in received if isinstance(packet, Puback)] == list(range(1, 20))


async def test_a_text_frame_ends_the_connection(peer: WebSocketPeer) -> None:
    """[MQTT-6.0.0-1]"""
    await peer.log_in()
    await peer.websocket.send("text")
    assert await peer.close_code() == 1003


async def test_a_frame_over_the_limit_ends_the_connection(peer: WebSocketPeer) -> None:
    await peer.log_in()
    await peer.websocket.send(bytes((1 << 20) + 1))
    assert await peer.close_code() == 1009


async def test_a_packet_over_the_limit_is_refused_as_over_tcp(peer: WebSocketPeer) -> None:
    await peer.log_in()
    await peer.send(Publish("attributes", bytes(5_000), 1, 1))
    assert await peer.goodbye() is ReasonCode.PACKET_TOO_LARGE
    assert await peer.close_code() == 1000


async def test_a_ping_of_the_websocket_is_answered(peer: WebSocketPeer) -> None:
    await peer.log_in()
    async with asyncio.timeout(TIMEOUT_S):
        await (await peer.websocket.ping())


async def test_a_takeover_tells_mqtt_first_and_then_closes(server: Server, peer: WebSocketPeer) -> None:
    await peer.log_in()
    second = await WebSocketPeer(server).log_in(peer.device)
    assert await peer.goodbye() is ReasonCode.SESSION_TAKEN_OVER
    assert await peer.close_code() == 1000
    await second.send(Publish("attributes", b'{"n":1}', 1, 1))
    assert isinstance(await second.receive(), Puback)
    await second.websocket.close()


async def test_a_websocket_that_closes_takes_its_device_offline(server: Server, peer: WebSocketPeer) -> None:
    await peer.log_in()
    assert await peer.online()
    await peer.websocket.close()
    await sent_until_offline(server, peer)
    assert not await peer.online()


async def test_stopping_the_server_says_goodbye(config: Config) -> None:
    async with open_server(config) as server:
        peer = await WebSocketPeer(server).log_in()
    assert await peer.goodbye() is ReasonCode.SERVER_SHUTTING_DOWN
    assert await peer.close_code() == 1000


async def test_a_peer_that_does_not_answer_the_goodbye_is_cut(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CLOSE_TIMEOUT_S", 0.1)
    async with open_server(config) as server:
        peer = await WebSocketPeer(server).log_in()
        peer.websocket.transport.pause_reading()
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 5
    peer.websocket.transport.abort()
    await peer.websocket.wait_closed()


async def test_a_peer_that_does_not_read_is_dropped(server: Server, peer: WebSocketPeer) -> None:
    await peer.log_in()
    await peer.send(Subscribe(1, [SubscriptionRequest("data/+/set")]))
    await peer.receive()
    peer.websocket.transport.pause_reading()
    await sent_until_offline(server, peer)
    peer.websocket.transport.resume_reading()


async def sent_until_offline(server: Server, peer: WebSocketPeer) -> None:
    """Data goes down to the device until that is refused."""
    async with asyncio.timeout(TIMEOUT_S):
        try:
            while True:
                await server.platform.streams.send(peer.device.project_id, peer.device.id, "s", bytes(60_000))
        except DeviceOffline:
            pass


async def test_the_address_of_a_websocket_is_kept_with_the_session(server: Server, peer: WebSocketPeer) -> None:
    await peer.log_in()
    session = await server.platform.presence.find_session(peer.device)
    assert session is not None
    assert session.remote_address == f"127.0.0.1:{peer.websocket.local_address[1]}"


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_websocket_is_from_whom_a_trusted_proxy_says(config: Config, trusted: bool) -> None:
    http = ApiSettings(trusted_proxies=("127.0.0.0/8",) if trusted else ("10.0.0.0/8",))
    async with open_server(msgspec.structs.replace(config, http=http)) as server:
        peer = WebSocketPeer(server)
        await peer.log_in(None, **{"X-Forwarded-For": "2001:db8::7"})
        session = await server.platform.presence.find_session(peer.device)
        assert session is not None
        assert (session.remote_address == "2001:db8::7") is trusted
