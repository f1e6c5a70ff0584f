"""How many messages a second reach application subscribers, beside mosquitto with the same topics."""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bench import brokers, fanout_load
from bench.case import Case, Options
from bench.fanout_load import Result, Task
from bench.fanout_report import OURS, PEER, ratio, table
from bench.platform import thingstead
from bench.report import Report, Target
from bench.traffic import ATTRIBUTE_DEFINITIONS

ANYONE = ("bench", "bench")


class Shape(NamedTuple):
    """Who publishes and who subscribes."""

    publishers: int
    subscribers: int
    window: int

    @property
    def title(self) -> str:
        return f"{self.publishers:,} × {self.subscribers:,}"


SHAPES = (Shape(1, 100, 20), Shape(1_000, 1, 4))


class Loaded(NamedTuple):
    """A server under load."""

    pid: int
    port: int
    publishers: list[tuple[str, str]]
    topics: list[str]
    subscriber: tuple[str, str]
    topic_filter: str


def measure(options: Options) -> Report:
    """Both servers in turn, run by run, each from a fresh start."""
    missing = brokers.mosquitto_missing()
    makers = {OURS: _thingstead} if missing else {OURS: _thingstead, PEER: _mosquitto}
    results: dict[tuple[Shape, str], list[Result]] = defaultdict(list)
    for _ in range(options.runs):
        for shape in SHAPES:
            for name, make in makers.items():
                results[shape, name].append(_load(make, shape, options))
    report = Report("Application fan-out: publishers × subscribers, published at QoS 1, told at QoS 0")
    report.tables.append(table(results))
    report.targets += [Target(f"rate / mosquitto's, {shape.title}", 0.5, ratio(results, shape)) for shape in SHAPES]
    report.notes += [
        "a message of Thingstead is told when it is on disk, carries the device beside the attributes, and is longer "
        "than mosquitto's, which passes on what was published",
        "received / published: 1 where nobody read too slowly",
    ]
    if missing:
        report.notes.append(f"mosquitto: skipped, {missing}")
    return report


def _load(make: Callable[[Shape], contextlib.AbstractContextManager[Loaded]], shape: Shape, options: Options) -> Result:
    with make(shape) as server:
        task = Task(
            server.port,
            server.publishers,
            server.topics,
            server.subscriber,
            server.topic_filter,
            shape.subscribers,
            shape.window,
            options.warmup_s,
            options.seconds,
            server.pid,
        )
        return fanout_load.generate(task)


@contextlib.contextmanager
def _thingstead(shape: Shape) -> Iterator[Loaded]:
    with thingstead() as platform:
        devices = platform.api.create_devices(shape.publishers, ATTRIBUTE_DEFINITIONS)
        certificates = [(device.access_token, device.project_key) for device in devices]
        view_key, view_secret = platform.view
        subscriber, topic_filter = (view_key, view_secret), f"{view_key}/+/attributes"
        topics = ["attributes"] * shape.publishers
        yield Loaded(platform.pid, platform.mqtt_port, certificates, topics, subscriber, topic_filter)


@contextlib.contextmanager
def _mosquitto(shape: Shape) -> Iterator[Loaded]:
    with brokers.mosquitto() as server:
        topics = [f"0123456789/{number:016d}/attributes" for number in range(shape.publishers)]
        publishers = [ANYONE] * shape.publishers
        yield Loaded(server.pid, server.port, publishers, topics, ANYONE, "0123456789/+/attributes")


CASE = Case("messages a second to application subscribers, 1 × 100 and 1,000 × 1, beside mosquitto", measure)
