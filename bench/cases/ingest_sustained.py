"""How many QoS 1 reports a second are taken for minutes, of signals as sensors make them, with everything that follows:
spooling, making blocks, deleting the log. Beside mosquitto, which keeps nothing."""

import contextlib
import threading
import time
from collections import defaultdict
from typing import NamedTuple

from bench import brokers, mqtt_load
from bench.case import Case, Options
from bench.machine import cpu_seconds_by_part, rss_bytes
from bench.mqtt_load import Result, Task
from bench.platform import Platform, thingstead
from bench.report import Report, Table, Target, figure, median, spread
from bench.traffic import SENSOR_DEFINITIONS

# Devices, a connection each, and their window. With 40,000 in flight everyone waits for all others: the rate is what
# counts then; with a window of 1 the wait is.
FLEETS = ((100, 20), (2_000, 20), (2_000, 1))
Fleet = tuple[int, int]
PEER_SHARE = 5  # the peer is loaded for this part of the time: it is the same in every second
PEER_LEAST_S = 5
PACK_POINTS = 300_000  # fewer pending points wait for others, or for five minutes
PACKED_TIMEOUT_S = 300
POLL_S = 0.5
P99_LIMIT_MS = 100


class Sustained(NamedTuple):
    """One load, and what came after it."""

    result: Result
    packed_s: float  # from the end of the load until everything that fills blocks was in blocks
    cpu: dict[str, float]  # cores that were busy during the load, by part of the server
    rss_bytes: int  # at most

    @property
    def rate(self) -> float:
        """Acknowledged messages a second, until they are packed."""
        return self.result.acknowledged / (self.result.seconds + self.packed_s)


class Watch:
    """Samples the server's CPU time and memory from the beginning of a ``with`` block to its end."""

    def __init__(self, pid: int, after_s: float, seconds: float) -> None:
        self._pid, self._after_s, self._seconds = pid, after_s, seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.rss_bytes = 0
        self.cpu: dict[str, float] = {}

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        self._over.wait(self._after_s)
        begun, before = time.perf_counter(), cpu_seconds_by_part(self._pid)
        while not self._over.wait(POLL_S) and time.perf_counter() < begun + self._seconds:
            self.rss_bytes = max(self.rss_bytes, rss_bytes(self._pid))
        passed, after = time.perf_counter() - begun, cpu_seconds_by_part(self._pid)
        self.cpu = {part: (after[part] - before[part]) / passed for part in after}


def measure(options: Options) -> Report:
    """Both fleets, each beside the peer, run by run on fresh data folders."""
    ours: dict[Fleet, list[Sustained]] = defaultdict(list)
    theirs: dict[Fleet, list[float]] = defaultdict(list)
    missing = brokers.mosquitto_missing()
    for _ in range(options.runs):
        for fleet in FLEETS:
            ours[fleet].append(_sustained(fleet, options))
            if not missing:
                theirs[fleet].append(_peer(fleet, options))

    report = Report(f"Ingest, sustained: QoS 1, 5 values of sensors a message, {options.seconds:g} s")
    report.tables += [_waits(ours, theirs), _costs(ours)]
    for fleet in FLEETS:
        found, name = ours[fleet], _name(fleet)
        ratio = None if missing else median([our.rate / peer for our, peer in zip(found, theirs[fleet], strict=True)])
        report.targets += [
            Target(f"rate / mosquitto's, {name}", 0.6, ratio),
            Target(f"p99, {name}, ms", P99_LIMIT_MS, median([each.result.p99_ms for each in found]), True),
            Target(f"seconds without acknowledgements, {name}", 0, float(_silent(found)), True),
        ]
    report.notes += [f"mosquitto: skipped, {missing}"] if missing else []
    report.notes += [
        "the rate is that of messages until they are packed: what the load left to be made into blocks is waited for",
        "every connection begins at another place of the signals: walks of one decimal, noise of two, meters, "
        "switches, enumerations; latency is from sending to the "
        "PUBACK of the last message of a send, with a full window",
        "busy cores: the event loop decodes, checks and acknowledges; other threads commit, spool and delete the log; "
        "the packing process makes blocks. What is next to one core, or all cores together, bounds the rate",
    ]
    return report


