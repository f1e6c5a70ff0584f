"""How many QoS 1 reports a second are taken, kept and acknowledged, beside brokers that keep nothing."""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bench import brokers, mqtt_load
from bench.case import Case, Options
from bench.mqtt_load import Result, Task
from bench.platform import SERIES_PAGE_RECORDS, Device, Platform, thingstead
from bench.report import Report, Table, Target, figure, median, spread
from bench.traffic import ATTRIBUTE_DEFINITIONS, temperature

CONNECTIONS = (100, 10, 1)
WINDOW = 20
ANYONE = ("bench", "bench")
OURS = "Thingstead (durable)"


class Loaded(NamedTuple):
    """A server under load: where it is, who may connect, and what must hold afterwards."""

    pid: int
    port: int
    credentials: list[tuple[str, str]]
    verify: Callable[[Result], None]


def measure(options: Options) -> Report:
    """All servers in turn, run by run, each from a fresh start."""
    makers, skipped = _servers()
    results: dict[tuple[int, str], list[Result]] = defaultdict(list)
    for _ in range(options.runs):
        for connections in CONNECTIONS:
            for name, make in makers.items():
                results[connections, name].append(_load(make, connections, options))
    ceiling = _load(_ack_only, CONNECTIONS[0], options)

    report = Report("Ingest: QoS 1, 5 values a message, window 20")
    report.tables.append(_table(makers, results))
    report.targets += [
        Target(f"rate / mosquitto's, {CONNECTIONS[0]} connections", 0.6, _ratio(results, "mosquitto")),
        Target(f"rate / amqtt's, {CONNECTIONS[0]} connections", 4, _ratio(results, "amqtt")),
    ]
    report.notes += [f"{name}: skipped, {reason}" for name, reason in skipped.items()]
    report.notes += [
        f"payload {ceiling.payload_bytes} B; the acknowledgement means: on disk (Thingstead, validated against its "
        "device type), or received (brokers, without subscribers)",
        "latency is from sending to the PUBACK of the last message of a send, with a full window",
        f"the generator alone, against a server that only acknowledges: {figure(ceiling.rate)} msg/s, "
        f"{figure(ceiling.generator_cpu_s / ceiling.acknowledged * 1e6)} µs of its CPU a message",
        "after every run of Thingstead, the stored points of a sample of devices were counted and equalled the "
        "acknowledged messages, and the newest page held the values sent last",
    ]
    return report


def _servers() -> tuple[dict[str, Callable[[int], contextlib.AbstractContextManager[Loaded]]], dict[str, str]]:
    makers: dict[str, Callable[[int], contextlib.AbstractContextManager[Loaded]]] = {OURS: _thingstead}
    skipped = {}
    for name, make, missing in (
        ("mosquitto", brokers.mosquitto, brokers.mosquitto_missing()),
        ("amqtt", brokers.amqtt, brokers.amqtt_missing()),
    ):
        if missing:
            skipped[name] = missing
        else:
            makers[name] = _broker(make)
    return makers, skipped


def _load(
    make: Callable[[int], contextlib.AbstractContextManager[Loaded]], connections: int, options: Options
) -> Result:
    with make(connections) as server:
        task = Task(server.port, server.credentials, WINDOW, options.warmup_s, options.seconds, server.pid)
        result = mqtt_load.generate(task)
        server.verify(result)
    return result


def _broker(
    start: Callable[[], contextlib.AbstractContextManager[brokers.Running]],
) -> Callable[[int], contextlib.AbstractContextManager[Loaded]]:
    @contextlib.contextmanager
    def make(connections: int) -> Iterator[Loaded]:
        with start() as server:
            yield Loaded(server.pid, server.port, [ANYONE] * connections, lambda _: None)

    return make


@contextlib.contextmanager
def _ack_only(connections: int) -> Iterator[Loaded]:
    with brokers.ack_only(WINDOW) as server:
        yield Loaded(server.pid, server.port, [ANYONE] * connections, lambda _: None)


@contextlib.contextmanager
def _thingstead(connections: int) -> Iterator[Loaded]:
    with thingstead() as platform:
        devices = platform.api.create_devices(connections, ATTRIBUTE_DEFINITIONS)
        certificates = [(device.access_token, device.project_key) for device in devices]
        yield Loaded(platform.pid, platform.mqtt_port, certificates, lambda result: _verify(platform, devices, result))


def _verify(platform: Platform, devices: list[Device], result: Result) -> None:
    """What was acknowledged is there, no more and no less, on the first, the middle and the last device."""
    assert result.out_of_order == 0, "PUBACKs came out of order [MQTT-4.6.0-2]"
    for number in sorted({0, len(devices) // 2, len(devices) - 1}):
        device, acknowledged = devices[number], result.acknowledged_in_all[number]
        stored = _stored_points(platform, device, acknowledged)
        assert stored == acknowledged, f"device {number}: {acknowledged} acknowledged, {stored} stored"
        newest = [item["value"] for item in platform.api.series(device, "temperature", 1)]
        sent = [temperature(acknowledged - 1 - back) for back in range(len(newest))]
        assert newest == sent, f"device {number}: the newest values are not those sent last"


def _stored_points(platform: Platform, device: Device, expected: int) -> int:
    """Points of one series, found from the page on which the last of the expected ones must stand."""
    page = max(1, -(-expected // SERIES_PAGE_RECORDS))
    while page > 1 and not platform.api.series(device, "temperature", page):
        page -= 1
    count = len(platform.api.series(device, "temperature", page))
    while count == SERIES_PAGE_RECORDS:
        page += 1
        count = len(platform.api.series(device, "temperature", page))
    return (page - 1) * SERIES_PAGE_RECORDS + count


def _table(
    names: dict[str, Callable[[int], contextlib.AbstractContextManager[Loaded]]],
    results: dict[tuple[int, str], list[Result]],
) -> Table:
    header = ["connections, server", "msg/s", "CPU-s / 1,000 msg", "p50 ms", "p99 ms", "RSS MB"]
    rows = []
    for connections in CONNECTIONS:
        for name in names:
            runs = results[connections, name]
            rows.append(
                [
                    f"{connections}, {name}",
                    spread([run.rate for run in runs]),
                    figure(median([run.server_cpu_s / run.acknowledged * 1000 for run in runs])),
                    figure(median([run.p50_ms for run in runs])),
                    figure(median([run.p99_ms for run in runs])),
                    figure(median([run.server_rss_bytes / 1e6 for run in runs])),
                ]
            )
    return Table(header, rows)


def _ratio(results: dict[tuple[int, str], list[Result]], peer: str) -> float | None:
    """The median of the ratios of runs that stood side by side; None where the peer was skipped."""
    ours, theirs = results[CONNECTIONS[0], OURS], results[CONNECTIONS[0], peer]
    if not theirs:
        return None
    return median([our.rate / their.rate for our, their in zip(ours, theirs, strict=True)])


CASE = Case("QoS 1 reports a second, kept before they are acknowledged, beside mosquitto and amqtt", measure)
