"""How long a server that was killed needs until it serves again: with the longest log that there can be."""

import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.case import Case, Options
from bench.full_log import access_token
from bench.history_engine import ATTRIBUTES
from bench.machine import rss_bytes
from bench.platform import initialize, serving
from bench.process import ROOT
from bench.report import Report, Table, Target, median, spread

FLEETS = (2_000, 10_000, 50_000)  # devices over which the log goes
START_LIMIT_S = 3
FILL_TIMEOUT_S = 300


def measure(options: Options) -> Report:
    """Every fleet in turn, run by run: a new folder is left as by a crash, then a server is started on it."""
    starts: dict[int, list[float]] = {devices: [] for devices in FLEETS}
    empty: list[float] = []
    memory: dict[int, list[float]] = {devices: [] for devices in FLEETS}
    points: set[int] = set()
    for _ in range(options.runs):
        for devices in FLEETS:
            with tempfile.TemporaryDirectory(prefix="thingstead-bench-") as parent:
                folder = Path(parent) / "data"
                project_key = initialize(folder)["project_key"]
                if devices == FLEETS[0]:
                    empty.append(_start(folder, 0, project_key)[0])
                points.add(_fill(folder, devices))
                seconds, rss = _start(folder, devices, project_key)
                starts[devices].append(seconds)
                memory[devices].append(rss)

    report = Report("Restart: from the start of the process to `/healthz` 200, after a crash with a full log")
    rows = [["without a log", spread(empty), ""]]
    rows += [[f"{devices:,} devices", spread(starts[devices]), spread(memory[devices])] for devices in FLEETS]
    report.tables.append(Table(["log over", "s, median (range)", "memory then (RSS), MB"], rows))
    report.targets += [
        Target(f"start with {devices:,} devices, s", START_LIMIT_S, median(starts[devices]), at_most=True)
        for devices in FLEETS
    ]
    report.notes += [
        f"the log held {min(points):,} to {max(points):,} points, five a report: so many that "
        "producers are held back; afterwards the newest value of a device was read through the server",
    ]
    return report


def _fill(folder: Path, devices: int) -> int:
    """Leaves the folder as by a crash; how many points stand in the log."""
    command = [sys.executable, "-m", "bench.full_log", str(folder / "thingstead.sqlite"), str(devices)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=FILL_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout.splitlines()[-1])


def _start(folder: Path, devices: int, project_key: str) -> tuple[float, float]:
    """Seconds until the server serves, and its memory then in MB."""
    begun = time.perf_counter()
    with serving(folder) as (pid, http_port, _):
        seconds = time.perf_counter() - begun
        if devices:
            values = _attributes(http_port, access_token(devices), project_key)
            assert values.keys() == set(ATTRIBUTES), values
        return seconds, rss_bytes(pid) / 1e6


def _attributes(http_port: int, token: str, project_key: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", f"/device/v1/{token}/attributes", headers={"Project-Key": project_key})
        values: dict[str, Any] = json.loads(connection.getresponse().read())["attributes"]
        return values


CASE = Case("how soon a server serves again after a crash, with the longest log that there can be", measure)
