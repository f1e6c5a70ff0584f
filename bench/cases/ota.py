"""What a thousand devices that download firmware at once do to the reports of others."""

import http.client
import os
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from bench import ota_load, paced_load
from bench.case import Case, Options
from bench.platform import Platform, thingstead
from bench.report import Report, Table, Target, figure, median

DEVICES = 1_000
SIZE_BYTES = 1 << 20
OTHERS = 500  # devices that report once a second meanwhile
TOLD_TIMEOUT_S = 120.0
PUBACK_TARGET_MS = 100.0
SILENCE_TARGET_S = 3.0  # the time-out of the most impatient client (docs/ota.md)


def measure(options: Options) -> Report:
    """Makes links by a rollout, then downloads all of them while other devices report, run by run."""
    report = Report("Downloads of firmware")
    loads: list[paced_load.Result] = []
    downloads: list[ota_load.Result] = []
    for _ in range(options.runs):
        with thingstead() as platform:
            paths = _links(platform)
            task = ota_load.Task(platform.http_port, paths, SIZE_BYTES)
            paced = paced_load.Task(
                platform.mqtt_port, _others(platform), options.warmup_s, options.seconds, platform.pid
            )
            with ThreadPoolExecutor(1) as threads:
                pending = threads.submit(paced_load.generate, paced)
                time.sleep(options.warmup_s + 1.0)
                downloads.append(ota_load.generate(task))
                loads.append(pending.result())
    rows = [
        ["all downloads, s", figure(median([each.seconds for each in downloads]))],
        ["MB/s", figure(median([DEVICES * SIZE_BYTES / each.seconds / 1e6 for each in downloads]))],
        ["longest wait for a first byte, s", figure(max(each.first_s for each in downloads))],
        ["longest silence of a download, s", figure(max(each.silence_s for each in downloads))],
        ["refused", figure(sum(each.refused for each in downloads))],
        ["PUBACK of others, median, ms", figure(median([each.p50_ms for each in loads]))],
        ["the longest, ms", figure(max(each.max_ms for each in loads))],
    ]
    report.tables.append(Table([f"{DEVICES:,} devices, {SIZE_BYTES >> 20} MiB each", "figure"], rows))
    report.targets += [
        Target("PUBACK of others, p99, ms", PUBACK_TARGET_MS, median([each.p99_ms for each in loads]), at_most=True),
        Target(
            "longest silence of a download, s", SILENCE_TARGET_S, max(each.silence_s for each in downloads),
            at_most=True,
        ),
    ]  # fmt: skip
    report.notes.append(f"{OTHERS} others report once a second; the rate of all downloads is the default")
    return report


def _links(platform: Platform) -> list[str]:
    """Paths of links, one for each device, which a rollout has made."""
    body = {"name": "bench", "version_name": "1.1", "from_versions": ["*"]}
    version_id = platform.api.call("POST", "/ota_version", body)["id"]
    _upload(platform, version_id)
    rows = [{"name": f"loading {n}", "device_key": f"loading-{n}"} for n in range(DEVICES)]
    ids = [item["id"] for item in platform.api.call("POST", "/devices_import", {"devices": rows})["items"]]
    chosen = {"devices": ids, "waves": [100], "fail_least": DEVICES}
    rollout_id = platform.api.call("POST", f"/ota_version/{version_id}/rollout", chosen)["id"]
    deadline = time.monotonic() + TOLD_TIMEOUT_S
    while platform.api.call("GET", f"/ota_rollout/{rollout_id}")["counts"]["sent"] < DEVICES:
        assert time.monotonic() < deadline, "not all devices were told"
        time.sleep(0.2)
    logs = [platform.api.call("GET", f"/device/{each}/command_logs")["items"][0] for each in ids]
    return [urlsplit(log["params"]["url"]).path for log in logs]


def _upload(platform: Platform, version_id: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", platform.http_port, timeout=60)
    try:
        path = f"/api/v1/ota_version/{version_id}/file"
        headers = {"Authorization": f"Bearer {platform.api.token}"}
        connection.request("PUT", path, os.urandom(SIZE_BYTES), headers)
        assert connection.getresponse().status == 200, "the file was refused"
    finally:
        connection.close()


def _others(platform: Platform) -> list[tuple[str, str]]:
    rows = [{"name": f"device {n}", "device_key": str(n)} for n in range(OTHERS)]
    created = platform.api.call("POST", "/devices_import", {"devices": rows})["items"]
    found = [platform.api.call("GET", f"/device/{item['id']}/certificate") for item in created]
    return [(each["access_token"], each["project_key"]) for each in found]


CASE = Case("a thousand devices that download at once: what others wait for", measure, runs=1, seconds=40)
