"""The history engine alone, in a process of its own, on the database of an initialized data folder:
``python -m bench.history_engine DATABASE POINTS SERIES`` prints figures, and leaves the points there.

Unlike the other benchmarks this one imports the platform: what it measures is what the event loop and the reading
threads of a server do, without sockets, HTTP and validation around it. The points lie as a server would have packed
them: they are put into blocks by the code that packs, since bringing in hundreds of millions one by one takes hours.
"""

import asyncio
import functools
import gc
import json
import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from thingstead.clock import ManualClock
from thingstead.config import StorageSettings
from thingstead.model.device import Device
from thingstead.model.report import Report
from thingstead.services.shared.commits import settled
from thingstead.storage.blocks import encode_block
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.history import compaction
from thingstead.storage.sql.history.compaction import BLOCK_POINTS, BlockRow, Compacted
from thingstead.storage.sqlite.store import SqliteStore

NOW = 1_700_000_000_000
MINUTE, DAY = 60_000, 86_400_000
ATTRIBUTES = ("temperature", "pressure", "energy", "switch", "mode")
SHAPES = 40  # different signals of each kind; series repeat them
MONTH_POINTS = 43_200  # of the series that is aggregated
DEVICES_PER_COMMIT = 200
QUERIES = 2_000
INGEST_S = 8.0
TURN_REPORTS = 500


class Figures(NamedTuple):
    """What one run found. Times in ms, rates a second."""

    points: int
    series: int
    data_bytes_per_point: float  # of the blocks alone
    file_bytes_per_point: float  # with everything that SQLite adds
    newest_p50: float
    newest_p99: float
    day_p50: float
    day_p99: float
    aggregate: float  # 30 days at 1/min into 720 buckets
    chart: float  # the same range as 500 points
    ingest_rate: float  # points a second, packing included
    log_points: int
    start: float  # with that many points in the log
    replay_rate: float  # points of the log a second


