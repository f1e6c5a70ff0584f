"""Whether one device that floods the server keeps fifty others waiting, that report once a second."""

import contextlib

from bench import paced_load
from bench.case import Case, Options
from bench.flood_load import Task, flooding
from bench.paced_load import Result
from bench.platform import thingstead
from bench.report import Report, Table, Target, median, spread
from bench.traffic import ATTRIBUTE_DEFINITIONS

OTHERS = 50
LOADS: dict[str, int | None] = {"nobody floods": None, "one floods with QoS 1": 1, "one floods with QoS 0": 0}
LEAST_SECONDS = 10  # the percentiles are of fifty acknowledgements a second
P99_LIMIT_MS = 250


def measure(options: Options) -> Report:
    """The steady load alone, and beside each flood, run by run on fresh data folders."""
    results: dict[str, list[Result]] = {load: [] for load in LOADS}
    flooded: dict[str, list[float]] = {load: [] for load in LOADS}
    seconds = max(options.seconds, LEAST_SECONDS)
    for _ in range(options.runs):
        for load, qos in LOADS.items():
            result, rate = _load(qos, seconds, options.warmup_s)
            results[load].append(result)
            flooded[load].append(rate)

    report = Report(f"One device floods, {OTHERS} report once a second")
    rows = [
        [
            load,
            spread([result.p50_ms for result in found]),
            spread([result.p99_ms for result in found]),
            spread([result.max_ms for result in found]),
            spread(flooded[load]),
            spread([max(result.rss_samples) / 1e6 for result in found]),
        ]
        for load, found in results.items()
    ]
    header = ["load", "p50 of the others, ms", "p99, ms", "at most, ms", "points a second, all", "RSS at most, MB"]
    report.tables.append(Table(header, rows))
    report.targets += [
        Target(f"p99, {load}, ms", P99_LIMIT_MS, median([result.p99_ms for result in found]), at_most=True)
        for load, found in results.items()
    ]
    report.notes.append("the flood goes on whatever is acknowledged: what holds it back is that its socket is not read")
    return report


def _load(qos: int | None, seconds: float, warmup_s: float) -> tuple[Result, float]:
    """What the others saw, and how many points a second were kept."""
    with thingstead() as platform, contextlib.ExitStack() as stack:
        hot, *others = platform.api.create_devices(1 + OTHERS, ATTRIBUTE_DEFINITIONS)
        if qos is not None:
            stack.enter_context(flooding(Task(platform.mqtt_port, hot.access_token, hot.project_key, qos)))
        credentials = [(device.access_token, device.project_key) for device in others]
        task = paced_load.Task(platform.mqtt_port, credentials, warmup_s, seconds, platform.pid)
        result = paced_load.generate(task)
        points = platform.metric("thingstead_points_total")
        return result, points / (seconds + warmup_s)


CASE = Case("whether a device that floods keeps others waiting for their acknowledgements", measure)
