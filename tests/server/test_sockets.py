"""Listening sockets, and what is said about those that cannot be had."""

import socket

import pytest

from thingstead.errors import ConfigError, Conflict
from thingstead.server.sockets import PEER_TIMEOUT_MS, bind


def test_port_0_takes_a_free_port() -> None:
    with bind("http_port", "127.0.0.1", 0) as sock:
        assert sock.getsockname()[1] > 0


def test_a_taken_port_is_refused_naming_setting_and_address() -> None:
    with bind("http_port", "127.0.0.1", 0) as sock:
        sock.listen()
        port = sock.getsockname()[1]
        with pytest.raises(Conflict, match=rf"mqtt_port: cannot listen on 127.0.0.1:{port}: Address already in use"):
            bind("mqtt_port", "127.0.0.1", port)


@pytest.mark.parametrize("host", ["300.1.1.1", "no such host", "a" * 300, "192.0.2.1"])
def test_an_address_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match=r"host: |http_port: "):
        bind("http_port", host, 0)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_the_ipv6_wildcard_takes_ipv4_too() -> None:
    with bind("http_port", "::", 0) as sock:
        sock.listen()
        socket.create_connection(("127.0.0.1", sock.getsockname()[1]), timeout=30).close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such option")
def test_a_connection_sends_at_once_and_notices_a_peer_that_is_gone() -> None:
    with bind("http_port", "127.0.0.1", 0) as sock:
        sock.listen()
        with socket.create_connection(sock.getsockname()), sock.dup() as listening:
            listening.setblocking(True)
            accepted, _ = listening.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == PEER_TIMEOUT_MS
