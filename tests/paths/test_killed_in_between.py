"""Killed between the steps of what takes several, or while the key of a project changes: the next start finishes the
one, and the other has happened wholly or not at all."""

import contextlib
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.project_api import Certificate, ProjectApi
from tests.raw_device import CONNACK_ACCEPTED, TIMEOUT_S, RawDevice, connect_packet, publish_packet
from tests.running import Running, disk_held, eventually
from tests.server_process import ServerProcess, StartServer, thingstead
from thingstead.services.registry.projects import Credentials

pytestmark = pytest.mark.embedded  # these read or lock the file

FEW = 200
EVENTS = FEW << 8  # many times what one step drops


def report_events(server: ServerProcess, certificate: Certificate) -> None:
    with RawDevice(server.mqtt_port, certificate) as device:
        body = b'{"method":"counted","params":{}}'
        device.send(b"".join(publish_packet(n, body, f"event/report/{n}") for n in range(1, FEW + 1)))
        for _ in range(FEW):
            device.receive_packet()


def multiply_events(data_dir: Path, device_id: str) -> None:
    """As if a device had reported for a long time."""
    columns = "device_id, id, method, params, ts"
    with contextlib.closing(sqlite3.connect(data_dir / "thingstead.sqlite")) as connection, connection:
        while rows(connection, "events", device_id) < EVENTS:
            connection.execute(
                f"INSERT INTO events ({columns}) SELECT {columns} FROM events WHERE device_id = ?", (device_id,)
            )


def rows(connection: sqlite3.Connection, table: str, device_id: str) -> int:
    count: int = connection.execute(f"SELECT count(*) FROM {table} WHERE device_id = ?", (device_id,)).fetchone()[0]
    return count


@contextlib.contextmanager
def held_in_the_middle(data_dir: Path, device_id: str, before: int) -> Iterator[int]:
    """Of so many events of the device some are dropped, others are not, and nobody can go on; how many are left."""
    file = data_dir / "thingstead.sqlite"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as connection:
        eventually(lambda: rows(connection, "events", device_id) < before)
        while not connection.in_transaction:
            with contextlib.suppress(sqlite3.OperationalError):  # somebody writes
                connection.execute("BEGIN IMMEDIATE")
        left = rows(connection, "events", device_id)
        assert left > 0, "the removal was over before it could be held"
        yield left


@pytest.mark.parametrize("kills", [1, 2])
def test_a_removal_that_was_cut_off_goes_on_after_the_next_start(
    running: Running, start_server: StartServer, kills: int
) -> None:
    server, data_dir = running.server, running.server.data_dir
    removed, stays = running.certificate, running.api.create_device()
    report_events(server, removed)
    report_events(server, stays)
    multiply_events(data_dir, removed.device_id)
    with disk_held(data_dir):
        removal = threading.Thread(target=asked, args=(running.api, "DELETE", f"/device/{removed.device_id}"))
        removal.start()
    left = EVENTS
    for _ in range(kills):
        with held_in_the_middle(data_dir, removed.device_id, left) as left:
            server.kill()
        removal.join()
        with contextlib.closing(sqlite3.connect(data_dir / "thingstead.sqlite")) as connection:
            assert rows(connection, "events", removed.device_id) == left, "a step is in whole on disk, or not at all"
            assert rows(connection, "removed_devices", removed.device_id) == 1, "it is marked until the end"
        server = start_server()
    with contextlib.closing(sqlite3.connect(data_dir / "thingstead.sqlite")) as connection:
        eventually(lambda: rows(connection, "removed_devices", removed.device_id) == 0)
        assert rows(connection, "events", removed.device_id) == 0
        assert rows(connection, "events", stays.device_id) == FEW
    with ProjectApi(server.url, running.credentials) as api:
        assert api.answer("GET", f"/device/{removed.device_id}")["result"] is False
        assert api.device(stays.device_id)["id"] == stays.device_id
    assert server.stop() == 0
    assert thingstead("check", "--data-dir", data_dir).returncode == 0


def asked(api: ProjectApi, method: str, path: str, **request: Any) -> None:
    """Calls a server that may be killed meanwhile."""
    with contextlib.suppress(httpx.TransportError):
        api.call(method, path, **request)


@contextlib.contextmanager
def administrator_of(server: ServerProcess, credentials: Credentials) -> Iterator[ProjectApi]:
    with ProjectApi(server.url, credentials) as api:
        log_in = {"account": credentials.admin_account, "password": credentials.admin_password}
        token = api.call("POST", "/admin_login", json={"app_id": credentials.app_id, **log_in})["access_token"]
        api.log_in_with(token)
        yield api


@pytest.fixture
def administrator(running: Running) -> Iterator[ProjectApi]:
    with administrator_of(running.server, running.credentials) as api:
        yield api


def lets_in(server: ServerProcess, certificate: Certificate, project_key: str) -> bool:
    """Whether the device may log in with this key."""
    known = Certificate(certificate.device_id, certificate.access_token, project_key)
    with socket.create_connection(("127.0.0.1", server.mqtt_port), timeout=TIMEOUT_S) as device:
        device.sendall(connect_packet(known))
        return device.recv(4) == CONNACK_ACCEPTED


def keys_of(info: dict[str, Any]) -> dict[str, Any]:
    """All but the addresses, which are others after a restart on free ports."""
    return {name: value for name, value in info.items() if "key" in name}


def waiting_writes(server: ServerProcess) -> int:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return next(int(float(line.split()[1])) for line in lines if line.startswith("thingstead_write_queue_length "))


def test_a_rotation_of_the_key_that_was_cut_off_has_not_happened(
    running: Running, administrator: ProjectApi, start_server: StartServer
) -> None:
    server, key = running.server, running.certificate.project_key
    call = (administrator, "POST", "/project/project_key_rotate")
    rotation = threading.Thread(target=asked, args=call, kwargs={"json": {"grace_days": 0}})
    with RawDevice(server.mqtt_port, running.certificate) as device, disk_held(server.data_dir):
        device.send(publish_packet(1, b'{"x":1}'))  # the writer waits with this, and the rotation behind it
        rotation.start()
        eventually(lambda: waiting_writes(server) > 0)
        server.kill()
    rotation.join()
    server = start_server()
    with administrator_of(server, running.credentials) as api:
        info = api.call("GET", "/project/connection_info")
        assert info["project_key"] == key
        assert "previous_project_key" not in info
        assert lets_in(server, running.certificate, key)


@pytest.mark.parametrize("grace_days", [0, 1])
def test_a_rotation_of_the_key_that_was_answered_has_happened(
    running: Running, administrator: ProjectApi, start_server: StartServer, grace_days: int
) -> None:
    key = running.certificate.project_key
    told = administrator.call("POST", "/project/project_key_rotate", json={"grace_days": grace_days})
    running.server.kill()
    server = start_server()
    with administrator_of(server, running.credentials) as api:
        assert keys_of(api.call("GET", "/project/connection_info")) == keys_of(told)
    assert told["project_key"] != key
    assert lets_in(server, running.certificate, told["project_key"])
    assert lets_in(server, running.certificate, key) is bool(grace_days)
