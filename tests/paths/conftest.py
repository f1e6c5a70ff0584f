"""A server of its own process, and a caller of its API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project_api import ProjectApi
from tests.running import Running
from tests.server_process import StartServer, init


@pytest.fixture
def running(tmp_path: Path, start_server: StartServer) -> Iterator[Running]:
    credentials = init(tmp_path / "data")
    server = start_server()
    with ProjectApi(server.url, credentials) as api:
        yield Running(server, credentials, api, api.create_device())
