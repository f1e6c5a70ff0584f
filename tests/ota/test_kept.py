"""Files of firmware are in backups, and are checked before a device gets them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.ota.fleet import FIRMWARE, Fleet, check, fetch
from tests.project_api import ProjectApi
from tests.running import Running, eventually
from tests.server_process import StartServer, init, thingstead

pytestmark = pytest.mark.embedded


@pytest.fixture
def running(tmp_path: Path, start_server: StartServer) -> Iterator[Running]:
    """A server of this test."""
    credentials = init(tmp_path / "data")
    server = start_server()
    with ProjectApi(server.url, credentials) as api:
        yield Running(server, credentials, api, api.create_device())


def test_a_backup_has_the_files_and_the_links(running: Running, tmp_path: Path, start_server: StartServer) -> None:
    fleet = Fleet(running)
    fleet.version("1.1")
    with fleet.connected(fleet.device()) as device:
        device.report({"version": "1.0"})
        link = check(device)["url"].partition("/ota/")[2]
    done = thingstead("backup", str(tmp_path / "copy"), "--data-dir", running.server.data_dir)
    assert done.returncode == 0, done.stderr
    restored = tmp_path / "restored"
    done = thingstead("restore", str(tmp_path / "copy"), "--data-dir", restored)
    assert done.returncode == 0, done.stderr
    server = start_server(restored)
    assert fetch(f"{server.url}/ota/{link}").content == FIRMWARE


def test_a_damaged_file_is_not_offered_and_its_links_end(
    tmp_path: Path, running: Running, start_server: StartServer
) -> None:
    fleet = Fleet(running)
    version_id = fleet.version("1.1")
    certificate = fleet.device()
    with fleet.connected(certificate) as device:
        device.report({"version": "1.0"})
        link = check(device)["url"].partition("/ota/")[2]
    data_dir = running.server.data_dir
    running.server.stop()
    with closing(sqlite3.connect(data_dir / "thingstead.sqlite")) as connection:
        connection.execute("UPDATE ota_pieces SET data = zeroblob(length(data)) WHERE position = 1")
        connection.commit()
    server = start_server(data_dir)
    assert fetch(f"{server.url}/ota/{link}").status_code == 404
    with ProjectApi(server.url, running.credentials) as api:
        eventually(lambda: api.call("GET", f"/ota_version/{version_id}")["file"]["damaged"])
        fleet.running = Running(server, running.credentials, api, certificate)
        with fleet.connected(certificate) as device:
            device.report({"method": "otaCheck", "params": {}}, "event/report/1")
            device.report({"version": "1.0"})
            assert device.received.empty() or device.received.queue[0][0] != "command/send/1000"
    warnings = httpx.get(f"{server.url}/healthz", trust_env=False).json()["warnings"]
    assert [warning["code"] for warning in warnings] == ["ota_file_damaged"]
    assert len(server.logged("the file of a version is damaged; it is not offered")) == 1
