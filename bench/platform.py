"""The platform as a black box: its commands, its Project API, one device."""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.process import NotStarted, answers_200, free_port, running
from bench.traffic import connect, publish

COMMAND = [sys.executable, "-m", "thingstead"]
INIT_TIMEOUT_S = 60
IO_TIMEOUT_S = 30
IDLE_S = 10  # after which a server may have ended a connection
SERIES_PAGE_RECORDS = 500  # the greatest that the API gives


class ApiFailed(Exception):
    """The Project API answered with a failure."""


class Device(NamedTuple):
    """A device and its certificate."""

    id: str
    access_token: str
    project_key: str


class ProjectApi:
    """A client of the Project API over one connection."""

    def __init__(self, port: int, token: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=IO_TIMEOUT_S)
        self._used = time.monotonic()
        self.token = token

    def log_in(self, credentials: dict[str, str]) -> None:
        """Gets the token of an application."""
        names = ("app_id", "access_key", "secret_key")
        self.token = self.call("POST", "/access_token", {name: credentials[name] for name in names})["access_token"]

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def at(self, port: int) -> "ProjectApi":
        """The same caller, at another server."""
        return ProjectApi(port, self.token)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """``info`` of the answer."""
        status, content = self.exchange(method, path, body)
        answer = json.loads(content)
        if status != 200 or not answer.get("result"):
            raise ApiFailed(f"{method} {path} answered {status}: {content[:500].decode(errors='replace')}")
        return answer["info"]

    def exchange(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Status and body of the answer."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        if time.monotonic() - self._used > IDLE_S:
            self._connection.close()  # the request opens the next one
        self._connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        answer = self._connection.getresponse()
        content = answer.read()
        self._used = time.monotonic()
        return answer.status, content

    def create_devices(self, count: int, attributes: list[dict[str, Any]]) -> list[Device]:
        """Devices of one new type with these attributes; at most 10,000."""
        definition = {"name": "bench", "conn_type": "1", "functions": {"attributes": attributes}}
        type_id = self.call("POST", "/device_type", definition)["id"]
        rows = [{"name": f"bench {number}", "type": type_id} for number in range(count)]
        devices = []
        for created in self.call("POST", "/devices_import", {"devices": rows})["items"]:
            certificate = self.call("GET", f"/device/{created['id']}/certificate")
            devices.append(Device(created["id"], certificate["access_token"], certificate["project_key"]))
        return devices

    def series(self, device: Device, identifier: str, page: int) -> list[dict[str, Any]]:
        """A page of ``SERIES_PAGE_RECORDS`` points, newest first."""
        query = f"page={page}&page_records={SERIES_PAGE_RECORDS}"
        items: list[dict[str, Any]] = self.call("GET", f"/device/{device.id}/attribute/{identifier}/series?{query}")
        return items


class Platform(NamedTuple):
    """A server that is ready."""

    pid: int
    http_port: int
    mqtt_port: int
    api: ProjectApi
    view: tuple[str, str]  # ProjectViewKey and ProjectViewSecret

    def metric(self, name: str) -> float:
        """A figure of ``/metrics`` that has no labels."""
        return self.metrics(name)[0]

    def metrics(self, *names: str) -> list[float]:
        """Some of them, read at once."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=IO_TIMEOUT_S)) as door:
            door.request("GET", "/metrics")
            lines = door.getresponse().read().decode().splitlines()
        return [float(next(line.split()[1] for line in lines if line.startswith(f"{name} "))) for name in names]


def initialize(folder: Path, *flags: str) -> dict[str, str]:
    """Makes a data folder, or with ``--database`` a database; its credentials by name."""
    command = [*COMMAND, "init", "--data-dir", str(folder), "--json", *flags]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=INIT_TIMEOUT_S)
    if done.returncode:
        raise NotStarted(f"{command} ended with {done.returncode}: {done.stderr}")
    credentials: dict[str, str] = json.loads(done.stdout)
    return credentials


@contextlib.contextmanager
def serving(folder: Path, *flags: str) -> Iterator[tuple[int, int, int]]:
    """The server on a folder, with more flags: process id, HTTP port, MQTT port."""
    http_port, mqtt_port = free_port(), free_port()
    ports = ["--http-port", str(http_port), "--mqtt-port", str(mqtt_port), "--tcp-port", "off"]
    command = [*COMMAND, "serve", "--data-dir", str(folder), "--host", "127.0.0.1", *ports, *flags]
    with running(command, answers_200(http_port, "/readyz")) as pid:
        yield pid, http_port, mqtt_port


@contextlib.contextmanager
def thingstead(database: str = "") -> Iterator[Platform]:
    """The platform on a new data folder, or on an empty database at this address."""
    flags = ["--database", database] if database else []
    with tempfile.TemporaryDirectory(prefix="thingstead-bench-") as parent:
        folder = Path(parent) / "data"
        credentials = initialize(folder, *flags)
        with serving(folder, *flags) as (pid, http_port, mqtt_port), contextlib.closing(ProjectApi(http_port)) as api:
            api.log_in(credentials)
            yield Platform(pid, http_port, mqtt_port, api, (credentials["view_key"], credentials["view_secret"]))


def report_once(mqtt_port: int, device: Device, body: bytes) -> None:
    """Sends one report with QoS 1 and waits until it is acknowledged."""
    with socket.create_connection(("127.0.0.1", mqtt_port), timeout=IO_TIMEOUT_S) as sock:
        for packet, answer in (
            (connect("bench", device.access_token, device.project_key), b"\x20\x02\x00\x00"),
            (publish(1, body), b"\x40\x02\x00\x01"),
        ):
            sock.sendall(packet)
            received = sock.recv(len(answer))
            assert received == answer, f"expected {answer.hex(' ')}, got {received.hex(' ')}"
