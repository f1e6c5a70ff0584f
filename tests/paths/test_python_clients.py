"""gmqtt and aiomqtt, over TCP and WebSocket: as a device, as an application, and at the open port."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal, NamedTuple, Protocol

import aiomqtt
import gmqtt  # type: ignore[import-untyped, import-not-found, unused-ignore]  # it has no types
import pytest

from tests.project_api import ProjectApi
from tests.running import Running
from tests.server_process import ServerProcess, init

TIMEOUT_S = 30


class Message(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    retain: bool


class Speaker(Protocol):
    """A client that is connected."""

    async def subscribe(self, topic_filter: str, qos: int) -> int:
        """The QoS that was granted."""
        ...

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool = False) -> None: ...

    async def next(self) -> Message: ...


class Gmqtt:
    """Version 4 or 5, over TCP: it has no other transport."""

    def __init__(self, user: tuple[str, str] | None) -> None:
        self.client = gmqtt.Client("")
        if user is not None:
            self.client.set_auth_credentials(*user)
        self._received: asyncio.Queue[Message] = asyncio.Queue()
        self._granted: asyncio.Queue[int] = asyncio.Queue()
        self.client.on_message = self._on_message
        self.client.on_subscribe = self._on_subscribe

    def _on_message(self, _: Any, topic: str, payload: bytes, qos: int, properties: dict[str, Any]) -> int:
        self._received.put_nowait(Message(topic, bytes(payload), qos, bool(properties["retain"])))
        return 0

    def _on_subscribe(self, _client: Any, _mid: int, granted: tuple[int, ...], _properties: Any) -> None:
        self._granted.put_nowait(granted[0])

    async def subscribe(self, topic_filter: str, qos: int) -> int:
        self.client.subscribe(topic_filter, qos)
        return await self._granted.get()

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool = False) -> None:
        self.client.publish(topic, payload, qos=qos, retain=retain)

    async def next(self) -> Message:
        return await self._received.get()


class Aiomqtt:
    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client

    async def subscribe(self, topic_filter: str, qos: int) -> int:
        granted: Any = await self._client.subscribe(topic_filter, qos)
        return int(getattr(granted[0], "value", granted[0]))  # a reason code in 5.0

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool = False) -> None:
        await self._client.publish(topic, payload, qos, retain)

    async def next(self) -> Message:
        message = await anext(self._client.messages)
        assert isinstance(message.payload, bytes)
        return Message(str(message.topic), message.payload, message.qos, message.retain)


Connecting = AbstractAsyncContextManager[Speaker]


@asynccontextmanager
async def gmqtt_client(port: int, user: tuple[str, str] | None, version: int) -> AsyncIterator[Speaker]:
    speaker = Gmqtt(user)
    await speaker.client.connect("127.0.0.1", port, version=version)
    try:
        yield speaker
    finally:
        await speaker.client.disconnect()


@asynccontextmanager
async def aiomqtt_client(
    port: int, user: tuple[str, str] | None, version: int, transport: Literal["tcp", "websockets"]
) -> AsyncIterator[Speaker]:
    name, password = user or (None, None)
    async with aiomqtt.Client(
        "127.0.0.1",
        port,
        username=name,
        password=password,
        protocol=aiomqtt.ProtocolVersion(version),
        transport=transport,
        websocket_path="/mqtt",
        timeout=TIMEOUT_S,
    ) as client:
        yield Aiomqtt(client)


class Kind(NamedTuple):
    """A client library, and how it speaks."""

    library: str
    transport: Literal["tcp", "websockets"]
    version: int

    def __str__(self) -> str:
        return f"{self.library}-{self.transport}-{self.version}"

    def connect(self, running: Running, user: tuple[str, str] | None) -> Connecting:
        """As ``user``; without one, at the open port."""
        server = running.server
        port = server.ports["open_mqtt_port"] if user is None else server.mqtt_port
        if self.transport == "websockets":
            port = server.http_port
        if self.library == "gmqtt":
            return gmqtt_client(port, user, self.version)
        return aiomqtt_client(port, user, self.version, self.transport)


OVER_TCP = [
    Kind("gmqtt", "tcp", 4),
    Kind("gmqtt", "tcp", 5),
    *(Kind("aiomqtt", "tcp", version) for version in (3, 4, 5)),
]
KINDS = [*OVER_TCP, *(Kind("aiomqtt", "websockets", version) for version in (3, 4, 5))]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all of them."""
    folder = tmp_path_factory.mktemp("python_clients") / "data"
    credentials = init(folder)
    server = ServerProcess(folder, "--open-mqtt-port", "0").wait_until_serving()
    with ProjectApi(server.url, credentials) as api:
        yield Running(server, credentials, api, api.create_device())
    server.kill()


def as_device(running: Running) -> tuple[str, str]:
    return running.certificate.access_token, running.certificate.project_key


def push(running: Running) -> None:
    running.api.call("POST", f"/control/device/{running.device_id}/attributes", json={"relay": True})


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_a_device_reports_is_answered_and_gets_a_push(running: Running, kind: Kind) -> None:
    async with asyncio.timeout(TIMEOUT_S), kind.connect(running, as_device(running)) as device:
        assert await device.subscribe("attributes/response", 0) == 0
        assert await device.subscribe("attributes/push", 1) == 1
        for qos in range(3):
            await device.publish("attributes", b'{"n":%d}' % qos, qos)
            assert await device.next() == ("attributes/response", b'{"result":1}', 0, False)
        await asyncio.to_thread(push, running)
        topic, payload, qos, _ = await device.next()
        assert (topic, json.loads(payload), qos) == ("attributes/push", {"relay": True}, 1)
    assert running.api.attributes(running.device_id)["n"] == 2


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_an_application_is_told_what_a_device_reports(running: Running, kind: Kind) -> None:
    view_key, secret = running.credentials.view_key, running.credentials.view_secret
    device = OVER_TCP[0].connect(running, as_device(running))
    async with asyncio.timeout(TIMEOUT_S), kind.connect(running, (view_key, secret)) as application, device as sender:
        assert await application.subscribe(f"{view_key}/+/attributes", 1) == 0, "application subscriptions are at QoS 0"
        await sender.publish("attributes", b'{"n":7}', 1)
        message = await application.next()
        assert json.loads(message.payload)["attributes"] == {"n": 7}
        assert (message.qos, message.retain) == (0, False)


@pytest.mark.parametrize("kind", OVER_TCP, ids=str)
async def test_two_clients_meet_at_the_open_port(running: Running, kind: Kind) -> None:
    place = f"meeting/{kind}"
    async with (
        asyncio.timeout(TIMEOUT_S),
        kind.connect(running, None) as publisher,
        kind.connect(running, None) as subscriber,
        OVER_TCP[-1].connect(running, None) as other,
    ):
        assert await publisher.subscribe(f"{place}/kept", 1) == 1
        await publisher.publish(f"{place}/kept", b"kept", 1, retain=True)
        assert await publisher.next() == (f"{place}/kept", b"kept", 1, False)
        for each in (subscriber, other):
            assert await each.subscribe(f"{place}/#", 2) == 2
            assert await each.next() == (f"{place}/kept", b"kept", 1, True)
        for qos in range(3):
            await publisher.publish(f"{place}/a/b", b"%d" % qos, qos)
            for each in (subscriber, other):
                assert await each.next() == (f"{place}/a/b", b"%d" % qos, qos, False)
