"""More than the server can take: senders are pushed back, memory stays bounded, nothing acknowledged is lost, and a
device that floods does not starve the others."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from bench import paced_load
from tests.project_api import Certificate
from tests.raw_device import RawDevice, packet, puback_packet, publish_packet, string
from tests.running import Running

pytestmark = pytest.mark.embedded  # these read or lock the file

DEVICES = 20
REPORTS = 3_000  # of each, sent as fast as the socket takes them
HELD_S, FREE_S = 1.5, 0.15  # of a disk that takes a tenth of what it could; SQLite looks every 0.1 s whether it may
SHARE = 1_000  # reports of one device that may wait: its share of a commit, and a turn's worth
MEMORY_LIMIT_BYTES = 250_000_000


@contextmanager
def a_tenth_of_the_disk(data_dir: Path) -> Iterator[None]:
    """Somebody else keeps the database locked nine tenths of the time."""
    over = threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(data_dir / "thingstead.sqlite", isolation_level=None, timeout=20)) as connection:
            while not over.wait(FREE_S):
                connection.execute("BEGIN IMMEDIATE")
                over.wait(HELD_S)
                connection.execute("ROLLBACK")

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Flood:
    """A device that sends everything that it has without waiting for anything."""

    def __init__(self, port: int, certificate: Certificate) -> None:
        self._port = port
        self._certificate = certificate
        self.acknowledged = 0

    def run(self) -> None:
        numbers = range(1, REPORTS + 1)
        with RawDevice(self._port, self._certificate) as device:
            sending = threading.Thread(
                target=device.send, args=(b"".join(publish_packet(n, b'{"n":%d}' % n) for n in numbers),)
            )
            sending.start()
            for number in numbers:
                assert device.receive(4) == puback_packet(number)
                self.acknowledged = number
            sending.join()


def resident_bytes(running: Running) -> int:
    status = Path(f"/proc/{running.server.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) * 1024


def metric(running: Running, name: str) -> int:
    lines = httpx.get(f"{running.server.url}/metrics").text.splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith(f"{name} "))))


def kept_by(running: Running, certificate: Certificate) -> int:
    """How many points the device has."""
    query = {"start_time": 0, "end_time": 4_102_444_800_000, "interval": 4_102_444_800_000, "fn": "count"}
    path = f"/device/{certificate.device_id}/attribute/n/aggregate"
    buckets = running.api.call("GET", path, params=query)
    return sum(bucket["value"] for bucket in buckets)


@pytest.mark.timeout(180)
def test_ten_times_what_the_disk_takes_is_pushed_back_and_nothing_acknowledged_is_lost(running: Running) -> None:
    certificates = [running.api.create_device() for _ in range(DEVICES)]
    floods = [Flood(running.server.mqtt_port, certificate) for certificate in certificates]
    with a_tenth_of_the_disk(running.server.data_dir), ThreadPoolExecutor(DEVICES) as threads:
        runs = [threads.submit(flood.run) for flood in floods]
        while not all(run.done() for run in runs):
            acknowledged = sum(flood.acknowledged for flood in floods)  # first: it may only grow meanwhile
            waiting = metric(running, "thingstead_reports_accepted_total") - acknowledged
            assert waiting <= 3 * DEVICES * SHARE  # of what was acknowledged, some is still on its way to us
            assert resident_bytes(running) < MEMORY_LIMIT_BYTES
        for run in runs:
            run.result()
    assert [kept_by(running, certificate) for certificate in certificates] == [REPORTS] * DEVICES
    begun = time.monotonic()
    with running.device() as device:  # and it goes on as if nothing had been
        device.report({"x": 1})
    assert time.monotonic() - begun < 20
    assert httpx.get(f"{running.server.url}/healthz").json() == {"status": "ok"}


def flooding(device: RawDevice, qos: int, over: threading.Event) -> None:
    """Sends, and reads what comes, until it is over."""
    topic, values = string("attributes"), b'{"a":21.5,"b":1013.25,"c":true,"d":"auto","e":%d}'
    if qos:
        ring = b"".join(publish_packet(number, values % number) for number in range(1, 5_001))
    else:
        ring = b"".join(packet(0x30, topic + values % number) for number in range(5_000))

    def read() -> None:
        while device.receive(65_536):
            pass

    reading = threading.Thread(target=read)
    reading.start()
    while not over.is_set():
        device.send(ring)
    device.close()
    reading.join()


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.timeout(120)
def test_a_device_that_floods_does_not_starve_the_others(running: Running, qos: int) -> None:
    others = [running.api.create_device() for _ in range(50)]
    credentials = [(certificate.access_token, certificate.project_key) for certificate in others]
    task = paced_load.Task(running.server.mqtt_port, credentials, 1.0, 4.0, running.server.process.pid)
    over = threading.Event()
    with RawDevice(running.server.mqtt_port, running.certificate) as device:
        flood = threading.Thread(target=flooding, args=(device, qos, over))
        flood.start()
        try:
            paced = paced_load.generate(task)
        finally:
            over.set()
            flood.join()
    assert paced.p50_ms < 150
    assert paced.p99_ms < 1_000
    assert metric(running, "thingstead_reports_accepted_total") > 10_000, "the device did flood"
