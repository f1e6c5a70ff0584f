"""What message rules whose conditions do not hold cost a report."""

from collections import defaultdict

from bench import mqtt_load
from bench.case import Case, Options
from bench.mqtt_load import Result, Task
from bench.platform import Platform, thingstead
from bench.report import Report, Table, Target, figure, median, spread
from bench.traffic import ATTRIBUTE_DEFINITIONS

CONNECTIONS = 50
WINDOW = 20
NONE, ONE, FIVE = "no rule", "one rule", "five rules"
LIMITS = (60, 70, 80, 90, 100)  # no report is that hot
TARGET = 0.9  # a report with one rule: at most a tenth dearer


def measure(options: Options) -> Report:
    """Loads the same devices with no rule, one and five, run by run, each on a fresh platform."""
    results: dict[str, list[Result]] = defaultdict(list)
    for _ in range(options.runs):
        with thingstead() as platform:
            definition = {"name": "bench", "functions": {"attributes": ATTRIBUTE_DEFINITIONS}}
            type_id = str(platform.api.call("POST", "/device_type", definition)["id"])
            task = Task(
                platform.mqtt_port, _devices(platform, type_id), WINDOW, options.warmup_s, options.seconds, platform.pid
            )
            made = 0
            for name, rules in ((NONE, 0), (ONE, 1), (FIVE, 5)):
                for limit in LIMITS[made:rules]:
                    _add_rule(platform, type_id, limit)
                made = rules
                results[name].append(mqtt_load.generate(task))
    report = Report("Message rules: conditions that do not hold")
    rows = [
        [name, spread([run.rate for run in runs]), figure(median([_cpu_us(run) for run in runs]))]
        for name, runs in results.items()
    ]
    report.tables.append(Table(["load", "msg/s", "CPU time, µs a report"], rows))
    report.targets += [
        Target("rate with one rule / without", TARGET, _ratio(results, ONE)),
        Target("CPU of a report without rules / with one", TARGET, _cpu_ratio(results, ONE)),
    ]
    report.notes.append("rules of the type, on the temperature that each report has")
    return report


def _devices(platform: Platform, type_id: str) -> list[tuple[str, str]]:
    rows = [{"name": f"device {n}", "type": type_id, "device_key": str(n)} for n in range(CONNECTIONS)]
    created = platform.api.call("POST", "/devices_import", {"devices": rows})["items"]
    found = [platform.api.call("GET", f"/device/{item['id']}/certificate") for item in created]
    return [(each["access_token"], each["project_key"]) for each in found]


def _add_rule(platform: Platform, type_id: str, limit: float) -> None:
    condition = {"attribute": "temperature", "op": ">", "value": limit}
    body = {
        "name": f"over {limit}", "on": "after_report", "type": type_id, "if": condition,
        "actions": [{"set": {"hot": True}}],
    }  # fmt: skip
    platform.api.call("POST", "/message_rule", body)


def _ratio(results: dict[str, list[Result]], name: str) -> float:
    return median([ours.rate / bare.rate for ours, bare in zip(results[name], results[NONE], strict=True)])


def _cpu_ratio(results: dict[str, list[Result]], name: str) -> float:
    return median([_cpu_us(bare) / _cpu_us(ours) for ours, bare in zip(results[name], results[NONE], strict=True)])


def _cpu_us(run: Result) -> float:
    return run.server_cpu_s / run.acknowledged * 1e6


CASE = Case("condition-only message rules: what they cost a report", measure)
