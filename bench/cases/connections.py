"""What an open connection costs: the growth of a server's memory with 10,000 devices that are there and say nothing."""

import contextlib
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from bench import brokers
from bench.case import Case, Options
from bench.fleet import Fleet, file_limit, reported, subscribed
from bench.machine import rss_bytes
from bench.platform import ProjectApi, initialize, serving
from bench.report import Report, Table, Target, median, spread
from bench.traffic import ATTRIBUTE_DEFINITIONS

CONNECTIONS = 10_000
LIMIT_KB = 12
TIMEOUT_S = 120.0
SETTLE_S = 1.0
ANYONE = ("bench", "bench")
OURS, PEER = "Thingstead", "mosquitto"
CONNECTED, LISTENING, HEARD = "connected", "subscribed to six topics", "and reported once"

Growth = dict[str, float]  # kB a connection since the server started, after each step


def measure(options: Options) -> Report:
    """Both servers in turn, run by run, each from a fresh start; the platform on a folder that has the devices."""
    count = min(CONNECTIONS, file_limit())
    missing = brokers.mosquitto_missing()
    results: dict[str, list[Growth]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="thingstead-bench-") as parent:
        folder = Path(parent) / "data"
        certificates = make_fleet(folder, count)
        for _ in range(options.runs):
            results[OURS].append(_thingstead(folder, certificates))
            if not missing:
                results[PEER].append(_mosquitto(count))
    return _report(results, count, missing)


def _report(results: dict[str, list[Growth]], count: int, missing: str | None) -> Report:
    report = Report(f"Idle connections: {count:,} of as many devices")
    rows = [
        [f"{name}, {step}", spread([run[step] for run in runs])] for name, runs in results.items() for step in runs[0]
    ]
    report.tables.append(Table(["server, devices are", "memory a connection, kB"], rows))
    ours = median([run[CONNECTED] for run in results[OURS]])
    report.targets.append(Target("kB a connection", LIMIT_KB, ours, at_most=True))
    report.notes += [
        "growth of the resident memory since the server was ready, divided by the connections; what the platform keeps "
        "of each device while it is connected is in it",
    ]
    if count < CONNECTIONS:
        report.notes.append(f"the limit of open files leaves room for {count:,} connections, not {CONNECTIONS:,}")
    if missing:
        report.notes.append(f"mosquitto: skipped, {missing}")
    return report


def make_fleet(folder: Path, count: int) -> list[tuple[str, str]]:
    """Makes a data folder with so many devices; user name and password of each."""
    credentials = initialize(folder)
    with serving(folder) as (_, http_port, _), contextlib.closing(ProjectApi(http_port)) as api:
        api.log_in(credentials)
        devices = api.create_devices(count, ATTRIBUTE_DEFINITIONS)
    return [(device.access_token, device.project_key) for device in devices]


def _thingstead(folder: Path, certificates: list[tuple[str, str]]) -> Growth:
    with serving(folder) as (pid, _, mqtt_port):
        return _grown(pid, mqtt_port, certificates, (CONNECTED, LISTENING, HEARD))


def _mosquitto(count: int) -> Growth:
    with brokers.mosquitto() as server:
        return _grown(server.pid, server.port, [ANYONE] * count, (CONNECTED, LISTENING))


def _grown(pid: int, port: int, certificates: list[tuple[str, str]], steps: tuple[str, ...]) -> Growth:
    time.sleep(SETTLE_S)
    before = rss_bytes(pid)
    grown = {}
    with contextlib.closing(Fleet(certificates)) as fleet:
        for step in steps:
            if step == CONNECTED:
                fleet.connect(port, TIMEOUT_S)
            else:
                fleet.talk(TIMEOUT_S, subscribed() if step == LISTENING else reported(answered=True))
            time.sleep(SETTLE_S)
            grown[step] = (rss_bytes(pid) - before) / len(certificates) / 1e3
    return grown


CASE = Case("memory of 10,000 idle connections, beside mosquitto", measure)
