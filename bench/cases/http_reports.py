"""How many reports a second are taken over HTTP, one a request, kept and acknowledged."""

import random

from bench import http_load
from bench.case import Case, Options
from bench.http_load import Result, Task
from bench.platform import thingstead
from bench.report import Report, Table, Target, figure, median, spread
from bench.traffic import ATTRIBUTE_DEFINITIONS, payload

CONNECTIONS = 32
TARGET_RATE = 5_000
THINGSBOARD_RATE_PER_CORE = 240  # published: 950 requests/s on 4 cores, with Cassandra


def measure(options: Options) -> Report:
    """Every connection is a device of its own; the answer comes when the report is on disk."""
    results: list[Result] = []
    body = payload(1, random.Random(1)).decode()
    for _ in range(options.runs):
        with thingstead() as platform:
            devices = platform.api.create_devices(CONNECTIONS, ATTRIBUTE_DEFINITIONS)
            paths = [f"/device/v1/{device.access_token}/attributes" for device in devices]
            task = Task(
                platform.http_port,
                "",
                "",
                CONNECTIONS,
                options.warmup_s,
                options.seconds,
                platform.pid,
                paths,
                body,
                devices[0].project_key,
            )
            results.append(http_load.generate(task))
            for device in devices[::8]:
                newest = platform.api.series(device, "temperature", 1)
                assert newest, f"{device.id}: acknowledged reports are not stored"

    report = Report("Device HTTP: one report of 5 values a request")
    rates = [result.rate for result in results]
    rows = [
        ["requests/s", spread(rates)],
        ["CPU-s / 1,000 requests", figure(median([result.server_cpu_s / result.answers * 1000 for result in results]))],
        ["p50, ms", spread([result.p50_ms for result in results])],
        ["p99, ms", spread([result.p99_ms for result in results])],
    ]
    report.tables.append(Table(["what", "median (range)"], rows))
    report.targets += [
        Target("requests/s", TARGET_RATE, median(rates)),
        Target("rate / ThingsBoard's published rate of a core", 20, median(rates) / THINGSBOARD_RATE_PER_CORE),
    ]
    report.notes.append(f"{CONNECTIONS} keep-alive connections; HTTP 200 means on disk, validated against the type")
    return report


CASE = Case("how many reports a second are taken over HTTP, durably", measure)
