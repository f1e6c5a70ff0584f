"""One server for each module of these tests; each test has devices and a device type of its own."""

from collections.abc import Iterator

import pytest

from tests.ota.fleet import Fleet
from tests.project_api import ProjectApi
from tests.running import Running
from tests.server_process import ServerProcess, init


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of its own process."""
    folder = tmp_path_factory.mktemp("ota") / "data"
    credentials = init(folder)
    server = ServerProcess(folder).wait_until_serving()
    try:
        with ProjectApi(server.url, credentials) as api:
            yield Running(server, credentials, api, api.create_device())
    finally:
        server.kill()


@pytest.fixture
def fleet(running: Running) -> Fleet:
    """A device type of this test."""
    return Fleet(running)
