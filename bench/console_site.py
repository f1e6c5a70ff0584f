"""A server with what the console has to show: many devices, one that reports fast, one with a year of history."""

import contextlib
import math
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.platform import COMMAND, IO_TIMEOUT_S, Device, Platform, ProjectApi, initialize, serving
from bench.process import NotStarted
from bench.traffic import connect, publish

IMPORTED_AT_ONCE = 10_000
ATTRIBUTES = 50
REPORTS_A_SECOND = 20
YEAR_MS = 365 * 86_400_000
PACKET_IDS = 60_000
IMPORT_TIMEOUT_S = 900


class Sizes(NamedTuple):
    """How much there is to show."""

    devices: int = 100_000
    points: int = 1_000_000  # of a year
    frames: int = 300  # of scrolling


class Site(NamedTuple):
    """A server, the administrator's account, and the devices that are looked at."""

    platform: Platform
    account: str
    password: str
    live: Device
    year: Device

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.platform.http_port}"


@contextlib.contextmanager
def site(sizes: Sizes) -> Iterator[Site]:
    """The server on a new data folder that holds all of it."""
    with tempfile.TemporaryDirectory(prefix="thingstead-bench-") as parent:
        folder = Path(parent) / "data"
        credentials = initialize(folder)
        with _open(folder, credentials) as platform:
            live, year = _devices(platform.api, sizes.devices)
        _import_year(folder, year, sizes.points)
        with _open(folder, credentials) as platform:
            yield Site(platform, credentials["admin_account"], credentials["admin_password"], live, year)


@contextlib.contextmanager
def _open(folder: Path, credentials: dict[str, str]) -> Iterator[Platform]:
    with serving(folder) as (pid, http_port, mqtt_port), contextlib.closing(ProjectApi(http_port)) as api:
        api.log_in(credentials)
        yield Platform(pid, http_port, mqtt_port, api, (credentials["view_key"], credentials["view_secret"]))


def _devices(api: ProjectApi, count: int) -> tuple[Device, Device]:
    names = [{"identifier": f"a{number:02}", "name": f"Value {number}"} for number in range(ATTRIBUTES)]
    live, year = api.create_devices(2, [{**name, "attr_type": "report", "data_type": "number"} for name in names])
    for first in range(2, count, IMPORTED_AT_ONCE):
        rows = [{"name": f"Meter {number:06}"} for number in range(first, min(count, first + IMPORTED_AT_ONCE))]
        api.call("POST", "/devices_import", {"devices": rows})
    return live, year


def _import_year(folder: Path, device: Device, points: int) -> None:
    """A daily curve over a yearly one, evenly spread up to now."""
    now, step = round(time.time() * 1000), YEAR_MS / points
    table = folder.parent / "year.csv"
    with table.open("w", encoding="utf-8") as out:
        out.write("device_id,identifier,ts,value\n")
        for number in range(points):
            ts = round(now - YEAR_MS + (number + 1) * step)
            day, season = math.sin(ts / 86_400_000 * math.tau), math.sin(ts / YEAR_MS * math.tau)
            out.write(f"{device.id},a00,{ts},{15 + 10 * season + 5 * day:.2f}\n")
    command = [*COMMAND, "import-history", str(table), "--data-dir", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=IMPORT_TIMEOUT_S)
    if done.returncode:
        raise NotStarted(f"{command} ended with {done.returncode}: {done.stderr}")


@contextlib.contextmanager
def reporting(port: int, device: Device) -> Iterator[None]:
    """A report of every attribute, ``REPORTS_A_SECOND`` times a second, for the length of the block."""
    stop = threading.Event()
    failed: list[Exception] = []
    sender = threading.Thread(target=_send_until, args=(stop, failed, port, device))
    sender.start()
    try:
        yield
    finally:
        stop.set()
        sender.join()
    if failed:
        raise failed[0]


def _send_until(stop: threading.Event, failed: list[Exception], port: int, device: Device) -> None:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=IO_TIMEOUT_S) as sock:
            sock.sendall(connect("bench", device.access_token, device.project_key))
            begun, number = time.monotonic(), 0
            while not stop.wait(max(0.0, begun + number / REPORTS_A_SECOND - time.monotonic())):
                values = ",".join(f'"a{each:02}":{math.sin(number / 40 + each) * 50:.2f}' for each in range(ATTRIBUTES))
                sock.sendall(publish(number % PACKET_IDS + 1, f"{{{values}}}".encode()))
                sock.recv(4096)  # acknowledgements, a few at a time
                number += 1
    except Exception as exc:  # noqa: BLE001 - raised in the thread that waits for the end
        failed.append(exc)
