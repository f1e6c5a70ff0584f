"""What every test may use: a server in this process or in one of its own, and programs that are not part of Python."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.server_process import ServerProcess, StartServer
from thingstead.config import AccountSettings, Config
from thingstead.server import Server, open_server

README_PROGRAMS = ("bash", "curl", "mosquitto_pub", "mosquitto_sub")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked ``external("curl", …)`` need those programs, without names those of the README. Where one is missing
    they are skipped, in CI they fail."""
    for marker in item.iter_markers("external"):
        missing = [program for program in marker.args or README_PROGRAMS if shutil.which(program) is None]
        if missing and os.environ.get("CI") == "true":
            pytest.fail(f"not installed: {', '.join(missing)}; .ci/run installs it", pytrace=False)
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A server on free ports of this machine, with an empty data folder and cheap password hashes."""
    return Config(
        data_dir=str(tmp_path / "data"),
        host="127.0.0.1",
        http_port=0,
        mqtt_port=0,
        tcp_port=0,
        account=AccountSettings(password_hash_memory_kib=8192, password_hash_passes=1),
    )


@pytest.fixture
async def server(config: Config) -> AsyncIterator[Server]:
    """A server in this process, freshly initialized: ``server.credentials`` opens it."""
    async with open_server(config) as server:
        yield server


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers as processes of their own, by default on the same data folder; what still runs is killed."""
    started: list[ServerProcess] = []

    def start(data_dir: Path = tmp_path / "data", *flags: str, **environ: str) -> ServerProcess:
        process = ServerProcess(data_dir, *flags, **environ)
        started.append(process)
        return process.wait_until_serving()

    yield start
    for process in started:
        process.kill()
