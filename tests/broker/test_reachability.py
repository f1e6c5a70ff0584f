"""A device that no radio reaches for a while is given up by TCP no sooner than its keep alive says."""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from tests.broker.conftest import TIMEOUT_S, V3_1_1, V5, House
from tests.certificates import Authority
from thingstead.broker.net.listening import Port
from thingstead.broker.net.tls import TlsCertificate
from thingstead.config import MqttSettings
from thingstead.mqtt.protocol import ProtocolVersion

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such options")


def given_up_after_s(house: House) -> list[float]:
    """Of the one connection that is open: by what was sent, and by probes."""
    [client] = house.gateway._clients
    sock = client._transport.get_extra_info("socket")
    options = (getattr(socket, name) for name in ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE"))
    timeout_ms, idle_s = (sock.getsockopt(socket.IPPROTO_TCP, option) for option in options)
    return [timeout_ms / 1000, idle_s]


@pytest.mark.parametrize(
    ("version", "keep_alive", "expected_s"),
    [(V3_1_1, 1200, 1800), (V5, 1200, 1800), (V5, 10, 60), (V3_1_1, 0, 1800), (V3_1_1, 65_535, 98_302)],
)
async def test_the_connection_is_kept_for_one_and_a_half_keep_alives(
    house: House, version: ProtocolVersion, keep_alive: int, expected_s: int
) -> None:
    await house.log_in(await house.device(), version, keep_alive=keep_alive)
    assert given_up_after_s(house) == [expected_s, min(expected_s, 32_767)]


class TestSetting:
    @pytest.fixture
    def mqtt_settings(self) -> MqttSettings:
        return MqttSettings(unreachable_timeout_s=300)

    async def test_counts_where_it_is_given(self, house: House) -> None:
        await house.log_in(await house.device(), keep_alive=1200)
        assert given_up_after_s(house) == [300, 300]


@pytest.mark.external("openssl")
async def test_a_tls_handshake_has_the_time_of_its_setting(house: House, tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).sign("server")
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    await house.gateway.listen(
        Port(sock, TlsCertificate(certificate, key, None, "mqtts_port"), handshake_timeout_s=0.2)
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(TIMEOUT_S):
        assert await reader.read() == b""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    assert house.gateway.refused_connections.counts["tls"] == 1