def _name(fleet: Fleet) -> str:
    return f"{fleet[0]:,} devices, window {fleet[1]}"


def _sustained(fleet: Fleet, options: Options) -> Sustained:
    devices, window = fleet
    with thingstead() as platform:
        made = platform.api.create_devices(devices, SENSOR_DEFINITIONS)
        credentials = [(device.access_token, device.project_key) for device in made]
        task = Task(platform.mqtt_port, credentials, window, options.warmup_s, options.seconds, platform.pid, True)
        with Watch(platform.pid, options.warmup_s + 1, options.seconds - 1) as watch:
            result = mqtt_load.generate(task)
        assert result.out_of_order == 0, "PUBACKs came out of order [MQTT-4.6.0-2]"
        packed_s = _await_packed(platform)
        points = platform.metric("thingstead_points_total")
        assert points == 5 * sum(result.acknowledged_in_all), "what was acknowledged was not kept, or more was"
        return Sustained(result, packed_s, watch.cpu, watch.rss_bytes)


def _await_packed(platform: Platform) -> float:
    """How long it takes until nothing waits that fills blocks."""
    begun = time.perf_counter()
    while time.perf_counter() < begun + PACKED_TIMEOUT_S:
        pending, due = platform.metrics("thingstead_points_pending", "thingstead_points_due")
        if pending < PACK_POINTS and not due:
            return time.perf_counter() - begun
        time.sleep(POLL_S)
    raise AssertionError(f"{due:,.0f} points were not made into blocks in time")


def _peer(fleet: Fleet, options: Options) -> float:
    """The peer's rate."""
    devices, window = fleet
    seconds = max(PEER_LEAST_S, options.seconds / PEER_SHARE)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(brokers.mosquitto())
        credentials = [("bench", "bench")] * devices
        task = Task(server.port, credentials, window, options.warmup_s, seconds, server.pid, sensors=True)
        return mqtt_load.generate(task).rate


def _silent(found: list[Sustained]) -> int:
    """Seconds in which nothing was acknowledged."""
    return sum(not second.acknowledged for each in found for second in each.result.by_second)


def _waits(ours: dict[Fleet, list[Sustained]], theirs: dict[Fleet, list[float]]) -> Table:
    header = [
        "devices",
        "msg/s until packed",
        "msg/s of the load",
        "slowest second",
        "mosquitto's msg/s",
        "p50 ms",
        "p99 ms",
        "worst second's p99 ms",
        "longest wait, ms",
        "seconds without PUBACK",
    ]
    rows = []
    for fleet, found in ours.items():
        seconds = [second for each in found for second in each.result.by_second]
        rows.append(
            [
                _name(fleet),
                spread([each.rate for each in found]),
                spread([each.result.rate for each in found]),
                figure(min((second.acknowledged for second in seconds), default=0)),
                spread(theirs[fleet]) if theirs.get(fleet) else "–",
                figure(median([each.result.p50_ms for each in found])),
                figure(median([each.result.p99_ms for each in found])),
                figure(max((second.p99_ms for second in seconds), default=0)),
                figure(max(each.result.max_ms for each in found)),
                str(_silent(found)),
            ]
        )
    return Table(header, rows)


def _costs(ours: dict[Fleet, list[Sustained]]) -> Table:
    parts = list(next(iter(ours.values()))[0].cpu)
    header = ["devices", *(f"busy cores: {part}" for part in parts), "packed after, s", "RSS at most, MB"]
    rows = [
        [
            _name(fleet),
            *(figure(median([each.cpu[part] for each in found])) for part in parts),
            figure(median([each.packed_s for each in found])),
            figure(max(each.rss_bytes for each in found) / 1e6),
        ]
        for fleet, found in ours.items()
    ]
    return Table(header, rows)


CASE = Case(
    "QoS 1 reports of sensors a second for minutes, packing included, beside mosquitto", measure, runs=1, seconds=300
)
