"""A server for examples, and programs that are ended with their test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.program import Program, Run
from tests.project_api import ProjectApi
from tests.running import Running
from tests.server_process import StartServer, init


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts programs; what still runs is killed."""
    programs: list[Program] = []

    def start(*command: str | Path, **options: object) -> Program:
        programs.append(Program(*command, **options))
        return programs[-1]

    yield start
    for program in programs:
        program.kill()


@pytest.fixture
def running(start_server: StartServer, tmp_path: Path) -> Iterator[Running]:
    credentials = init(tmp_path / "data")
    server = start_server(tmp_path / "data")
    with ProjectApi(server.url, credentials) as api:
        yield Running(server, credentials, api, api.create_device())
