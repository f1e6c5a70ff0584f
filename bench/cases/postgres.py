"""The platform over PostgreSQL beside the embedded store, on the same machine: reports, reads, lists, size."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from bench import database, http_load, mqtt_load
from bench.case import Case, Options
from bench.cases.ingest_sustained import PACK_POINTS
from bench.database import Database
from bench.machine import cpu_seconds_of_family
from bench.platform import Platform, report_once, thingstead
from bench.report import Report, Table, Target, median, spread
from bench.traffic import ATTRIBUTE_DEFINITIONS, SENSOR_DEFINITIONS

EMBEDDED, POSTGRES = "embedded", "PostgreSQL"
CONNECTIONS, WINDOW = 100, 20
READERS = 16
SHORT_S = 10.0  # of what is the same in every second; the sustained load alone lasts as long as is asked for
LISTED_DEVICES, IMPORTED_AT_ONCE = 100_000, 10_000
LIST_READS = 30
PACKED_TIMEOUT_S, POLL_S = 300, 0.5


class Found(NamedTuple):
    """What one run over one store found."""

    burst: float  # acknowledged reports a second
    sustained: float  # the same of sensors, until they are packed
    p99_ms: float  # of these acknowledgements
    alone_p50_ms: float  # acknowledgement of one report at a time
    requests: float  # GET of attributes a second
    list_ms: float  # first page of a list of devices
    bytes_a_point: float  # in blocks
    node_us: float  # CPU of the node a report, packing included
    database_us: float  # CPU of the database a report


def measure(options: Options) -> Report:
    """Both stores in turn, run by run, each from a fresh start."""
    report = Report(f"PostgreSQL beside the embedded store, {options.seconds:g} s of sustained load")
    if why := database.missing():
        report.notes.append(f"not measured: {why}")
        return report
    found: dict[str, list[Found]] = defaultdict(list)
    for _ in range(options.runs):
        for name in (EMBEDDED, POSTGRES):
            found[name].append(_run(name, options))
    report.tables.append(_table(found))
    ours, theirs = found[POSTGRES], found[EMBEDDED]

    def ratio(member: str) -> float:
        return median([getattr(one, member) / getattr(two, member) for one, two in zip(ours, theirs, strict=True)])

    report.targets += [
        Target("acknowledged reports a second / embedded", 0.55, ratio("burst")),
        Target("the same until packed / embedded", 0.40, ratio("sustained")),
        Target("p99 of acknowledgements, ms", 150, median([each.p99_ms for each in ours]), at_most=True),
        Target("GET of attributes a second / embedded", 0.3, ratio("requests")),
        Target(f"list of {LISTED_DEVICES:,} devices, ms", 50, median([each.list_ms for each in ours]), at_most=True),
        Target("bytes a point in blocks", 3, median([each.bytes_a_point for each in ours]), at_most=True),
    ]
    report.notes += [
        "both on the same disk; the database waits for its disk at each commit (fsync) and runs beside the node",
        "the list is read after a vacuum, which autovacuum makes within a minute of so many new rows",
        "an alarm is in the commit of its report: it is there when the acknowledgement is",
        "bytes a point: the table of blocks with its index and what it has aside, after packing, by their points",
    ]
    return report


class Base(NamedTuple):
    """What is asked of the store of a platform."""

    postgres: Database | None

    def cpu_s(self) -> float:
        """CPU time of a database beside the node."""
        return 0.0 if self.postgres is None else cpu_seconds_of_family(self.postgres.pid)

    def bytes_a_point(self, platform: Platform) -> float:
        """Bytes of the table of blocks for each of its points."""
        if self.postgres is None:
            kept = platform.api.call("GET", "/retention")
            return float(kept["size_bytes"]) / max(1, int(kept["points"]))
        return self.postgres.ask("SELECT pg_total_relation_size('block') / greatest(1, sum(points)) FROM block")


@contextlib.contextmanager
def _store(name: str) -> Iterator[tuple[Platform, Base]]:
    with contextlib.ExitStack() as stack:
        base = stack.enter_context(database.postgres()) if name == POSTGRES else None
        platform = stack.enter_context(thingstead(base.url if base else ""))
        yield platform, Base(base)


def _run(name: str, options: Options) -> Found:
    with _store(name) as (platform, base):
        devices = platform.api.create_devices(CONNECTIONS, ATTRIBUTE_DEFINITIONS)
        credentials = [(device.access_token, device.project_key) for device in devices]
        short = options._replace(seconds=min(options.seconds, SHORT_S))
        burst = _load(platform, credentials, WINDOW, short)
        alone = _load(platform, credentials[:1], 1, short)
        report_once(platform.mqtt_port, devices[0], b'{"temperature":21.5}')
        path = f"/api/v1/device/{devices[0].id}/attributes"
        asked = http_load.generate(
            http_load.Task(
                platform.http_port,
                path,
                platform.api.token,
                READERS,
                short.warmup_s,
                short.seconds,
                platform.pid,
            )
        )
        sensors = platform.api.create_devices(CONNECTIONS, SENSOR_DEFINITIONS)
        credentials = [(device.access_token, device.project_key) for device in sensors]
        before = cpu_seconds_of_family(platform.pid), base.cpu_s()
        sustained = _load(platform, credentials, WINDOW, options, sensors=True)
        packed_s = _await_packed(platform)
        reports = sum(sustained.acknowledged_in_all)
        node_s, database_s = cpu_seconds_of_family(platform.pid) - before[0], base.cpu_s() - before[1]
        return Found(
            burst.rate,
            sustained.acknowledged / (sustained.seconds + packed_s),
            sustained.p99_ms,
            alone.p50_ms,
            asked.rate,
            _list_ms(platform, base),
            base.bytes_a_point(platform),
            node_s / reports * 1e6,
            database_s / reports * 1e6,
        )


def _load(
    platform: Platform, credentials: list[tuple[str, str]], window: int, options: Options, *, sensors: bool = False
) -> mqtt_load.Result:
    task = mqtt_load.Task(
        platform.mqtt_port, credentials, window, options.warmup_s, options.seconds, platform.pid, sensors
    )
    result = mqtt_load.generate(task)
    assert result.out_of_order == 0, "PUBACKs came out of order [MQTT-4.6.0-2]"
    return result


def _await_packed(platform: Platform) -> float:
    """How long it takes until nothing waits that fills blocks."""
    begun = time.perf_counter()
    while time.perf_counter() < begun + PACKED_TIMEOUT_S:
        pending, due = platform.metrics("thingstead_points_pending", "thingstead_points_due")
        if pending < PACK_POINTS and not due:
            return time.perf_counter() - begun
        time.sleep(POLL_S)
    raise AssertionError(f"{due:,.0f} points were not made into blocks in time")


def _list_ms(platform: Platform, base: Base) -> float:
    """The median time of the first page of a list of many devices, the newest first."""
    for begin in range(0, LISTED_DEVICES, IMPORTED_AT_ONCE):
        rows = [{"name": f"listed {begin + number}"} for number in range(IMPORTED_AT_ONCE)]
        platform.api.call("POST", "/devices_import", {"devices": rows})
    if base.postgres is not None:
        base.postgres.vacuum()
    took_ms = []
    for _ in range(LIST_READS):
        begun = time.perf_counter()
        platform.api.call("GET", "/devices?page_records=100")
        took_ms.append((time.perf_counter() - begun) * 1000)
    return median(took_ms)


def _table(found: dict[str, list[Found]]) -> Table:
    header = [
        "store",
        "acknowledged/s",
        "until packed/s",
        "p99 ms",
        "one at a time, p50 ms",
        "GET attributes/s",
        f"list of {LISTED_DEVICES:,}, ms",
        "bytes a point",
        "node, µs a report",
        "database, µs a report",
    ]
    rows = [
        [name, *(spread([run[member] for run in runs]) for member in range(len(Found._fields)))]
        for name, runs in found.items()
    ]
    return Table(header, rows)


CASE = Case("Reports, reads, lists and size over PostgreSQL, beside the embedded store", measure, runs=1, seconds=30)
