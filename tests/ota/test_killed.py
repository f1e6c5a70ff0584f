"""A server that is killed during uploads and rollouts: nothing is lost, nothing is done twice."""

import os
import random
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.ota.fleet import FIRMWARE, Fleet, check, fetch
from tests.ota.test_rollouts import counts, devices, has, reaches, sent
from tests.project_api import ProjectApi
from tests.running import Running, eventually
from tests.server_process import StartServer, init

BOUNDS = {"THINGSTEAD_OTA_COMMANDS_PER_S": "5", "THINGSTEAD_OTA_PROJECT_MAX_BYTES": "1000000"}
DEVICES = 15


class Restarts:
    """A server that is killed and started again on its data folder, with the fleet of a test."""

    def __init__(self, data_dir: Path, start_server: StartServer, **environ: str) -> None:
        self._credentials = init(data_dir)
        self._start = partial(start_server, data_dir, **environ)
        self.fleet = Fleet(self._running())

    def _running(self) -> Running:
        server = self._start()
        api = ProjectApi(server.url, self._credentials)
        return Running(server, self._credentials, api, api.create_device())

    def kill(self) -> None:
        self.fleet.running.server.kill()
        self.fleet.api.close()

    def start(self) -> None:
        self.fleet.running = self._running()
        self.fleet.api = self.fleet.running.api


@pytest.fixture
def restarts(tmp_path: Path, start_server: StartServer) -> Iterator[Restarts]:
    """Five devices a second are told to upgrade, and a project may have files of a megabyte."""
    made = Restarts(tmp_path / "data", start_server, **BOUNDS)
    yield made
    made.fleet.api.close()


def pieces(data_dir: Path) -> int:
    """How many pieces of files are stored."""
    count = "SELECT count(*) FROM ota_pieces"
    if database := os.environ.get("THINGSTEAD_DATABASE"):
        with psycopg.connect(database) as there:
            row = there.execute(count).fetchone()
            return int(row[0]) if row else 0
    with closing(sqlite3.connect(data_dir / "thingstead.sqlite")) as connection:
        return int(connection.execute(count).fetchone()[0])


def test_each_device_of_a_rollout_is_told_once_whenever_the_server_is_killed(
    restarts: Restarts, chance: random.Random
) -> None:
    fleet = restarts.fleet
    made = devices(fleet, DEVICES)
    version_id = fleet.version("1.1")
    paused = fleet.rollout(version_id, made[0], start=False)
    reaches(fleet, paused, state="created")
    rollout_id = fleet.rollout(version_id, *made, waves=[50, 100], advance_percent=0, fail_least=1_000)
    for _ in range(3):
        wanted = min(DEVICES, counts(fleet, rollout_id).get("sent", 0) + chance.randint(1, 5))
        eventually(lambda: len(sent(fleet, rollout_id)) >= wanted)  # noqa: B023 - called at once
        restarts.kill()
        restarts.start()
    has(fleet, rollout_id, sent=DEVICES)
    assert fleet.read(paused)["state"] == "created"
    for certificate in made:
        logs = fleet.api.call("GET", f"/device/{certificate.device_id}/command_logs")["items"]
        assert [log["method"] for log in logs] == ["otaUpgrade"]
    with fleet.connected(made[0]) as device:  # what was told before a kill is still good
        params = device.next("command/send/1000")["params"]
        address = params["url"].partition("/ota/")[2]
        assert fetch(f"{fleet.running.server.url}/ota/{address}").content == FIRMWARE
        device.report({"version": "1.1"})
        has(fleet, rollout_id, sent=DEVICES - 1, verified=1)


def test_an_upload_that_a_kill_ends_is_made_again(restarts: Restarts) -> None:
    fleet = restarts.fleet
    version_id = fleet.version("1.1", None)
    head = (
        f"PUT /api/v1/ota_version/{version_id}/file HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n"
        f"Authorization: {fleet.api.headers['Authorization']}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", fleet.running.server.http_port), timeout=20) as sock:
        sock.sendall(head.encode() + b"x" * 800_000)
        eventually(lambda: pieces(fleet.running.server.data_dir) > 4)
        restarts.kill()
    restarts.start()
    assert "file" not in fleet.api.call("GET", f"/ota_version/{version_id}")
    eventually(lambda: "sha256" in fleet.upload(version_id, b"x" * 900_000))


def test_a_version_that_is_reported_while_the_server_is_down_counts_at_the_start(
    restarts: Restarts,
) -> None:
    fleet = restarts.fleet
    fleet.version("1.1")
    certificate = fleet.device()
    with fleet.connected(certificate) as device:
        device.report({"version": "1.0"})
        assert check(device)["upgrade"]
    restarts.kill()
    restarts.start()
    with fleet.connected(certificate) as device:
        device.report({"version": "1.1"})
    eventually(lambda: fleet.upgrades(certificate.device_id)[0]["state"] == "verified")
