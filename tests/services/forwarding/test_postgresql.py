"""Forwarding to PostgreSQL: a real one, each message once, and servers that hang, flood or are not allowed."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from tests.certificates import Authority
from tests.postgres_server import PostgresServer, oldest_programs
from tests.services.forwarding.plant import open_plant
from tests.services.forwarding.sessions import NOW, message, session
from tests.services.outbound.brokers import free_port
from thingstead.model.forwarding.configs.postgresql import PostgresqlConfig
from thingstead.model.forwarding.target_form import ForwardTargetForm
from thingstead.services.forwarding.target import PermanentFailure, TransientFailure

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def members(url: str, **more: Any) -> dict[str, Any]:
    known = psycopg.conninfo.conninfo_to_dict(url)
    found = {
        "host": known["host"],
        "port": int(str(known["port"])),
        "database": known["dbname"],
        "user_name": known["user"],
    }
    return {**found, "tls": "off", **more}


def config(url: str, **more: Any) -> PostgresqlConfig:
    return PostgresqlConfig(**members(url, **more))


async def rows(url: str, sql: str = "SELECT id, content FROM thingstead_messages ORDER BY id") -> list[Any]:
    def read() -> list[Any]:
        with psycopg.connect(url) as connection:
            return connection.execute(sql).fetchall()

    return await asyncio.to_thread(read)


@asynccontextmanager
async def impostor(connected: Connected) -> Any:
    """A server that is none; the address of a database of it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await connected(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"postgresql://u@127.0.0.1:{server.sockets[0].getsockname()[1]}/d"


async def test_messages_are_rows_once_however_often_they_are_sent(postgres_url: str) -> None:
    nul = message(3, {"text": "a\x00b", "inner": {"k\x00": ["\x00"]}, "back": "\\u0000"})
    async with session("postgresql", config(postgres_url)) as opened:
        for _ in range(3):
            await opened.send([message(1), message(2, {"水": [1, 2.5, None]}), nul])
    found = await rows(postgres_url)
    assert [row[0] for row in found] == ["m1", "m2", "m3"]
    assert found[1][1] == {"水": [1, 2.5, None]}
    assert found[2][1]["text"] == "a\ufffdb"
    assert found[2][1]["back"] in ("\\u0000", "\\\ufffd")
    [whole] = await rows(
        postgres_url,
        "SELECT extract(epoch FROM ts) * 1000, kind, device_id, device_key, device_name, type_id"
        " FROM thingstead_messages WHERE id = 'm1'",
    )
    assert whole == (NOW + 1, "attributes", "d1", "key=1", "Pump 1, north", "t 1")


async def test_lanes_send_at_once_over_one_connection_in_turn(postgres_url: str) -> None:
    async with session("postgresql", config(postgres_url, table='a "b"')) as opened:
        await asyncio.gather(*(opened.send([message(10 * lane + n) for n in range(10)]) for lane in range(4)))
    assert await rows(postgres_url, 'SELECT count(*) FROM public."a ""b"""') == [(40,)]


async def test_a_table_with_a_rule_of_its_own_refuses_single_messages(postgres_url: str, tmp_path: Path) -> None:
    async with session("postgresql", config(postgres_url)) as opened:
        await opened.send([message(1)])
        check = "ALTER TABLE thingstead_messages ADD CHECK (content ->> 'n' <> '13')"
        with psycopg.connect(postgres_url) as connection:
            connection.execute(check)
        with pytest.raises(PermanentFailure) as failed:
            await opened.send([message(12), message(13)])
        assert "violates check constraint" in failed.value.refusal.answer
        await opened.send([message(14)])
    async with open_plant(tmp_path) as plant:
        body = {"name": "T", "kinds": ["attributes"], "postgresql": members(postgres_url)}
        target, _ = await plant.forwarding.create("ours", msgspec.convert(body, ForwardTargetForm))
        await plant.report(*range(10, 16))
        async with asyncio.timeout(60):
            while (found := await plant.forwarding.statistics("ours", target.id)).sent + found.refused < 6:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (found.sent, found.refused) == (5, 1)
    assert await rows(postgres_url, "SELECT count(*) FROM thingstead_messages") == [(7,)]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"database": "missing"}, "does not exist"),
        ({"schema": "missing"}, "does not exist"),
        ({"user_name": "missing"}, "does not exist"),
        ({"tls": "require"}, "SSL"),
    ],
)
async def test_what_somebody_must_mend_pauses_the_target(postgres_url: str, more: dict[str, Any], said: str) -> None:
    async with session("postgresql", config(postgres_url, **more)) as opened:
        with pytest.raises(TransientFailure, match=said) as failed:
            await opened.send([message(1)])
        assert failed.value.pause
        assert "127.0.0.1" not in str(failed.value)  # the address of the relay


async def test_a_connection_that_the_server_ends_is_opened_again(postgres_url: str) -> None:
    async with session("postgresql", config(postgres_url)) as opened:
        await opened.send([message(1)])
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'thingstead'"
            )
        with pytest.raises(TransientFailure):
            await opened.send([message(2)])
        await opened.send([message(2)])
    assert [row[0] for row in await rows(postgres_url)] == ["m1", "m2"]


async def test_a_server_that_hangs_is_left_when_the_time_is_over() -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while await reader.read(1_000):
            pass

    async with impostor(hang) as url, session("postgresql", config(url)) as opened:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await opened.send([message(1)])


