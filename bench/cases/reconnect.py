"""How soon a whole fleet is served again after the server was killed: everybody comes back in the same moment."""

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench import brokers
from bench.case import Case, Options
from bench.cases.connections import ANYONE, make_fleet
from bench.fleet import Exchange, Fleet, Served, file_limit, reported, subscribed
from bench.platform import serving
from bench.report import Report, Table, Target, figure, median, spread

DEVICES = 5_000
LIMIT_S = 10
TIMEOUT_S = 120.0
OURS, PEER = "Thingstead", "mosquitto"


class Return(NamedTuple):
    """How a fleet came back."""

    start_s: float  # from the start of the new server until it was ready
    served: Served


Serving = Callable[[], contextlib.AbstractContextManager[tuple[int, int]]]  # a server: process id and port


def measure(options: Options) -> Report:
    """Run by run: the fleet connects, the server is killed (SIGKILL) and started again, the fleet comes back."""
    count = min(DEVICES, file_limit())
    missing = brokers.mosquitto_missing()
    ours: list[Return] = []
    theirs: list[Return] = []
    with tempfile.TemporaryDirectory(prefix="thingstead-bench-") as parent:
        folder = Path(parent) / "data"
        certificates = make_fleet(folder, count)
        for _ in range(options.runs):
            ours.append(_killed_and_back(lambda: _thingstead(folder), certificates, reported(answered=True)))
            if not missing:
                theirs.append(_killed_and_back(brokers.mosquitto, [ANYONE] * count, reported(answered=False)))
    return _report(count, ours, theirs, missing)


@contextlib.contextmanager
def _thingstead(folder: Path) -> Iterator[tuple[int, int]]:
    with serving(folder) as (pid, _, mqtt_port):
        yield pid, mqtt_port


def _killed_and_back(serve: Serving, certificates: list[tuple[str, str]], report: Exchange) -> Return:
    with contextlib.closing(Fleet(certificates)) as fleet:
        with serve() as (pid, port):
            fleet.connect(port, TIMEOUT_S)
            os.kill(pid, signal.SIGKILL)
        begun = time.perf_counter()
        with serve() as (_, port):
            start_s = time.perf_counter() - begun
            return Return(start_s, fleet.connect(port, TIMEOUT_S, subscribed(), report))


def _report(count: int, ours: list[Return], theirs: list[Return], missing: str | None) -> Report:
    report = Report(f"Reconnect: {count:,} devices at once, after the server was killed")
    rows = [
        [
            name,
            spread([each.start_s for each in returns]),
            spread([each.served.median_s for each in returns]),
            spread([each.served.seconds for each in returns]),
            figure(sum(each.served.refused for each in returns)),
        ]
        for name, returns in (("Thingstead", ours), ("mosquitto", theirs))
        if returns
    ]
    report.tables.append(Table(["server", "start, s", "half served, s", "all served, s", "turned away"], rows))
    report.targets += [
        Target("all served, s", LIMIT_S, median([each.served.seconds for each in ours]), at_most=True),
        Target("turned away", 0, sum(each.served.refused for each in ours), at_most=True),
    ]
    report.notes += [
        "all connect in the same moment, when the new server is ready; a device is served when it is logged in, "
        "its six subscriptions are granted, and its first report is acknowledged and, by Thingstead, answered",
        "turned away: refused, reset, or closed, and tried again at once; in all runs",
    ]
    if missing:
        report.notes.append(f"mosquitto: skipped, {missing}")
    return report


CASE = Case("time until 5,000 devices are served that come back at once after the server was killed", measure)
