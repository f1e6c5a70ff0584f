"""Whether a project whose rules have many conditions, and whose devices flood, keeps the devices of another waiting."""

import contextlib
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bench import paced_load
from bench.case import Case, Options
from bench.flood_load import Task, flooding
from bench.paced_load import Result
from bench.platform import COMMAND, INIT_TIMEOUT_S, Platform, ProjectApi, initialize, serving
from bench.report import Report, Table, Target, median, spread
from bench.traffic import ATTRIBUTE_DEFINITIONS

OTHERS = 50
FLOODS = 5  # devices
RULES = 90
COMPARISONS = 32  # of each rule; none holds
QUIET, NO_RULES, MESSAGE_RULES, ALARM_RULES = "nobody floods", "no rule", "message rules", "alarm rules"
LOADS = (QUIET, NO_RULES, MESSAGE_RULES, ALARM_RULES)
RATIO_LIMIT = 2.0  # of the p50 beside a flood with rules to that beside a flood without


def measure(options: Options) -> Report:
    """The steady load of one project alone, and beside each flood in another, on fresh data folders."""
    results: dict[str, list[Result]] = {load: [] for load in LOADS}
    for _ in range(options.runs):
        for load in LOADS:
            results[load].append(_load(load, options))
    report = Report(f"{FLOODS} devices of one project flood, {OTHERS} of another report once a second")
    rows = [
        [load, *(spread([getattr(each, name) for each in found]) for name in ("p50_ms", "p99_ms", "max_ms"))]
        for load, found in results.items()
    ]
    report.tables.append(Table(["the flood's project has", "p50 of the others, ms", "p99, ms", "at most, ms"], rows))
    for load in (MESSAGE_RULES, ALARM_RULES):
        ratio = median([ours.p50_ms / bare.p50_ms for ours, bare in zip(results[load], results[NO_RULES], strict=True)])
        report.targets.append(Target(f"p50 beside {load} / beside no rule", RATIO_LIMIT, ratio, at_most=True))
    report.notes.append(f"{RULES} rules of {COMPARISONS} comparisons each, none of which holds")
    return report


def _load(load: str, options: Options) -> Result:
    with tempfile.TemporaryDirectory(prefix="thingstead-bench-") as parent, contextlib.ExitStack() as stack:
        folder = Path(parent) / "data"
        ours, theirs = initialize(folder), _second_project(folder)
        pid, http_port, mqtt_port = stack.enter_context(serving(folder))
        api = stack.enter_context(contextlib.closing(ProjectApi(http_port)))
        api.log_in(ours)
        platform = Platform(pid, http_port, mqtt_port, api, ("", ""))
        credentials = [
            (each.access_token, each.project_key) for each in api.create_devices(OTHERS, ATTRIBUTE_DEFINITIONS)
        ]
        if load != QUIET:
            api.log_in(theirs)
            for hot in _flooders(platform, load):
                stack.enter_context(flooding(hot))
        task = paced_load.Task(mqtt_port, credentials, options.warmup_s, options.seconds, pid)
        return paced_load.generate(task)


def _second_project(folder: Path) -> dict[str, str]:
    command = [*COMMAND, "project", "create", "--name", "second", "--data-dir", str(folder), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=INIT_TIMEOUT_S)
    credentials: dict[str, str] = json.loads(done.stdout)
    return credentials


def _flooders(platform: Platform, load: str) -> list[Task]:
    devices = platform.api.create_devices(FLOODS, ATTRIBUTE_DEFINITIONS)
    type_id = platform.api.call("GET", f"/device/{devices[0].id}")["type"]
    for number in range(0 if load == NO_RULES else RULES):
        condition = {"or": [_comparison(100 + (number + place) / 10) for place in range(COMPARISONS)]}
        body: dict[str, Any] = {"name": f"rule {number}", "type": type_id}
        if load == MESSAGE_RULES:
            body |= {"on": "after_report", "if": condition, "actions": [{"set": {"hot": True}}]}
            platform.api.call("POST", "/message_rule", body)
        else:
            platform.api.call("POST", "/alarm_rule", body | {"raise": condition})
    return [Task(platform.mqtt_port, each.access_token, each.project_key, 1) for each in devices]


def _comparison(limit: float) -> dict[str, Any]:
    return {"attribute": "temperature", "op": ">", "value": limit}


CASE = Case("whether many conditions in one project keep the devices of another waiting", measure, runs=1)