def signal(kind: str, noise: random.Random, points: int) -> list[Any]:
    """What sensors send: a walk of one decimal, noise of two, a meter, a switch, an enumeration."""
    if kind == "temperature":
        level, walk = 20.0, []
        for _ in range(points):
            level += noise.gauss(0, 0.1)
            walk.append(round(level, 1))
        return walk
    if kind == "pressure":
        return [round(noise.gauss(1013, 3), 2) for _ in range(points)]
    if kind == "energy":
        total, meter = 1000, []
        for _ in range(points):
            total += noise.randrange(5)
            meter.append(total)
        return meter
    if kind == "switch":
        return [at // noise.randrange(20, 80) % 2 == 0 for at in range(points)]
    return [("auto", "cool", "heat", "idle")[at // 120 % 4] for at in range(points)]


def beat(noise: random.Random, points: int) -> list[int]:
    """Minutes, with the jitter that devices have."""
    return sorted(NOW - (points - at) * MINUTE + int(noise.gauss(0, 200)) for at in range(points))


class Shape(NamedTuple):
    """The blocks of one device, to be given to many."""

    blocks: list[tuple[str, int, int, int, bytes]]


def shape(noise: random.Random, points: int) -> Shape:
    timestamps = beat(noise, points)
    blocks = []
    for kind in ATTRIBUTES:
        values = signal(kind, noise, points)
        for at in range(0, points, BLOCK_POINTS):
            run = timestamps[at : at + BLOCK_POINTS]
            data = encode_block(run, values[at : at + BLOCK_POINTS])
            blocks.append((kind, run[0], run[-1], len(run), data))
    return Shape(blocks)


def device(project_id: str, number: int) -> Device:
    name = f"d{number}"
    return Device(
        id=name,
        project_id=project_id,
        name=name,
        access_token=f"access-{name}",
        view_token=f"view-{name}",
        device_code=name,
        create_time=NOW,
    )


async def make_devices(store: SqliteStore, count: int) -> None:
    """Devices of the first project, with numbers and ids from 1, d1 on."""
    project_id = (await store.projects.list_all())[0].id
    for first in range(1, count + 1, 1000):
        await store.devices.create_many([device(project_id, n) for n in range(first, min(first + 1000, count + 1))])


async def fill(store: SqliteStore, devices: int, points_per_series: int) -> None:
    """Blocks for every device; the last one has a month of one reading a minute."""
    noise = random.Random(1)
    shapes = [shape(noise, points_per_series) for _ in range(min(SHAPES, devices))]
    month = shape(noise, MONTH_POINTS)
    for first in range(1, devices + 1, DEVICES_PER_COMMIT):
        numbers = range(first, min(first + DEVICES_PER_COMMIT, devices + 1))
        blocks = [
            BlockRow(number, *block)
            for number in numbers
            for block in (month if number == devices else shapes[number % len(shapes)]).blocks
        ]
        compacted = Compacted([], [], blocks, [], [], [], [])
        await store._database.write(functools.partial(_write, compacted))


def _write(compacted: Compacted, connection: Connection) -> None:
    compaction.write(connection, compacted, NOW)


async def latencies(queries: Iterator[Callable[[], Awaitable[Any]]]) -> list[float]:
    """How long each query took, in ms."""
    times = []
    for query in queries:
        begun = time.perf_counter()
        await query()
        times.append((time.perf_counter() - begun) * 1000)
    return times


def quantiles(times: list[float]) -> tuple[float, float]:
    ranks = statistics.quantiles(times, n=100)
    return statistics.median(times), ranks[98]


async def measure_series(store: SqliteStore, devices: int) -> tuple[float, float, float, float]:
    noise = random.Random(2)

    def newest() -> Iterator[Callable[[], Awaitable[Any]]]:
        for _ in range(QUERIES):
            number, identifier = noise.randrange(1, devices + 1), noise.choice(ATTRIBUTES)
            yield lambda n=number, i=identifier: store.history.series(n, i, 0, 2 * NOW, offset=0, limit=100)  # type: ignore[misc]

    def day() -> Iterator[Callable[[], Awaitable[Any]]]:
        for _ in range(QUERIES // 4):
            number, identifier = noise.randrange(1, devices + 1), noise.choice(ATTRIBUTES)
            end = NOW - noise.randrange(DAY)
            yield lambda n=number, i=identifier, e=end: store.history.series(n, i, e - DAY, e, offset=0, limit=1440)  # type: ignore[misc]

    return *quantiles(await latencies(newest())), *quantiles(await latencies(day()))


async def measure_ranges(store: SqliteStore, number: int) -> tuple[float, float]:
    start = NOW - 30 * DAY

    def aggregates() -> Iterator[Callable[[], Awaitable[Any]]]:
        for identifier in ATTRIBUTES[:3] * 7:
            yield lambda i=identifier: store.ranges.aggregate(  # type: ignore[misc]
                number, i, start, NOW - 1, interval=3_600_000, function="avg", points_limit=10**7
            )

    def charts() -> Iterator[Callable[[], Awaitable[Any]]]:
        for identifier in ATTRIBUTES[:3] * 7:
            yield lambda i=identifier: store.ranges.sample(  # type: ignore[misc]
                number, [i], start, NOW, points=500, method="minmax", points_limit=10**7
            )

    return statistics.median(await latencies(aggregates())), statistics.median(await latencies(charts()))


def reports(devices: int) -> Iterator[Report]:
    """Five values a report, device after device, each at its own beat, after everything that is there."""
    noise = random.Random(3)
    ring = [
        {
            "temperature": round(20 + noise.gauss(0, 3), 1),
            "pressure": round(noise.uniform(1000, 1030), 2),
            "energy": at,
            "switch": at // 50 % 2 == 0,
            "mode": ("auto", "cool")[at // 200 % 2],
        }
        for at in range(4_000)
    ]
    at = 0
    while True:
        ts = NOW + at // devices * 1000 + at * 7919 % 500
        yield Report(1 + at % devices, ts, ts, dict(ring[at % len(ring)]))
        at += 1


async def measure_ingest(store: SqliteStore, source: Iterator[Report], seconds: float) -> float:
    """Points a second, as fast as back-pressure lets them in."""
    begun, taken = time.perf_counter(), 0
    while (passed := time.perf_counter() - begun) < seconds:
        await back_pressure(store)
        taken += await append_some(store, source)
    return taken / passed


async def back_pressure(store: SqliteStore) -> None:
    """Waits while the store holds producers back."""
    if store.history.congested:
        relieved = asyncio.Event()
        store.history.when_room(relieved.set)
        await relieved.wait()


async def append_some(store: SqliteStore, source: Iterator[Report]) -> int:
    """One turn of the event loop; how many points."""
    for _ in range(TURN_REPORTS):
        commit = store.history.append(next(source))
    if store.history.appends.waiting > 20 * TURN_REPORTS:
        await settled(commit)
    else:
        await asyncio.sleep(0)
    return TURN_REPORTS * len(ATTRIBUTES)


async def fill_log(store: SqliteStore, source: Iterator[Report]) -> int:
    """Appends until producers would be held back, while nothing is packed; points in the log then."""
    packer = store.history.packer
    async with packer.still():
        while packer.pending_points < store.history._pending_limit:
            await append_some(store, source)
        await settled(store.history.append(next(source)))
        points = packer.pending_points
        for part in (packer, packer.compactor):  # as the crash ends them
            await part.task.close()
    return points


def sizes(path: Path) -> tuple[int, int, int]:
    """Points in blocks, their bytes, and the bytes of the file."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    points, data = connection.execute("SELECT sum(points), sum(length(data)) FROM block").fetchone()
    connection.close()
    return points, data, path.stat().st_size


def devices_of(series: int) -> int:
    """Over how many devices so many series go."""
    return max(1, series // len(ATTRIBUTES))


async def measure(path: Path, points: int, series: int) -> Figures:
    devices = devices_of(series)
    clock, settings = ManualClock(NOW), StorageSettings(low_disk_bytes=0)
    store = await SqliteStore.open(path, clock, settings)
    await make_devices(store, devices)
    await fill(store, devices, max(1, points // series))
    gc.collect()
    kept, data, file = sizes(path)
    queries = await measure_series(store, devices)
    ranges = await measure_ranges(store, devices)
    source = reports(devices)
    rate = await measure_ingest(store, source, INGEST_S)
    log_points = await fill_log(store, source)
    await store.history.close()
    await store._database.close()
    del store
    gc.collect()
    begun = time.perf_counter()
    again = await SqliteStore.open(path, clock, settings)
    start = time.perf_counter() - begun
    assert again.history.packer.pending_points == log_points, "the log was replayed"
    await again.history.packer.pack(whole=True)  # whoever is asked next shall have no more to do than to answer
    await again.close()
    return Figures(
        kept, series, data / kept, file / kept, *queries, *ranges, rate, log_points, start * 1000, log_points / start
    )


def main() -> None:
    path, points, series = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    figures = asyncio.run(measure(path, points, series))
    print(json.dumps(figures._asdict()))


if __name__ == "__main__":
    main()
