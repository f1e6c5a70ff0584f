"""How many messages a second reach clients of the open port, beside mosquitto."""

import contextlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench import brokers, fanout_load
from bench.brokers import Running
from bench.case import Case, Options
from bench.fanout_load import Result, Task
from bench.fanout_report import OURS, PEER, ratio, table
from bench.platform import initialize, serving
from bench.process import free_port
from bench.report import Report, Target

ANYONE = ("bench", "bench")
TOPIC_FILTER = "0123456789/+/attributes"


class Shape(NamedTuple):
    """Who publishes and who subscribes."""

    publishers: int
    subscribers: int
    window: int
    qos: int  # of the subscriptions

    @property
    def title(self) -> str:
        return f"{self.publishers:,} × {self.subscribers:,}, QoS {self.qos}"

    def task(self, server: Running, options: Options) -> Task:
        """The load on a server."""
        return Task(
            server.port,
            [ANYONE] * self.publishers,
            [f"0123456789/{number:016d}/attributes" for number in range(self.publishers)],
            ANYONE,
            TOPIC_FILTER,
            self.subscribers,
            self.window,
            options.warmup_s,
            options.seconds,
            server.pid,
            self.qos,
        )


SHAPES = [shape for qos in (0, 1) for shape in (Shape(1, 100, 20, qos), Shape(1_000, 1, 4, qos))]


def measure(options: Options) -> Report:
    """Both servers in turn, run by run, each from a fresh start."""
    missing = brokers.mosquitto_missing()
    makers = {OURS: open_port} if missing else {OURS: open_port, PEER: brokers.mosquitto}
    results: dict[tuple[Shape, str], list[Result]] = defaultdict(list)
    for _ in range(options.runs):
        for shape in SHAPES:
            for name, make in makers.items():
                results[shape, name].append(_load(make, shape, options))
    report = Report("Fan-out on the open port: publishers × subscribers, published at QoS 1, QoS of the subscriptions")
    report.tables.append(table(results))
    report.targets += [Target(f"rate / mosquitto's, {shape.title}", 0.5, ratio(results, shape)) for shape in SHAPES]
    report.notes.append("received / published: 1 where nobody read too slowly")
    if missing:
        report.notes.append(f"mosquitto: skipped, {missing}")
    return report


@contextlib.contextmanager
def open_port() -> Iterator[Running]:
    """The platform with its open port, on a new data folder."""
    with tempfile.TemporaryDirectory(prefix="thingstead-bench-") as parent:
        folder, port = Path(parent) / "data", free_port()
        initialize(folder)
        with serving(folder, "--open-mqtt-port", str(port)) as (pid, _, _):
            yield Running(pid, port)


def _load(make: Callable[[], contextlib.AbstractContextManager[Running]], shape: Shape, options: Options) -> Result:
    with make() as server:
        return fanout_load.generate(shape.task(server, options))


CASE = Case("messages a second on the open port, 1 × 100 and 1,000 × 1, at QoS 0 and 1, beside mosquitto", measure)
