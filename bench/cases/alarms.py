"""What alarm rules cost the ingest path, and what happens when ten thousand alarms are raised at once."""

import contextlib
import http.server
import json
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from bench import mqtt_load
from bench.case import Case, Options
from bench.mqtt_load import Result, Task
from bench.platform import Device, Platform, thingstead
from bench.report import Report, Table, Target, figure, median, spread
from bench.traffic import ATTRIBUTE_DEFINITIONS, connect, publish

TYPES = 100
DEVICES_PER_TYPE = 100
RULES_PER_TYPE = 10
CONNECTIONS = 100
WINDOW = 20
STORM_DEVICES = 1_000
STORM_RULES = 10  # each raises on every device
STORM_ALARMS = STORM_DEVICES * STORM_RULES
TOLD_TIMEOUT_S = 120.0
IO_TIMEOUT_S = 60.0
NONE, QUIET, FLAPPING = "no rules", "1,000 rules, none raises", "1,000 rules, one of ten raises and clears all the time"


def measure(options: Options) -> Report:
    """Loads the same devices without and with rules, run by run, each on a fresh platform; then the storm."""
    results: dict[str, list[Result]] = defaultdict(list)
    for _ in range(options.runs):
        with thingstead() as platform:
            types, devices = _plant(platform)
            credentials = [(device.access_token, device.project_key) for device in devices]
            task = Task(platform.mqtt_port, credentials, WINDOW, options.warmup_s, options.seconds, platform.pid)
            results[NONE].append(mqtt_load.generate(task))
            rules = _add_rules(platform, types)
            results[QUIET].append(mqtt_load.generate(task))
            for type_id in types:
                platform.api.call("PUT", f"/alarm_rule/{rules[type_id][0]}", {"raise": _over("temperature", 29.9)})
            results[FLAPPING].append(mqtt_load.generate(task))
    storms = [_storm() for _ in range(options.runs)]

    report = Report(f"Alarms: {TYPES * RULES_PER_TYPE:,} rules over {TYPES * DEVICES_PER_TYPE:,} devices")
    rows = [_row(name, runs) for name, runs in results.items()]
    report.tables.append(Table(["load", "msg/s", "CPU-s / 1,000 msg", "p50 ms", "p99 ms", "RSS MB"], rows))
    report.tables.append(_storm_table(storms))
    report.targets += [
        Target("rate with rules / without", 0.7, _ratio(results, QUIET)),
        Target("CPU of a report without rules / with", 0.7, _cpu_ratio(results, QUIET)),
        Target("rate with alarms all the time / without", 0.7, _ratio(results, FLAPPING)),
        Target("CPU of a report without rules / with alarms all the time", 0.7, _cpu_ratio(results, FLAPPING)),
        Target("alarms kept of the storm", STORM_ALARMS, min(storm.kept for storm in storms)),
        Target("notices of the storm, in order", STORM_ALARMS, min(storm.told for storm in storms)),
    ]
    report.notes += [
        f"every loaded device has {RULES_PER_TYPE} rules of its type, which read 4 of the 5 values of a message: "
        "thresholds with and without delays, a range, a join of two conditions, silence",
        f"the storm: {STORM_DEVICES:,} devices report at the same time a value that raises {STORM_RULES} rules each; a "
        "webhook takes one notice after the other; one more device reports all the while, and its longest wait for a "
        "PUBACK is the last column",
    ]
    return report


def _plant(platform: Platform) -> tuple[list[str], list[Device]]:
    """The device types, and one device of each, with its certificate."""
    types, loaded = [], []
    for number in range(TYPES):
        definition = {"name": f"bench {number}", "functions": {"attributes": ATTRIBUTE_DEFINITIONS}}
        types.append(str(platform.api.call("POST", "/device_type", definition)["id"]))
    for number, type_id in enumerate(types):
        rows = [
            {"name": f"device {index}", "type": type_id, "device_key": f"{number}-{index}"}
            for index in range(DEVICES_PER_TYPE)
        ]
        created = platform.api.call("POST", "/devices_import", {"devices": rows})
        loaded.append(_certificate(platform, created["items"][0]["id"]))
    return types, loaded


def _certificate(platform: Platform, device_id: str) -> Device:
    certificate = platform.api.call("GET", f"/device/{device_id}/certificate")
    return Device(device_id, certificate["access_token"], certificate["project_key"])


def _over(attribute: str, value: float) -> dict[str, Any]:
    return {"attribute": attribute, "op": ">", "value": value}


def _add_rules(platform: Platform, types: list[str]) -> dict[str, list[str]]:
    """The rules of each type, by the type's id."""
    conditions: list[dict[str, Any]] = [
        *(_over("temperature", limit) for limit in (60, 70, 80)),
        *(_over("humidity", limit) for limit in (80, 90)),
        {"attribute": "pressure", "op": "<", "value": 800},
        {"attribute": "pressure", "op": ">", "value": 1_080, "deadband": 10},
        {"and": [_over("temperature", 50), {"attribute": "mode", "op": "==", "value": "heat"}]},
        {"attribute": "humidity", "op": "between", "value": [95, 99]},
        {"no_data_ms": 3_600_000},
    ]
    assert len(conditions) == RULES_PER_TYPE
    rules: dict[str, list[str]] = {}
    for type_id in types:
        rules[type_id] = []
        for number, condition in enumerate(conditions):
            body = {"name": f"rule {number}", "type": type_id, "raise": condition, "raise_delay_ms": number % 2 * 1_000}
            rules[type_id].append(platform.api.call("POST", "/alarm_rule", body)["id"])
    return rules


