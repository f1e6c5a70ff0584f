"""Whom a port behind TLS trusts, what it tells those whom it refuses, and what is said of expired certificates."""

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from tests.certificates import Authority, Signed
from thingstead.clock import SystemClock
from thingstead.config import Config, Listener
from thingstead.server import Server, open_server

pytestmark = pytest.mark.external("openssl")
DAY_MS = 24 * 3600 * 1000
TIMEOUT_S = 30
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class Ahead(SystemClock):
    """The machine's clock, in ``days``."""

    def __init__(self, days: int) -> None:
        self._ahead_ms = days * DAY_MS

    def now_ms(self) -> int:
        return super().now_ms() + self._ahead_ms


class House(NamedTuple):
    """A server with a port behind TLS for everybody, and one for clients that show a certificate."""

    server: Server
    clients: Authority  # of the clients that are let in
    trusted: Path  # the file of authorities that the server reads
    folder: Path

    @property
    def port(self) -> int:
        return self.server.ports["mqtts_port"]

    @property
    def guarded_port(self) -> int:
        return self.server.ports["listeners[0]"]


@pytest.fixture
def clients(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "clients")


@pytest.fixture
def secured(tmp_path: Path, config: Config, clients: Authority) -> Config:
    signed = Authority(tmp_path).sign("server")
    shutil.copy(clients.certificate, tmp_path / "trusted")
    guarded = {"kind": "mqtts", "port": 0, "client_ca": str(tmp_path / "trusted")}
    return msgspec.structs.replace(
        config,
        mqtts_port=0,
        tls_certificate=str(signed.certificate),
        tls_key=str(signed.key),
        listeners=(msgspec.convert(guarded, Listener),),
    )


@pytest.fixture
async def house(tmp_path: Path, secured: Config, clients: Authority) -> AsyncIterator[House]:
    async with open_server(secured) as server:
        yield House(server, clients, tmp_path / "trusted", tmp_path)


def client(own: Signed | None = None, **limits: Any) -> ssl.SSLContext:
    """A client that trusts everybody; ``limits`` are attributes of its context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    for name, value in limits.items():
        setattr(context, name, value)
    return context


def secure(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSession | None:
    """The session of a connection over which the server took a packet; ssl.SSLError with the alert where it refused.

    The packet is no CONNECT, which closes the connection after TLS let it in.
    """
    plain = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
    with plain, context.wrap_socket(plain, session=session) as secured:
        secured.sendall(b"\xc0\x00")
        secured.recv(10)
        return secured.session


async def refusal(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> str:
    """The alert that a client gets; "" where it is let in."""
    try:
        await asyncio.to_thread(secure, port, context, session)
    except ssl.SSLError as exc:
        return str(exc.reason)
    return ""


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_a_client_that_is_refused_is_told_why(house: House, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "strangers").sign("stranger")
    old = client(minimum_version=ssl.TLSVersion.MINIMUM_SUPPORTED)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    unlike = client(maximum_version=ssl.TLSVersion.TLSv1_2)
    unlike.set_ciphers("AES128-SHA:@SECLEVEL=0")
    with capture_logs() as logs:
        assert await refusal(house.port, old) == "TLSV1_ALERT_PROTOCOL_VERSION"
        assert await refusal(house.port, unlike) == "SSLV3_ALERT_HANDSHAKE_FAILURE"
        assert await refusal(house.guarded_port, client()) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
        for version in VERSIONS:
            assert (
                await refusal(house.guarded_port, client(stranger, maximum_version=version)) == "TLSV1_ALERT_UNKNOWN_CA"
            )
    told = [log for log in logs if log["event"] == "a connection was refused"]
    assert told
    assert all(log["remote_address"].startswith("127.0.0.1:") for log in told)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_session_from_before_an_authority_was_removed_is_not_resumed(
    house: House, version: ssl.TLSVersion
) -> None:
    known = client(house.clients.sign("known"), minimum_version=version, maximum_version=version)
    session = await asyncio.to_thread(secure, house.guarded_port, known)
    assert session is not None
    assert await refusal(house.guarded_port, known, session) == ""
    shutil.copy(Authority(house.folder, "others").certificate, house.trusted)
    house.server.reload_certificates()
    assert await refusal(house.guarded_port, known, session) == "TLSV1_ALERT_UNKNOWN_CA"


async def test_certificates_that_are_valid_are_not_spoken_of(secured: Config) -> None:
    with capture_logs() as logs:
        async with open_server(secured):
            pass
    assert [log for log in logs if "certificate" in log["event"]] == []


@pytest.mark.parametrize(("days", "problem"), [(40, "expired at"), (-40, "is not valid before")])
async def test_certificates_that_are_not_valid_now_are_used_and_said(secured: Config, days: int, problem: str) -> None:
    with capture_logs() as logs:
        async with open_server(secured, Ahead(days)) as server:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.http_port}", trust_env=False) as caller:
                answer = await caller.get("/healthz")
            server.reload_certificates()
    event = "a TLS certificate is not valid"
    said = [log["reason"] for log in logs if log["event"] == event]
    assert (
        len(said) == 2 * 3
    )  # at the start and at the reload: of the server at two ports, and of the clients' authority
    assert all(problem in reason for reason in said)
    assert {reason.split(": ")[1] for reason in said} == {"mqtts_port", "listeners[0]"}
    assert answer.status_code == 200
    assert problem in str(answer.json()["warnings"])
