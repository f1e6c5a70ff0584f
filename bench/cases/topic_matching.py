"""What a message costs as topic filters grow in number: their levels may count, not how many there are."""

import contextlib
import socket
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bench import brokers, fanout_load
from bench.case import Case, Options
from bench.cases.open_fanout import ANYONE, open_port
from bench.fanout_load import Result, Task
from bench.mqtt_load import CONNACK_ACCEPTED, IO_TIMEOUT_S
from bench.platform import thingstead
from bench.report import Report, Table, Target, median, spread
from bench.traffic import ATTRIBUTE_DEFINITIONS, connect, subscribe

FILTERS = (1, 1_000, 100_000)  # in all; one of them matches
FILTERS_PER_CLIENT = 1_000  # as many as the settings allow
FILTERS_PER_PACKET = 100
TOPICS = 20_000  # that take turns, more than anybody remembers the subscribers of
WINDOW = 50
GROWTH_LIMIT = 1.2  # of the cost of a message, from one filter to 100,000
OPEN, APPLICATION, PEER = "Thingstead, open port", "Thingstead, applications", "mosquitto"


class Loaded(NamedTuple):
    """A server, who publishes what, and who listens to it."""

    pid: int
    port: int
    publisher: tuple[str, str]
    topic: str  # with the place of a number, where it has one
    subscriber: tuple[str, str]
    topic_filter: str
    root: str  # under which there are the filters that do not match


def measure(options: Options) -> Report:
    """Every server at every number of filters in turn, run by run, each from a fresh start."""
    missing = brokers.mosquitto_missing()
    makers: dict[str, Callable[[], contextlib.AbstractContextManager[Loaded]]] = {
        OPEN: _open_port,
        APPLICATION: _applications,
    }
    if not missing:
        makers[PEER] = _mosquitto
    results: dict[tuple[str, int], list[Result]] = defaultdict(list)
    for _ in range(options.runs):
        for name, make in makers.items():
            for count in FILTERS:
                results[name, count].append(_load(make, count, options))
    report = Report("Topic matching: one subscriber, and many filters that do not match")
    report.tables.append(_table(results))
    for name in makers:
        if name != PEER:
            report.targets.append(Target(f"cost at 100,000 / at 1, {name}", GROWTH_LIMIT, _growth(results, name), True))
    report.notes += [
        f"one publisher at QoS 1, {WINDOW} messages in flight, one subscriber at QoS 0; on the open port and mosquitto "
        f"{TOPICS:,} topics take turns",
        "the other filters have four levels, a third of them `+`, a third `#`; most share levels with the topics",
    ]
    if missing:
        report.notes.append(f"mosquitto: skipped, {missing}")
    return report


def _load(make: Callable[[], contextlib.AbstractContextManager[Loaded]], count: int, options: Options) -> Result:
    with make() as server, _others(server, count - 1):
        task = Task(
            server.port,
            [server.publisher],
            [server.topic],
            server.subscriber,
            server.topic_filter,
            1,
            WINDOW,
            options.warmup_s,
            options.seconds,
            server.pid,
            ring_size=TOPICS if "{}" in server.topic else fanout_load.RING_SIZE,
        )
        return fanout_load.generate(task)


@contextlib.contextmanager
def _others(server: Loaded, count: int) -> Iterator[None]:
    """Clients with filters that match nothing that is published."""
    with contextlib.ExitStack() as stack:
        for first in range(0, count, FILTERS_PER_CLIENT):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=IO_TIMEOUT_S))
            sock.sendall(connect(f"other-{first}", *server.subscriber, keep_alive_s=0))
            assert sock.recv(len(CONNACK_ACCEPTED)) == CONNACK_ACCEPTED, "another client is admitted"
            numbers = range(first, min(first + FILTERS_PER_CLIENT, count))
            for start in range(0, len(numbers), FILTERS_PER_PACKET):
                filters = [_filter(server.root, number) for number in numbers[start : start + FILTERS_PER_PACKET]]
                sock.sendall(subscribe(1, *filters))
                _granted(sock, len(filters))
        yield


def _filter(root: str, number: int) -> str:
    """Most share their first levels with the topics that are published."""
    return (
        f"{root}/{number % TOPICS:05d}/attributes/{number}",
        f"{root}/+/attributes/{number}",
        f"{root}/{number % TOPICS:05d}/{number}/#",
    )[number % 3]


def _granted(sock: socket.socket, count: int) -> None:
    answer = b""
    while len(answer) < count + 4:
        data = sock.recv(1_000)
        assert data, "the connection stays"
        answer += data
    assert answer.endswith(b"\0" * count), "every filter is granted"


@contextlib.contextmanager
def _open_port() -> Iterator[Loaded]:
    with open_port() as server:
        yield Loaded(server.pid, server.port, ANYONE, "bench/{}/attributes", ANYONE, "bench/+/attributes", "bench")


@contextlib.contextmanager
def _mosquitto() -> Iterator[Loaded]:
    with brokers.mosquitto() as server:
        yield Loaded(server.pid, server.port, ANYONE, "bench/{}/attributes", ANYONE, "bench/+/attributes", "bench")


@contextlib.contextmanager
def _applications() -> Iterator[Loaded]:
    with thingstead() as platform:
        [device] = platform.api.create_devices(1, ATTRIBUTE_DEFINITIONS)
        certificate = (device.access_token, device.project_key)
        view_key = platform.view[0]
        topic_filter = f"{view_key}/+/attributes"
        yield Loaded(platform.pid, platform.mqtt_port, certificate, "attributes", platform.view, topic_filter, view_key)


def _table(results: dict[tuple[str, int], list[Result]]) -> Table:
    header = ["server, filters", "messages/s", "server CPU a message, µs"]
    rows = [
        [f"{name}, {count:,}", spread([run.rate for run in runs]), spread([_cost_us(run) for run in runs])]
        for (name, count), runs in results.items()
    ]
    return Table(header, rows)


def _cost_us(run: Result) -> float:
    return run.server_cpu_s / run.received * 1e6


def _growth(results: dict[tuple[str, int], list[Result]], name: str) -> float:
    few, many = results[name, FILTERS[0]], results[name, FILTERS[-1]]
    return median([_cost_us(much) / _cost_us(little) for little, much in zip(few, many, strict=True)])


CASE = Case("what a message costs at 1, 1,000 and 100,000 topic filters, beside mosquitto", measure)
