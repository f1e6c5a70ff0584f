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
from bench.platform import initialize, serving
from bench.process import free_port
from bench.report import Report, Table, Target, figure, median, spread

ANYONE = ("bench", "bench")
OURS, PEER = "Thingstead", "mosquitto"
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
    report.tables.append(_table(results))
    report.targets += [Target(f"rate / mosquitto's, {shape.title}", 0.5, _ratio(results, shape)) for shape in SHAPES]
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


def _table(results: dict[tuple[Shape, str], list[Result]]) -> Table:
    header = ["publishers × subscribers, server", "messages/s to subscribers", "CPU-s / 1,000", "received / published"]
    rows = []
    for (shape, name), runs in results.items():
        rows.append(
            [
                f"{shape.title}, {name}",
                spread([run.rate for run in runs]),
                figure(median([run.server_cpu_s / run.received * 1000 for run in runs])),
                figure(median([run.received_in_all / (run.acknowledged_in_all * shape.subscribers) for run in runs])),
            ]
        )
    return Table(header, rows)


def _ratio(results: dict[tuple[Shape, str], list[Result]], shape: Shape) -> float | None:
    ours, theirs = results[shape, OURS], results.get((shape, PEER))
    if not theirs:
        return None
    return median([our.rate / their.rate for our, their in zip(ours, theirs, strict=True)])


CASE = Case("messages a second on the open port, 1 × 100 and 1,000 × 1, at QoS 0 and 1, beside mosquitto", measure)
