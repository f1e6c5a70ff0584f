"""What calls of cloud functions cost: as many as possible at once, and the delay of a steady 2,000 a second."""

import asyncio
import os
import time
from pathlib import Path
from typing import NamedTuple

from bench.case import Case, Options
from bench.report import Report, Table, Target, median, spread
from thingstead.config.settings import FunctionSettings
from thingstead.services.functions.pool import FunctionPool

SOURCE = """module.exports = function (report_attributes) {
  return { temperature: (report_attributes.temperature - 32) / 1.8, humidity: report_attributes.humidity,
    mode: report_attributes.mode, on: report_attributes.on, count: report_attributes.count }
}"""
REPORT = {"temperature": 212, "humidity": 41.5, "mode": "auto", "on": True, "count": 17}
AT_ONCE = 1_000
PACED_RATE = 2_000
TURN_S = 0.001
RATE_TARGET = 20_000  # calls/s on one core: of the server and the worker together
DELAY_TARGET_MS = 5


class Flood(NamedTuple):
    """Calls made at once, again and again."""

    rate: float
    server_us: float  # CPU time of a call
    worker_us: float


def measure(options: Options) -> Report:
    """Both loads, run by run, each with a fresh worker process."""
    floods, delays = [], []
    for _ in range(options.runs):
        floods.append(asyncio.run(_flood(options)))
        delays.append(asyncio.run(_paced(options)))
    report = Report("Cloud functions: calls of a function with five values")
    per_core = [1e6 / (flood.server_us + flood.worker_us) for flood in floods]
    rows = [
        ["calls/s, 1,000 at once", spread([flood.rate for flood in floods])],
        ["CPU time of the server, µs a call", spread([flood.server_us for flood in floods])],
        ["CPU time of the worker, µs a call", spread([flood.worker_us for flood in floods])],
        ["calls/s of one core for both", spread(per_core)],
        ["p99 at 2,000/s, ms", spread([delay * 1000 for delay in delays])],
    ]
    report.tables.append(Table(["", "figure"], rows))
    report.targets.append(Target("calls/s of one core", RATE_TARGET, median(per_core)))
    report.targets.append(Target("p99 at 2,000/s, ms", DELAY_TARGET_MS, median([d * 1000 for d in delays]), True))
    report.notes.append("in process: from the call to its result, with one worker; the standard event loop")
    return report


async def _flood(options: Options) -> Flood:
    pool = await _warm(options)
    begun, server_s, worker_s = time.perf_counter(), time.process_time(), _cpu_s(pool)
    calls = 0
    while time.perf_counter() - begun < options.seconds:
        await asyncio.gather(*(_call(pool) for _ in range(AT_ONCE)))
        calls += AT_ONCE
    took_s = time.perf_counter() - begun
    server_us = (time.process_time() - server_s) / calls * 1e6
    flood = Flood(calls / took_s, server_us, (_cpu_s(pool) - worker_s) / calls * 1e6)
    await pool.close()
    return flood


async def _paced(options: Options) -> float:
    """The 99th percentile of the delays, in seconds, each from the instant at which the call was due."""
    pool = await _warm(options)
    delays: list[float] = []

    async def call(due: float) -> None:
        await _call(pool)
        delays.append(time.perf_counter() - due)

    begun, made = time.perf_counter(), 0
    async with asyncio.TaskGroup() as group:
        while made < PACED_RATE * options.seconds:
            due = int((time.perf_counter() - begun) * PACED_RATE)
            for number in range(made, due):
                group.create_task(call(begun + number / PACED_RATE))
            made = max(made, due)
            await asyncio.sleep(TURN_S)
    await pool.close()
    return sorted(delays)[len(delays) * 99 // 100]


async def _warm(options: Options) -> FunctionPool:
    pool = FunctionPool(FunctionSettings())
    begun = time.perf_counter()
    while time.perf_counter() - begun < options.warmup_s:
        await asyncio.gather(*(_call(pool) for _ in range(100)))
    return pool


async def _call(pool: FunctionPool) -> None:
    result = await pool.call("bench:0", SOURCE, REPORT, on="before_report", project="bench")
    assert result.reason == "", result


def _cpu_s(pool: FunctionPool) -> float:
    [pid] = pool.pids
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


CASE = Case("calls of cloud functions: rate, CPU time, and their delay at 2,000/s", measure)
