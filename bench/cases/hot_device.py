"""Whether one device that floods the server for minutes keeps fifty others waiting, that report once a second."""

import contextlib
from typing import NamedTuple

from bench import paced_load
from bench.case import Case, Options
from bench.flood_load import Task, flooding
from bench.paced_load import Result
from bench.platform import thingstead
from bench.report import Report, Table, Target, median, spread
from bench.sampling import Sampler
from bench.traffic import ATTRIBUTE_DEFINITIONS

OTHERS = 50
LOADS: dict[str, int | None] = {"nobody floods": None, "one floods with QoS 1": 1, "one floods with QoS 0": 0}
LEAST_SECONDS = 10  # the percentiles are of fifty acknowledgements a second
P99_LIMIT_MS = 50
FLOOD_WARMUP_S = 5.0  # until the flood is held back by what is made of it, and no longer fills what is empty


class Loaded(NamedTuple):
    """What the others saw, and what was kept of all."""

    others: Result
    rate: float  # points a second, after the warm-up of the flood
    slowest_rate: float  # the least within ten seconds


def measure(options: Options) -> Report:
    """The steady load alone, and beside each flood, run by run on fresh data folders."""
    results: dict[str, list[Loaded]] = {load: [] for load in LOADS}
    seconds = max(options.seconds, LEAST_SECONDS)
    for _ in range(options.runs):
        for load, qos in LOADS.items():
            results[load].append(_load(qos, seconds, options.warmup_s))

    report = Report(f"One device floods, {OTHERS} report once a second, for {seconds:g} s")
    rows = [
        [
            load,
            spread([each.others.p50_ms for each in found]),
            spread([each.others.p99_ms for each in found]),
            spread([each.others.max_ms for each in found]),
            str(sum(longest_ms > P99_LIMIT_MS for each in found for longest_ms in each.others.longest_ms)),
            spread([each.rate for each in found]),
            spread([each.slowest_rate for each in found]),
            spread([max(each.others.rss_samples) / 1e6 for each in found]),
        ]
        for load, found in results.items()
    ]
    header = [
        "load",
        "p50 of the others, ms",
        "p99, ms",
        "at most, ms",
        f"seconds with a wait over {P99_LIMIT_MS} ms",
        "points a second, all, sustained",
        "in the slowest ten seconds",
        "RSS at most, MB",
    ]
    report.tables.append(Table(header, rows))
    for load, found in results.items():
        p99_ms = median([each.others.p99_ms for each in found])
        report.targets.append(Target(f"p99, {load}, ms", P99_LIMIT_MS, p99_ms, at_most=True))
    report.notes += [
        "the flood goes on whatever is acknowledged: what holds it back is that its socket is not read",
        f"waits and memory are sampled from the beginning of the load to its end; the sustained rate is that after "
        f"{FLOOD_WARMUP_S:g} s",
    ]
    return report


def _load(qos: int | None, seconds: float, warmup_s: float) -> Loaded:
    with thingstead() as platform, contextlib.ExitStack() as stack:
        hot, *others = platform.api.create_devices(1 + OTHERS, ATTRIBUTE_DEFINITIONS)
        if qos is not None:
            stack.enter_context(flooding(Task(platform.mqtt_port, hot.access_token, hot.project_key, qos)))
        credentials = [(device.access_token, device.project_key) for device in others]
        task = paced_load.Task(platform.mqtt_port, credentials, warmup_s, seconds, platform.pid)
        with Sampler(platform) as sampler:
            result = paced_load.generate(task)
        return Loaded(result, sampler.rate(FLOOD_WARMUP_S), sampler.slowest_rate(FLOOD_WARMUP_S))


CASE = Case(
    "whether a device that floods keeps others waiting for their acknowledgements", measure, runs=1, seconds=300
)
