"""What forwarding to a local receiver costs reports, and how many messages a second it gets."""

import http.client
import math
import sys
import time
from collections import defaultdict
from typing import NamedTuple

from bench import mqtt_load
from bench.case import Case, Options
from bench.mqtt_load import Result, Task
from bench.platform import Platform, thingstead
from bench.process import answers_200, free_port, running
from bench.report import Report, Table, Target, figure, median, spread
from bench.traffic import ATTRIBUTE_DEFINITIONS

CONNECTIONS = 50
WINDOW = 20
NONE, SOME, ALL = "not forwarded", "as many forwarded as must be", "all forwarded"
RATE_TARGET = 10_000  # messages a second at the receiver
ROOM = 1.2  # devices whose reports are forwarded, over the share of these at that rate
INGEST_TARGET = 0.8  # of the rate without forwarding
DRAIN_TIMEOUT_S = 300.0


class Forwarded(NamedTuple):
    """One load, and what the receiver got of it."""

    load: Result
    rate: float  # messages a second at the receiver, during the load
    drained_s: float  # until the receiver had all of it, after the load


def measure(options: Options) -> Report:
    """Loads the same devices without a target, with one of as many devices as send what must be forwarded, and with one
    of all, run by run."""
    results: dict[str, list[Forwarded]] = defaultdict(list)
    for _ in range(options.runs):
        port = free_port()
        receiver = [sys.executable, "-m", "bench.forward_receiver", str(port)]
        with running(receiver, answers_200(port, "/")), thingstead() as platform:
            definition = {"name": "bench", "functions": {"attributes": ATTRIBUTE_DEFINITIONS}}
            type_id = str(platform.api.call("POST", "/device_type", definition)["id"])
            devices, credentials = _devices(platform, type_id)
            task = Task(platform.mqtt_port, credentials, WINDOW, options.warmup_s, options.seconds, platform.pid)
            bare = mqtt_load.generate(task)
            results[NONE].append(Forwarded(bare, 0.0, 0.0))
            share = min(CONNECTIONS, math.ceil(CONNECTIONS * ROOM * RATE_TARGET / bare.rate))
            sources: dict[str, dict[str, list[str]]] = {SOME: {"devices": devices[:share]}, ALL: {}}
            for name, source in sources.items():
                target = {"name": name, "kinds": ["attributes"], "url": {"url": f"http://127.0.0.1:{port}/"}, **source}
                target_id = platform.api.call("POST", "/forward_target", target)["id"]
                results[name].append(_forwarded(platform, task, port, target_id))
                platform.api.call("DELETE", f"/forward_target/{target_id}")
    report = Report("Forwarding to a local receiver")
    rows = [
        [
            name,
            spread([run.load.rate for run in runs]),
            figure(median([run.load.server_cpu_s / run.load.acknowledged * 1e6 for run in runs])),
            spread([run.rate for run in runs]) if name != NONE else "-",
            figure(median([run.drained_s for run in runs])) if name != NONE else "-",
        ]
        for name, runs in results.items()
    ]
    heads = ["load", "msg/s", "CPU time, µs a report", "forwarded/s", "until all arrived, s"]
    report.tables.append(Table(heads, rows))
    report.targets += [
        Target("messages forwarded a second", RATE_TARGET, median([run.rate for run in results[SOME]])),
        Target("ingest while that is forwarded / without", INGEST_TARGET, _ratio(results)),
    ]
    report.notes.append("lists of 500; the receiver answers and counts; it and the generator share the machine")
    return report


def _forwarded(platform: Platform, task: Task, port: int, target_id: str) -> Forwarded:
    before = _count(port)
    begun = time.monotonic()
    load = mqtt_load.generate(task)
    during, passed = _count(port) - before, time.monotonic() - begun
    ended = time.monotonic()
    while platform.api.call("GET", f"/forward_target/{target_id}/statistics")["waiting_items"]:
        assert time.monotonic() < ended + DRAIN_TIMEOUT_S, "the receiver never had all of it"
        time.sleep(0.1)
    return Forwarded(load, during / passed, time.monotonic() - ended)


def _count(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/")
        return int(connection.getresponse().read())
    finally:
        connection.close()


def _devices(platform: Platform, type_id: str) -> tuple[list[str], list[tuple[str, str]]]:
    rows = [{"name": f"device {n}", "type": type_id, "device_key": str(n)} for n in range(CONNECTIONS)]
    created = platform.api.call("POST", "/devices_import", {"devices": rows})["items"]
    found = [platform.api.call("GET", f"/device/{item['id']}/certificate") for item in created]
    return [item["id"] for item in created], [(each["access_token"], each["project_key"]) for each in found]


def _ratio(results: dict[str, list[Forwarded]]) -> float:
    pairs = zip(results[SOME], results[NONE], strict=True)
    return median([some.load.rate / none.load.rate for some, none in pairs])


CASE = Case("forwarding to a local receiver: what it costs reports, and its rate", measure)