def _row(name: str, runs: list[Result]) -> list[str]:
    return [
        name,
        spread([run.rate for run in runs]),
        figure(median([_cpu_s(run) * 1000 for run in runs])),
        figure(median([run.p50_ms for run in runs])),
        figure(median([run.p99_ms for run in runs])),
        figure(median([run.server_rss_bytes / 1e6 for run in runs])),
    ]


def _ratio(results: dict[str, list[Result]], name: str) -> float:
    return median([ours.rate / bare.rate for ours, bare in zip(results[name], results[NONE], strict=True)])


def _cpu_ratio(results: dict[str, list[Result]], name: str) -> float:
    """As the rates are to each other where nobody else wants the cores; other work moves it less than the rates."""
    return median([_cpu_s(bare) / _cpu_s(ours) for ours, bare in zip(results[name], results[NONE], strict=True)])


def _cpu_s(run: Result) -> float:
    return run.server_cpu_s / run.acknowledged


class Storm(NamedTuple):
    """The results of ten thousand alarms."""

    acknowledged_s: float  # until the last device had its PUBACK
    kept: int  # alarms that are listed by then, each counted at its device
    told_s: float  # until the last notice
    told: int  # notices, up to the first that is out of order
    longest_wait_ms: float  # of the device that went on reporting


def _storm() -> Storm:
    with thingstead() as platform, _webhook() as (url, told):
        rows = [{"name": f"device {index}", "device_key": str(index)} for index in range(STORM_DEVICES + 1)]
        definition = {"name": "storm", "functions": {"attributes": [{"identifier": "x"}]}}
        type_id = platform.api.call("POST", "/device_type", definition)["id"]
        created = platform.api.call("POST", "/devices_import", {"devices": [{**row, "type": type_id} for row in rows]})
        devices = [_certificate(platform, item["id"]) for item in created["items"]]
        group = platform.api.call("POST", "/notify_group", {"name": "one", "channels": [{"webhook": url}]})["id"]
        for number in range(STORM_RULES):
            body = {
                "name": f"rule {number}",
                "type": type_id,
                "raise": _over("x", number),
                "notify": [{"group": group}],
            }
            platform.api.call("POST", "/alarm_rule", body)
        return _raise_all(platform, devices, told)


def _raise_all(platform: Platform, devices: list[Device], told: list[str]) -> Storm:
    sockets = [_open(platform, device) for device in devices]
    steady = _Steady(sockets.pop())
    packet = publish(1, b'{"x":100}')
    begun = time.perf_counter()
    for sock in sockets:
        sock.sendall(packet)
    for sock in sockets:
        assert sock.recv(4) == b"\x40\x02\x00\x01", "not a PUBACK"
    acknowledged_s = time.perf_counter() - begun
    stat = platform.api.call("GET", "/devices_alarm_stat")
    assert stat["alarm_1_total"] == STORM_DEVICES, f"counted at {stat['alarm_1_total']} devices"
    kept = platform.api.call("GET", "/alarms?status=1")["total"]
    while len(told) < STORM_ALARMS and time.perf_counter() - begun < TOLD_TIMEOUT_S:
        time.sleep(0.01)
    told_s = time.perf_counter() - begun
    steady.stop()
    for sock in sockets:
        sock.close()
    return Storm(acknowledged_s, kept, told_s, _in_order(platform, told), steady.longest_s * 1000)


def _open(platform: Platform, device: Device) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", platform.mqtt_port), timeout=IO_TIMEOUT_S)
    sock.sendall(connect(device.id, device.access_token, device.project_key, keep_alive_s=600))
    assert sock.recv(4) == b"\x20\x02\x00\x00", "not admitted"
    return sock


class _Steady:
    """A device that goes on reporting, one report after the other, and notes its longest wait for a PUBACK."""

    def __init__(self, sock: socket.socket) -> None:
        self.longest_s = 0.0
        self._socket = sock
        self._going_on = True
        self._thread = threading.Thread(target=self._report)
        self._thread.start()

    def _report(self) -> None:
        packet = publish(1, b'{"x":-1}')
        while self._going_on:
            begun = time.perf_counter()
            self._socket.sendall(packet)
            assert self._socket.recv(4) == b"\x40\x02\x00\x01", "not a PUBACK"
            self.longest_s = max(self.longest_s, time.perf_counter() - begun)
            time.sleep(0.002)

    def stop(self) -> None:
        self._going_on = False
        self._thread.join()
        self._socket.close()


def _in_order(platform: Platform, told: list[str]) -> int:
    """How many notices came in the order of the alarm messages."""
    kept: list[str] = []
    page = 1
    while items := platform.api.call("GET", f"/alarm_logs?page={page}&page_records=100")["items"]:
        kept += [item["id"] for item in items]
        page += 1
    kept.reverse()
    return next(
        (index for index, (ours, theirs) in enumerate(zip(kept, told, strict=False)) if ours != theirs),
        min(len(kept), len(told)),
    )


@contextlib.contextmanager
def _webhook() -> Iterator[tuple[str, list[str]]]:
    """A server that notes the ids of alarm messages as it is told of them."""
    told: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alarm"]["id"])
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _storm_table(storms: list[Storm]) -> Table:
    header = ["storm", "all acknowledged, s", "alarms kept", "all told, s", "in order", "longest wait of a PUBACK, ms"]
    row = [
        f"{STORM_ALARMS:,} alarms at once",
        spread([storm.acknowledged_s for storm in storms]),
        figure(median([float(storm.kept) for storm in storms])),
        spread([storm.told_s for storm in storms]),
        figure(median([float(storm.told) for storm in storms])),
        spread([storm.longest_wait_ms for storm in storms]),
    ]
    return Table(header, [row])


CASE = Case("what alarm rules cost a report, and ten thousand alarms at once", measure)
