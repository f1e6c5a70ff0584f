"""What the history engine costs as it grows: queries, ingest, bytes a point, the start after a crash."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable

from bench.case import Case, Options
from bench.process import ROOT
from bench.report import Report, Table, Target, figure, median

SIZES = ((1_000_000, 100), (1_000_000, 10_000), (10_000_000, 100), (10_000_000, 10_000))
SIZES_VARIABLE = "BENCH_HISTORY_SIZES"  # others: 100000000x50000,1000000x100
ENGINE_TIMEOUT_S = 3_600
COLUMNS: tuple[tuple[str, str, float], ...] = (  # title, name of the figure, what it is divided by
    ("points, million", "points", 1e6),
    ("series", "series", 1),
    ("B a point, blocks", "data_bytes_per_point", 1),
    ("B a point, file", "file_bytes_per_point", 1),
    ("newest 100: p50 ms", "newest_p50", 1),
    ("p99 ms", "newest_p99", 1),
    ("a day: p50 ms", "day_p50", 1),
    ("p99 ms", "day_p99", 1),
    ("30 days, 720 buckets: ms", "aggregate", 1),
    ("as a chart: ms", "chart", 1),
    ("ingest, points/s", "ingest_rate", 1),
    ("log, points", "log_points", 1),
    ("start with it: s", "start", 1000),
)


def measure(options: Options) -> Report:
    """All sizes in turn, run by run, each in a process and a folder of its own."""
    runs: dict[tuple[int, int], list[dict[str, float]]] = defaultdict(list)
    for _ in range(options.runs):
        for points, series in _sizes():
            runs[points, series].append(_engine(points, series))
    medians = [{name: median([run[name] for run in found]) for name in found[0]} for found in runs.values()]

    report = Report("History: the engine alone, as it grows")
    rows = [[figure(run[name] / unit) for _, name, unit in COLUMNS] for run in medians]
    report.tables.append(Table([title for title, _, _ in COLUMNS], rows))

    def worst(name: str, pick: Callable[[Iterable[float]], float] = max) -> float:
        return pick(run[name] for run in medians)

    report.targets += [
        Target("B a point in blocks", 6, worst("data_bytes_per_point"), at_most=True),
        Target("newest 100, p50 ms", 1, worst("newest_p50"), at_most=True),
        Target("newest 100, p99 ms", 5, worst("newest_p99"), at_most=True),
        Target("a day, p50 ms", 1, worst("day_p50"), at_most=True),
        Target("a day, p99 ms", 5, worst("day_p99"), at_most=True),
        Target("30 days into 720 buckets, ms", 20, worst("aggregate"), at_most=True),
        Target("start with a full log, s", 3, worst("start") / 1000, at_most=True),
        Target("log replayed, points/s", 500_000, worst("replay_rate", min)),
        Target("ingest, fastest / slowest", 1.5, worst("ingest_rate") / worst("ingest_rate", min), at_most=True),
    ]
    report.notes += [
        "in one process, without sockets and HTTP; signals: a walk of one decimal, noise of two, a meter, a switch, an "
        "enumeration, at jittered minutes; one device more has 30 days of them, which is what is aggregated",
        "ingest: five values a report over all devices, as fast as back-pressure lets them in, packing included",
        f"other sizes: {SIZES_VARIABLE}=100000000x50000 bench/run history",
    ]
    return report


def _sizes() -> tuple[tuple[int, int], ...]:
    text = os.environ.get(SIZES_VARIABLE)
    if not text:
        return SIZES
    return tuple((int(points), int(series)) for points, series in (size.split("x") for size in text.split(",")))


def _engine(points: int, series: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.history_engine", str(points), str(series)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=ENGINE_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


CASE = Case("what the history engine costs as it grows: queries, ingest, bytes a point, start", measure)
