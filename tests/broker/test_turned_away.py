"""Connections that do not get through the door: counted by reason, and logged once in a while."""

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.broker.conftest import TIMEOUT_S, V5, House
from tests.certificates import Authority
from thingstead.broker.net import listening
from thingstead.broker.net.admission import Arrivals
from thingstead.broker.net.connections import LOGGED, RefusedConnections
from thingstead.broker.net.listening import Port
from thingstead.broker.net.tls import TlsCertificate
from thingstead.clock import ManualClock
from thingstead.config import ApiSettings, MqttSettings
from thingstead.mqtt.connection_packets import Connack, Connect
from thingstead.server.http import HttpListener


@pytest.fixture
def mqtt_settings() -> MqttSettings:
    return MqttSettings(max_connections=1)


async def closed(port: int, data: bytes = b"") -> None:
    """Connects, and returns when the server has closed the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(TIMEOUT_S):
        with contextlib.suppress(OSError):
            await reader.read()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def refused_connections(house: House) -> dict[str, int]:
    return {reason: count for reason, count in house.gateway.refused_connections.counts.items() if count}


async def test_connections_over_the_limit_are_counted(house: House) -> None:
    await house.log_in(await house.device())
    for _ in range(3):
        await closed(house.port)
    assert refused_connections(house) == {"limit": 3}


async def test_connections_without_a_proxy_header_are_counted(house: House) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    await house.gateway.listen(Port(sock, proxied=True))
    await closed(sock.getsockname()[1], Connect(V5, "c").serialize(V5))
    assert refused_connections(house) == {"proxy_header": 1}


@pytest.mark.external("openssl")
async def test_connections_that_do_not_speak_tls_are_counted_and_others_are_served(
    house: House, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.sign("server")
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    await house.gateway.listen(Port(sock, TlsCertificate(certificate, key, None, "mqtts_port")))
    await closed(port, Connect(V5, "c").serialize(V5))
    async with asyncio.timeout(TIMEOUT_S):
        while refused_connections(house) != {"tls": 1}:  # noqa: ASYNC110 - turns of the loop, no time
            await asyncio.sleep(0)
    context = ssl.create_default_context(cafile=str(authority.certificate))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    connect = Connect(V5, "c", **house.certificate(await house.device()))
    writer.write(connect.serialize(V5))
    async with asyncio.timeout(TIMEOUT_S):
        assert (await reader.readexactly(1))[0] == Connack().serialize(V5)[0]
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def test_a_flood_is_logged_once_in_a_while() -> None:
    clock = ManualClock()
    refused_connections = RefusedConnections(clock)
    with capture_logs() as logs:
        for _ in range(1_000):
            refused_connections.note("tls", "no handshake", "192.0.2.1:1")
        clock.advance(60_000)
        refused_connections.note("tls", "no handshake", "192.0.2.1:1")
    assert len(logs) == LOGGED + 1
    assert logs[-1]["suppressed"] == 1_000 - LOGGED
    assert refused_connections.counts["tls"] == 1_001


@pytest.mark.external("openssl")
async def test_an_address_may_have_few_tls_handshakes_that_are_not_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "HANDSHAKES_COUNT", 2)
    certificate, key = Authority(tmp_path).sign("server")
    arrivals = Arrivals(ManualClock(), descriptors=100_000)
    sock = socket.create_server(("127.0.0.1", 0))
    port = Port(sock, TlsCertificate(certificate, key, None, "https_port"))
    listener = HttpListener(lambda *_: None, [port], ApiSettings(), None, arrivals)
    await listener.start()
    half = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(2)]
    await closed(listener.port)
    async with asyncio.timeout(TIMEOUT_S):
        while arrivals.refused_connections.counts["tls"] != 1:  # noqa: ASYNC110 - turns of the loop, no time
            await asyncio.sleep(0)
    other, writer = await asyncio.open_connection("127.0.0.1", listener.port, local_addr=("127.0.0.2", 0))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await other.read()
    for _, opened in (*half, (other, writer)):
        opened.close()
    await listener.stop()
