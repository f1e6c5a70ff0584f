"""A database behind TLS and a password: from files, and nowhere else."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.certificates import Authority
from tests.postgres.pair import Pair, active
from tests.postgres_server import PostgresServer, oldest_programs
from thingstead.errors import ConfigError

PASSWORD = "correct horse battery"
HBA = "hostssl all all 127.0.0.1/32 scram-sha-256\nhostnossl all all 127.0.0.1/32 reject\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[PostgresServer]:
    """Debian's, since that of the package has no TLS."""
    programs = oldest_programs()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail("not installed: postgresql-15; .ci/run installs it", pytrace=False)
        pytest.skip("not installed: postgresql-15")
    signed = authority.sign("database")
    server = PostgresServer(programs)
    folder = server.beside("tls")
    for source, name in ((signed.certificate, "server.crt"), (signed.key, "server.key")):
        shutil.copy(source, folder / name)
        server.own(folder / name)
        (folder / name).chmod(0o600)
    server.settings.update(ssl="on", ssl_cert_file=str(folder / "server.crt"), ssl_key_file=str(folder / "server.key"))
    server.start()
    with server.connect() as connection:
        connection.execute(f"ALTER ROLE thingstead PASSWORD '{PASSWORD}'")
        connection.execute("CREATE DATABASE thingstead")
        (server.data / "pg_hba.conf").write_text(HBA)
        connection.execute("SELECT pg_reload_conf()")
    yield server
    server.close()


async def test_a_node_connects_by_tls_with_the_password_of_a_file_and_logs_none(
    server: PostgresServer, authority: Authority, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    url = f"{server.url('thingstead')}?sslmode=verify-full&sslrootcert={authority.certificate}"
    pair = Pair(tmp_path, url, str(password))
    try:
        with structlog.testing.capture_logs() as lines:
            await active(await pair.start("node"))
            with server.connect_as(PASSWORD, "thingstead") as connection:
                row = connection.execute(
                    "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                    " WHERE application_name LIKE 'thingstead%'"
                ).fetchone()
        assert row == (True,)
        assert PASSWORD not in str(lines)
    finally:
        await pair.close()


@pytest.mark.parametrize(
    ("parameters", "password", "problem"),
    [
        ("sslmode=verify-full&sslrootcert={trusted}", "wrong", "password authentication failed"),
        ("sslmode=verify-full&sslrootcert={stranger}", PASSWORD, "certificate verify failed"),
        ("sslmode=disable", PASSWORD, "pg_hba.conf rejects connection"),
    ],
    ids=["wrong password", "wrong authority", "without TLS"],
)
async def test_a_wrong_password_or_authority_is_refused(
    server: PostgresServer, authority: Authority, tmp_path: Path, parameters: str, password: str, problem: str
) -> None:
    file = tmp_path / "password"
    file.write_text(password)
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    files = {"trusted": authority.certificate, "stranger": Authority(stranger).certificate}
    pair = Pair(tmp_path, f"{server.url('thingstead')}?{parameters.format(**files)}", str(file))
    with pytest.raises(ConfigError, match=problem) as refused:
        await pair.start("node")
    assert PASSWORD not in refused.value.message
    await asyncio.sleep(0)
