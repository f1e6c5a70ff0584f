"""ThingsBoard's "scenario B": 5,000 devices, 5,000 messages and 15,000 points a second, with queries running.

``bench/run scenario_b --seconds 3600 --runs 1`` is the hour, ``--seconds 86400`` the day.
"""

import contextlib
import itertools
import threading
import time

from bench import paced_load
from bench.case import Case, Options
from bench.paced_load import Result, Task
from bench.platform import Device, Platform, ProjectApi, thingstead
from bench.report import Report, Table, Target, figure, median, spread
from bench.traffic import ATTRIBUTE_DEFINITIONS

DEVICES = 5_000
LEAST_SECONDS = 60  # shorter loads say nothing of packing
QUERY_INTERVAL_S = 0.1
MEMORY_LIMIT_MB = 250
ACKNOWLEDGEMENT_LIMIT_MS = 100
STORED_CHECK_RECORDS = 500
IDENTIFIERS = ("temperature", "humidity", "switch")


class _Queries:
    """A back end that reads the newest points of one device after another while the load runs."""

    def __init__(self, platform: Platform, devices: list[Device]) -> None:
        self._api = ProjectApi(platform.http_port, platform.api.token)
        self._devices = itertools.cycle(devices[::7])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.latencies_ms: list[float] = []

    def __enter__(self) -> "_Queries":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._api.close()

    def _ask(self) -> None:
        while not self._stop.wait(QUERY_INTERVAL_S):
            device = next(self._devices)
            begun = time.perf_counter()
            self._api.call("GET", f"/device/{device.id}/attribute/temperature/series?page_records=100")
            self.latencies_ms.append((time.perf_counter() - begun) * 1000)


def measure(options: Options) -> Report:
    """The load for ``--seconds`` (at least a minute), run by run on fresh data folders."""
    results: list[Result] = []
    query_ms: list[float] = []
    seconds = max(options.seconds, LEAST_SECONDS)
    for _ in range(options.runs):
        with thingstead() as platform:
            devices = platform.api.create_devices(DEVICES, ATTRIBUTE_DEFINITIONS)
            credentials = [(device.access_token, device.project_key) for device in devices]
            task = Task(platform.mqtt_port, credentials, options.warmup_s, seconds, platform.pid)
            with _Queries(platform, devices) as queries:
                results.append(paced_load.generate(task))
            query_ms += queries.latencies_ms
            _verify(platform, devices, results[-1])
    return _report(results, sorted(query_ms), seconds)


def _verify(platform: Platform, devices: list[Device], result: Result) -> None:
    """Every attribute of a sample of devices has as many points as the load lasted seconds, give or take the ends."""
    least = min(int(result.seconds) - 1, STORED_CHECK_RECORDS)
    # Over a new connection: the server closed the other one long ago, since nothing was asked over it.
    with contextlib.closing(platform.api.at(platform.http_port)) as api:
        for device in devices[:: DEVICES // 5]:
            for identifier in IDENTIFIERS:
                points = len(api.series(device, identifier, 1))
                assert points >= least, f"{device.id} {identifier}: {points} points stored, {least} acknowledged"


def _report(results: list[Result], query_ms: list[float], seconds: float) -> Report:
    report = Report(f"Scenario B: {DEVICES:,} devices, {DEVICES:,} reports and {3 * DEVICES:,} points a second")
    peaks = [max(result.rss_samples) / 1e6 for result in results]
    slopes = [_slope_mb_per_hour(result.rss_samples) for result in results]
    rows = [
        ["acknowledged a second", spread([result.acknowledged / result.seconds for result in results])],
        ["CPU of the server, % of a core", spread([100 * result.server_cpu_s / result.seconds for result in results])],
        ["acknowledgement p50, ms", spread([result.p50_ms for result in results])],
        ["acknowledgement p99, ms", spread([result.p99_ms for result in results])],
        ["memory at most (RSS), MB", spread(peaks)],
        ["growth of memory in the second half, MB an hour", spread(slopes)],
        ["newest 100 points over HTTP meanwhile, p50 and p99, ms", _percentiles(query_ms)],
    ]
    report.tables.append(Table(["what", "median (range)"], rows))
    report.targets += [
        Target("RSS, MB", MEMORY_LIMIT_MB, median(peaks), at_most=True),
        Target(
            "p99 acknowledgement, ms",
            ACKNOWLEDGEMENT_LIMIT_MS,
            median([result.p99_ms for result in results]),
            at_most=True,
        ),
    ]
    report.notes += [
        f"{figure(seconds)} s of load a run; on start the heads fill, so that growth counts from the second half on",
        f"the generator was at most {figure(max(result.late_s for result in results) * 1000)} ms behind its schedule",
        "acknowledged means on disk; afterwards the points of a sample of devices were counted",
    ]
    return report


def _percentiles(sorted_ms: list[float]) -> str:
    return f"{figure(sorted_ms[len(sorted_ms) // 2])}, {figure(sorted_ms[len(sorted_ms) * 99 // 100])}"


def _slope_mb_per_hour(samples: list[int]) -> float:
    """The least-squares slope of the second half of the samples, which are a second apart."""
    half = samples[len(samples) // 2 :]
    with contextlib.suppress(ZeroDivisionError):
        middle = (len(half) - 1) / 2
        average = sum(half) / len(half)
        rise = sum((at - middle) * (value - average) for at, value in enumerate(half))
        return rise / sum((at - middle) ** 2 for at in range(len(half))) * 3600 / 1e6
    return 0.0


CASE = Case("what a steady load of 15,000 points a second costs in CPU, latency and memory", measure)