async def test_a_server_that_floods_loses_its_connection() -> None:
    text = b"SNOTICE\0C00000\0M" + b"x" * 60_000 + b"\0\0"
    notice = b"N" + (len(text) + 4).to_bytes(4, "big") + text

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_000)
        writer.write(b"R\0\0\0\x08\0\0\0\0")
        while True:
            writer.write(notice)
            await writer.drain()

    async with impostor(flood) as url, session("postgresql", config(url)) as opened:
        with pytest.raises(TransientFailure, match="sends more than answers"):
            await opened.send([message(1)])


async def test_no_password_of_the_operator_reaches_the_server_of_a_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "of-the-operator")
    seen: list[bytes] = []

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(1_000))
        writer.write(b"R\0\0\0\x08\0\0\0\x03")  # a password in clear text, please
        while data := await reader.read(1_000):
            seen.append(data)

    async with impostor(ask) as url, session("postgresql", config(url)) as opened:
        with pytest.raises((TransientFailure, TimeoutError)):
            async with asyncio.timeout(5):
                await opened.send([message(1)])
    assert b"of-the-operator" not in b"".join(seen)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"\0\0\0\x0br=%s,s=AAAA,i=2000000000", "rounds of SCRAM"),
        (b"\0\0\0\x0br=%s,s=AAAA,i= +2000000000", "rounds of SCRAM"),
        (b"\0\0\0\x07", "log-in other than"),
    ],
)
async def test_a_server_cannot_make_the_driver_compute_or_use_tickets_of_this_machine(said: bytes, why: str) -> None:
    def authentication(body: bytes) -> bytes:
        return b"R" + (4 + len(body)).to_bytes(4, "big") + body

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_000)
        offer = authentication(b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
        for place in range(len(offer)):  # byte by byte
            writer.write(offer[place : place + 1])
            await writer.drain()
        nonce = (await reader.read(1_000)).rpartition(b"r=")[2]
        writer.write(authentication(said.replace(b"%s", nonce + b"more")))
        await reader.read(1_000)

    async with impostor(ask) as url, session("postgresql", config(url, password="p")) as opened:
        with pytest.raises(TransientFailure, match=why) as failed:
            async with asyncio.timeout(30):
                await opened.send([message(1)])
        assert failed.value.pause


async def test_a_refused_address_is_not_connected_to(postgres_url: str) -> None:
    async with session("postgresql", config(postgres_url), private=False) as opened:
        with pytest.raises(TransientFailure, match="an address that is refused") as failed:
            await opened.send([message(1)])
        assert failed.value.pause
    refused = config(f"postgresql://u@127.0.0.1:{free_port()}/d")
    async with session("postgresql", refused, shows=False) as opened:
        with pytest.raises(TransientFailure, match="not shown"):
            await opened.send([message(1)])


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[PostgresServer, Authority]]:
    """Debian's, since that of the package has no TLS."""
    programs = oldest_programs()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail("not installed: postgresql-15; .ci/run installs it", pytrace=False)
        pytest.skip("not installed: postgresql-15")
    authority = Authority(tmp_path)
    signed = authority.sign("database")
    server = PostgresServer(programs)
    folder = server.beside("tls")
    for source, name in ((signed.certificate, "server.crt"), (signed.key, "server.key")):
        shutil.copy(source, folder / name)
        server.own(folder / name)
        (folder / name).chmod(0o600)
    server.settings.update(ssl="on", ssl_cert_file=str(folder / "server.crt"), ssl_key_file=str(folder / "server.key"))
    server.start()
    yield server, authority
    server.close()


@pytest.mark.external("openssl")
async def test_the_certificate_of_the_server_is_verified(tls_server: tuple[PostgresServer, Authority]) -> None:
    server, authority = tls_server
    url = server.url("postgres")
    ca = authority.certificate.read_text()
    async with session("postgresql", config(url, tls="verify", ca=ca)) as opened:
        await opened.send([message(1)])
    async with session("postgresql", config(url, tls="require")) as opened:
        await opened.send([message(2)])
    assert len(await rows(url)) == 2
    async with session("postgresql", config(url, tls="verify")) as opened:
        with pytest.raises(TransientFailure, match="certificate"):
            await opened.send([message(3)])


def accepts_wrong_password(url: str) -> bool:
    try:
        psycopg.connect(url, user="md5", password="wrong", sslmode="require").close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.external("openssl")
async def test_passwords_are_taken_over_tls(tls_server: tuple[PostgresServer, Authority]) -> None:
    """The server offers channel binding, which the driver would take for an attack, since TLS ends before it."""
    server, authority = tls_server
    url = server.url("postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        for method in ("scram-sha-256", "md5"):
            connection.execute(f"SET password_encryption = '{method}'")
            connection.execute(f"CREATE ROLE \"{method}\" LOGIN SUPERUSER PASSWORD 'right'")
        row = connection.execute("SHOW hba_file").fetchone()
        assert row is not None
        lines = [f'hostssl all "{method}" all {method}\n' for method in ("scram-sha-256", "md5")]
        access = Path(row[0])
        await asyncio.to_thread(access.write_text, "".join(lines) + await asyncio.to_thread(access.read_text))
        connection.execute("SELECT pg_reload_conf()")
    async with asyncio.timeout(60):
        while await asyncio.to_thread(accepts_wrong_password, url):  # until it has read its rules  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    ca = authority.certificate.read_text()
    for method in ("scram-sha-256", "md5"):
        given = {"tls": "verify", "ca": ca, "user_name": method}
        async with session("postgresql", config(url, **given, password="right")) as opened:
            await opened.send([message(1)])
        async with session("postgresql", config(url, **given, password="wrong")) as opened:
            with pytest.raises(TransientFailure, match="authentication failed") as failed:
                await opened.send([message(1)])
            assert failed.value.pause
    assert len(await rows(url)) == 1
