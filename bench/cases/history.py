"""What the history engine costs as it grows: queries, ingest, bytes a point, the start after a crash; and whole HTTP
requests beside it."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from bench.case import Case, Options
from bench.history_engine import ATTRIBUTES, DAY, NOW, devices_of, quantiles
from bench.platform import ProjectApi, initialize, serving
from bench.process import ROOT
from bench.report import Report, Table, Target, figure, median

SIZES = ((1_000_000, 100), (1_000_000, 10_000), (10_000_000, 100), (10_000_000, 10_000))
SIZES_VARIABLE = "BENCH_HISTORY_SIZES"  # others: 100000000x50000,1000000x100; or "growth", which are these:
GROWTH = tuple((points, series) for points in (10**6, 10**7, 10**8) for series in (100, 10_000, 100_000))
FLAT = 1.5  # what the dearest size may cost beside the cheapest
HTTP_QUERIES = 500
FULL_BLOCK_POINTS = 1_000  # of a series, from which on its newest points stand in full blocks
DAY_POINTS = 1_440  # at one a minute
ENGINE_TIMEOUT_S = 3_600
COLUMNS: tuple[tuple[str, str, float], ...] = (  # title, name of the figure, what it is divided by
    ("points, million", "points", 1e6),
    ("series", "series", 1),
    ("B a point, blocks", "data_bytes_per_point", 1),
    ("B a point, file", "file_bytes_per_point", 1),
    ("newest 100: p50 ms", "newest_p50", 1),
    ("p99 ms", "newest_p99", 1),
    ("over HTTP: p50 ms", "http_newest_p50", 1),
    ("p99 ms", "http_newest_p99", 1),
    ("a day: p50 ms", "day_p50", 1),
    ("p99 ms", "day_p99", 1),
    ("over HTTP: p50 ms", "http_day_p50", 1),
    ("p99 ms", "http_day_p99", 1),
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

    report = Report("History: the engine alone, as it grows, and HTTP requests beside it")
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
    ]
    # Series that are shorter than what is asked of them, or than a block, answer at less cost: no measure of growth.
    for title, name, least in (
        ("ingest", "ingest_rate", 0),
        ("newest 100, p50", "newest_p50", FULL_BLOCK_POINTS),
        ("a day, p50", "day_p50", DAY_POINTS),
        ("30 days into 720 buckets", "aggregate", 0),
        ("B a point in blocks", "data_bytes_per_point", DAY_POINTS),
    ):
        comparable = [run[name] for run in medians if run["points"] / run["series"] >= least]
        if comparable:
            of = f" of those with {least:,} points a series" if least else ""
            ratio = max(comparable) / min(comparable)
            report.targets.append(Target(f"{title}, dearest / cheapest size{of}", FLAT, ratio, at_most=True))
    report.notes += [
        "in one process, without sockets and HTTP; signals: a walk of one decimal, noise of two, a meter, a switch, an "
        "enumeration, at jittered minutes; one device more has 30 days of them, which is what is aggregated",
        "ingest: five values a report over all devices, as fast as back-pressure lets them in, packing included",
        "over HTTP: one request after another on one connection, as a client in Python sees it, in the dress of the "
        "Project API; a day is asked for as a chart with as many points as it has",
        f"other sizes: {SIZES_VARIABLE}=100000000x50000 bench/run history; {SIZES_VARIABLE}=growth for 1, 10 and 100 "
        "million points over 100, 10,000 and 100,000 series",
    ]
    return report


def _sizes() -> tuple[tuple[int, int], ...]:
    text = os.environ.get(SIZES_VARIABLE)
    if not text:
        return SIZES
    if text == "growth":
        return GROWTH
    return tuple((int(points), int(series)) for points, series in (size.split("x") for size in text.split(",")))


def _engine(points: int, series: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="thingstead-bench-") as parent:
        folder = Path(parent) / "data"
        credentials = initialize(folder)
        figures = _alone(folder / "thingstead.sqlite", points, series)
        return figures | _over_http(folder, credentials, devices_of(series))


def _over_http(folder: Path, credentials: dict[str, str], devices: int) -> dict[str, float]:
    """The same queries, to a server on the folder."""
    noise = random.Random(2)

    def paths(path: Callable[[str], str]) -> Iterator[str]:
        for _ in range(HTTP_QUERIES):
            yield path(f"/device/d{noise.randrange(1, devices + 1)}")

    def newest(device: str) -> str:
        return f"{device}/attribute/{noise.choice(ATTRIBUTES)}/series?page_records=100"

    def day(device: str) -> str:
        end = NOW - noise.randrange(DAY)
        query = f"identifiers={noise.choice(ATTRIBUTES)}&start_time={end - DAY}&end_time={end}&points={2 * DAY_POINTS}"
        return f"{device}/history?{query}"

    with serving(folder) as (_, http_port, _), closing(ProjectApi(http_port)) as api:
        api.log_in(credentials)
        newest_p50, newest_p99 = quantiles([_asked(api, path) for path in paths(newest)])
        day_p50, day_p99 = quantiles([_asked(api, path) for path in paths(day)])
    return {
        "http_newest_p50": newest_p50,
        "http_newest_p99": newest_p99,
        "http_day_p50": day_p50,
        "http_day_p99": day_p99,
    }


def _asked(api: ProjectApi, path: str) -> float:
    begun = time.perf_counter()
    status, content = api.exchange("GET", path)
    took_ms = (time.perf_counter() - begun) * 1000
    assert status == 200, content[:500]
    return took_ms


def _alone(database: Path, points: int, series: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.history_engine", str(database), str(points), str(series)],
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
