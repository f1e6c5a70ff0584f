"""The ports that a configuration asks for."""

import asyncio
import random
import socket
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from thingstead.broker.net.listening import ListeningPort, Port
from thingstead.config import Config, Listener, tree
from thingstead.errors import Conflict
from thingstead.server import open_server
from thingstead.server.sockets import bind


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.fixture
def free() -> int:
    """A port of those that the system gives to nobody by itself, on which nobody listens."""
    for number in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as other:
            if other.connect_ex(("127.0.0.1", number)) != 0:
                return number
    raise AssertionError("no free port")


async def test_the_usual_tcp_port_is_opened_where_it_is_free(
    config: Config, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "TCP_PORT", free)
    async with open_server(msgspec.structs.replace(config, tcp_port="auto")) as server:
        assert server.ports["tcp_port"] == free


async def test_where_the_usual_tcp_port_is_taken_the_rest_is_served(
    config: Config, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "TCP_PORT", taken)
    async with open_server(msgspec.structs.replace(config, tcp_port="auto")) as server:
        assert server.ports.keys() == {"http_port", "mqtt_port"}


async def test_of_two_that_bind_a_port_at_the_same_time_the_second_is_told_that_it_is_taken(free: int) -> None:
    unused: Any = None
    with bind("mqtt_port", "127.0.0.1", free) as first, bind("mqtt_port", "127.0.0.1", free) as second:
        first.listen()
        with pytest.raises(Conflict, match=f"port {free}: Address already in use"):
            ListeningPort(Port(second, None), unused, unused)


async def test_a_tcp_port_that_was_asked_for_and_is_taken_is_refused(config: Config, taken: int) -> None:
    with pytest.raises(Conflict, match="tcp_port: cannot listen on"):
        async with open_server(msgspec.structs.replace(config, tcp_port=taken)):
            pass


async def test_the_tcp_port_can_be_off(config: Config) -> None:
    async with open_server(msgspec.structs.replace(config, tcp_port="off")) as server:
        assert "tcp_port" not in server.ports


async def test_every_listener_is_open_inside_of_the_block_and_closed_after_it(config: Config) -> None:
    more = tuple(
        msgspec.convert({"kind": kind, "port": 0, "proxy_protocol": proxied}, Listener)
        for kind in ("mqtt", "http", "tcp")
        for proxied in (False, True)
    )
    async with open_server(msgspec.structs.replace(config, listeners=more)) as server:
        assert len(set(server.ports.values())) == 3 + len(more)
        for port in server.ports.values():
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
    for port in server.ports.values():
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_one_listener_that_cannot_be_had_keeps_all_of_them_closed(config: Config, taken: int) -> None:
    more = (Listener(kind="mqtt", port=0), Listener(kind="mqtt", port=taken))
    with pytest.raises(Conflict, match=r"listeners\[1\]: cannot listen on"):
        async with open_server(msgspec.structs.replace(config, listeners=more)):
            pass
