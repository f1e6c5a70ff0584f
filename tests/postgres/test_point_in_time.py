"""A base backup and the archive of the log restore the database to a moment, by what docs/cluster.md says."""

import asyncio
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.postgres.pair import Pair, active
from tests.postgres_server import PostgresServer
from tests.project_api import ProjectApi
from thingstead.server.cluster.node import Node
from thingstead.services.registry.projects import Credentials

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cluster.md"


def documented(page: str, archive: Path) -> list[dict[str, str]]:
    """The settings in the blocks of the page, with a folder of the test in place of ``/archive``."""
    blocks = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    setting = re.compile(r"^(\w+) = ('[^']*'|\S+)", re.MULTILINE)
    return [
        {name: value.strip("'").replace("/archive", str(archive)) for name, value in setting.findall(block)}
        for block in blocks
    ]


@pytest.fixture
def server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """A server with an archive beside its data."""
    settings: dict[str, str] = {"fsync": "on", "full_page_writes": "on"}
    server = PostgresServer(postgres_server.programs, settings)
    archive = server.beside("archive")
    server.settings.update(documented(PAGE.read_text(encoding="utf-8"), archive)[0])
    yield server.start()
    server.close()


def restore(server: PostgresServer, base: Path, until: datetime) -> None:
    """What the page says: the base backup in place of the data folder, the settings, the empty file, a start."""
    server.stop()
    for path in server.data.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    server.run_as_account("cp", "-a", f"{base}/.", str(server.data))
    _, recovery = documented(PAGE.read_text(encoding="utf-8"), server.beside("archive"))
    assert set(recovery) == {"restore_command", "recovery_target_time", "recovery_target_action"}
    server.settings.update({**recovery, "recovery_target_time": until.isoformat()})
    server.run_as_account("touch", str(server.data / "recovery.signal"))
    server.start()


def push(node: Node, credentials: Credentials, device_id: str, value: int) -> None:
    with ProjectApi(f"http://127.0.0.1:{node.http_port}", credentials) as api:
        api.call("PUT", f"/control/device/{device_id}/attributes", json={"level": value})


def create(node: Node, credentials: Credentials) -> str:
    with ProjectApi(f"http://127.0.0.1:{node.http_port}", credentials) as api:
        return api.create_device().device_id


def read(node: Node, credentials: Credentials, device_id: str) -> object:
    with ProjectApi(f"http://127.0.0.1:{node.http_port}", credentials) as api:
        return api.attributes(device_id)["level"]


async def test_the_moment_before_a_mistake_is_restored(server: PostgresServer, tmp_path: Path) -> None:
    database = await asyncio.to_thread(server.new_database, empty=True)
    pair = Pair(tmp_path, database)
    try:
        node = await active(await pair.start("before"))
        [credentials] = pair.credentials
        device_id = await asyncio.to_thread(create, node, credentials)
        base = server.beside("backup") / "base"
        address = ("-h", "127.0.0.1", "-p", str(server.port), "-U", "thingstead")
        flags = ("--wal-method=none", "--checkpoint=fast", "--no-sync")
        await asyncio.to_thread(server.run_as_account, "pg_basebackup", f"--pgdata={base}", *flags, *address)
        await asyncio.to_thread(push, node, credentials, device_id, 1)
        with psycopg.connect(database, autocommit=True) as connection:
            row = connection.execute("SELECT clock_timestamp()").fetchone()
            assert row is not None
            moment = row[0].astimezone(UTC)
        await asyncio.to_thread(push, node, credentials, device_id, 2)
        await pair.end("before")
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("SELECT pg_switch_wal()")
        await asyncio.to_thread(restore, server, base, moment)
        node = await active(await pair.start("after"))
        assert await asyncio.to_thread(read, node, credentials, device_id) == 1
        await asyncio.to_thread(push, node, credentials, device_id, 3)
    finally:
        await pair.close()
