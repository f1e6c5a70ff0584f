"""Webhooks over TLS: the certificate is checked against the name, although connections go to an address that was looked
up and checked before."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority, Signed
from tests.services.receivers import HttpReceiver
from thingstead.services.outbound.http import HttpSender, SendFailed

LOOPBACK = "127.0.0.1"
ELSEWHERE = "hook.example"  # a name that leads to the receiver, and is not in its certificate


class Secured(HttpReceiver):
    """A receiver behind TLS, and the names that clients asked for."""

    def __init__(self, signed: Signed) -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(signed.certificate, signed.key)
        tls.sni_callback = lambda _, name, __: self.names.append(name)
        super().__init__(tls)
        self.names: list[str | None] = []


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def secured(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Secured]:
    """Every name leads to it."""

    def to_loopback(name: str, port: int, **_: Any) -> list[Any]:
        return [(None, None, None, "", (LOOPBACK, port))]

    monkeypatch.setattr(socket, "getaddrinfo", to_loopback)
    async with Secured(authority.sign("receiver")) as secured:
        yield secured


async def posted(url: str) -> int:
    """The status of the answer, of a sender that trusts what the environment says now."""
    http = HttpSender(timeout_s=5, private_addresses=True)
    try:
        return (await http.post(url, b"{}")).status
    finally:
        await http.close()


async def test_a_receiver_of_a_trusted_authority_gets_the_notice_and_is_asked_for_by_name(
    secured: Secured, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    assert await posted(f"https://localhost:{secured.port}/hook") == 200
    assert [request.headers["host"] for request in secured.received] == [f"localhost:{secured.port}"]
    assert secured.names == ["localhost"]


async def test_a_receiver_that_nobody_vouches_for_gets_nothing_and_the_reason_says_why(secured: Secured) -> None:
    with pytest.raises(
        SendFailed, match="TLS: the certificate is not accepted: unable to get local issuer certificate"
    ):
        await posted(f"https://localhost:{secured.port}/hook")
    assert secured.received == []


async def test_a_self_signed_certificate_is_named_as_one(tmp_path: Path) -> None:
    own = Authority(tmp_path, "own")
    async with Secured(Signed(own.certificate, tmp_path / "own.key")) as secured:
        with pytest.raises(SendFailed, match=r"not accepted: self.signed certificate"):
            await posted(f"https://{LOOPBACK}:{secured.port}/hook")
        assert secured.received == []


async def test_a_certificate_for_another_name_is_refused(
    secured: Secured, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    with pytest.raises(
        SendFailed, match=r"not accepted: Hostname mismatch, certificate is not valid for 'hook\.example'"
    ):
        await posted(f"https://{ELSEWHERE}:{secured.port}/hook")
    assert (secured.names, secured.received) == ([ELSEWHERE], [])


@pytest.mark.parametrize("how", ["cancelled", "timed out"])
async def test_a_handshake_that_is_given_up_closes_its_connection(how: str) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        begun.set()
        while await reader.read(65_536):
            pass
        ended.set()
        writer.close()

    server = await asyncio.start_server(silent, LOOPBACK, 0)
    url = f"https://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/hook"
    http = HttpSender(timeout_s=60 if how == "cancelled" else 0.5, private_addresses=True)
    posting = asyncio.ensure_future(http.post(url, b"{}"))
    async with asyncio.timeout(30):
        await begun.wait()
        if how == "cancelled":
            posting.cancel()
        await asyncio.wait([posting])
        await ended.wait()
    assert posting.cancelled() or isinstance(posting.exception(), SendFailed)
    await http.close()
    server.close()
    await server.wait_closed()
