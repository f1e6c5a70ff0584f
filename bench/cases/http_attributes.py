"""How fast the current values of a device are answered, beside the least handler that gives the same bytes."""

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import http_load
from bench.case import Case, Options
from bench.http_load import Result, Task
from bench.platform import Platform, report_once, thingstead
from bench.process import free_port, listens, running
from bench.report import Report, Table, Target, figure, median, spread

CONNECTIONS = 16
TARGET_RATIO = 0.5


def _definitions() -> list[dict[str, Any]]:
    numbers = [
        {
            "identifier": f"sensor_{number:02}",
            "name": f"Sensor {number}",
            "attr_type": "report",
            "data_type": "number",
            "data_options": {"unit": "°C", "precision": 2, "min": -40, "max": 125},
        }
        for number in range(1, 15)
    ]
    switches = [
        {"identifier": f"relay_{number}", "name": f"Relay {number}", "attr_type": "both", "data_type": "switch"}
        for number in range(1, 4)
    ]
    texts = [
        {"identifier": f"text_{number}", "name": f"Text {number}", "attr_type": "report", "data_type": "text"}
        for number in range(1, 4)
    ]
    return [*numbers, *switches, *texts]


def _report_body() -> bytes:
    values: dict[str, Any] = {f"sensor_{number:02}": 20 + number / 4 for number in range(1, 15)}
    values |= {f"relay_{number}": number % 2 == 0 for number in range(1, 4)}
    values |= {f"text_{number}": f"firmware 1.0.{number}" for number in range(1, 4)}
    return json.dumps(values).encode()


def measure(options: Options) -> Report:
    """Both servers are up all the time and are asked in turn."""
    ours: list[Result] = []
    bare: list[Result] = []
    with thingstead() as platform:
        device = platform.api.create_devices(1, _definitions())[0]
        report_once(platform.mqtt_port, device, _report_body())
        path = f"/api/v1/device/{device.id}/attributes"
        status, body = platform.api.exchange("GET", f"/device/{device.id}/attributes")
        assert status == 200, body
        assert len(json.loads(body)["info"]) == 20, "the device shows its 20 attributes"
        with _bare_server(body, path, platform) as (bare_pid, bare_port):
            for _ in range(options.runs):
                ours.append(_ask(platform.http_port, platform.pid, path, platform.api.token, options))
                bare.append(_ask(bare_port, bare_pid, path, platform.api.token, options))

    report = Report("HTTP: GET of a device's 20 attributes")
    header = ["server", "requests/s", "CPU-s / 1,000 requests", "p50 ms", "p99 ms"]
    report.tables.append(Table(header, [_row("Thingstead", ours), _row("bare Starlette + msgspec", bare)]))
    ratio = median([our.rate / their.rate for our, their in zip(ours, bare, strict=True)])
    report.targets.append(Target("rate / the bare handler's", TARGET_RATIO, ratio))
    share = median([run.generator_cpu_s / run.seconds for run in bare])
    report.notes += [
        f"{CONNECTIONS} keep-alive connections, one request in flight on each; body of {len(body)} B, compared byte "
        "by byte between the servers before the runs",
        f"the generator used {share:.0%} of a core while it asked the faster server",
    ]
    return report


@contextlib.contextmanager
def _bare_server(body: bytes, path: str, platform: Platform) -> Iterator[tuple[int, int]]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="thingstead-bench-") as folder:
        document = Path(folder) / "document.json"
        document.write_bytes(body)
        with running([sys.executable, "-m", "bench.bare_http", str(port), document], listens(port)) as pid:
            with contextlib.closing(platform.api.at(port)) as caller:
                answered = caller.exchange("GET", path.removeprefix("/api/v1"))
            assert answered == (200, body), f"the bare server answers {answered}, not the same bytes"
            yield pid, port


def _ask(port: int, pid: int, path: str, token: str, options: Options) -> Result:
    return http_load.generate(Task(port, path, token, CONNECTIONS, options.warmup_s, options.seconds, pid))


def _row(name: str, runs: list[Result]) -> list[str]:
    return [
        name,
        spread([run.rate for run in runs]),
        figure(median([run.server_cpu_s / run.answers * 1000 for run in runs])),
        figure(median([run.p50_ms for run in runs])),
        figure(median([run.p99_ms for run in runs])),
    ]


CASE = Case("GET of a device's 20 attributes, beside a bare handler that answers the same bytes", measure)
