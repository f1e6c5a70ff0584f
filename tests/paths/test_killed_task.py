"""Tasks of a server that is killed again and again: each device of a run is acted upon once, and each planned instant
has one run."""

import contextlib
import random
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.project_api import ProjectApi
from tests.running import Running, disk_held, eventually
from tests.server_process import StartServer, thingstead

pytestmark = pytest.mark.embedded  # it reads the file

DEVICES = 3_000
KILLS = 2
PACE = {"THINGSTEAD_TASKS_DEVICES_PER_SECOND": "1500"}


def counted(data_dir: Path) -> tuple[int, int, int]:
    """Devices that the run says were done, results, and commands that were issued."""
    with contextlib.closing(sqlite3.connect(data_dir / "thingstead.sqlite")) as connection:
        [(done,)] = connection.execute("SELECT coalesce(sum(done), 0) FROM task_runs").fetchall()
        [(results,)] = connection.execute("SELECT count(*) FROM task_results WHERE result = 'done'").fetchall()
        [(commands,)] = connection.execute("SELECT count(*) FROM commands WHERE method = 'count'").fetchall()
    return done, results, commands


@pytest.mark.timeout(120)
def test_a_run_over_thousands_of_devices_acts_on_each_once_across_kills(
    running: Running, start_server: StartServer
) -> None:
    server, data_dir = running.server, running.server.data_dir
    rows = [{"name": f"d{number}"} for number in range(DEVICES)]
    running.api.call("POST", "/devices_import", json={"devices": rows})
    assert server.stop() == 0
    server = start_server(**PACE)
    with ProjectApi(server.url, running.credentials) as api:
        task: dict[str, Any] = {
            "name": "count",
            "schedule": {"cron": "0 0 1 1 *"},
            "filter": {"keyword": "d"},
            "action": {"command": {"method": "count", "wait_ms": 3_600_000}},
        }
        task_id = api.call("POST", "/task", json=task)["id"]
        total = api.call("POST", f"/task/{task_id}/run")["total"]
    assert total >= DEVICES
    kills = 0
    for number in range(KILLS):
        eventually(lambda number=number: counted(data_dir)[0] >= number * 1_000)  # type: ignore[misc]
        time.sleep(random.random() / 10)  # any moment
        if number == 1:
            with disk_held(data_dir):  # nothing can be written
                server.kill()
        else:
            server.kill()
        done, results, commands = counted(data_dir)
        assert done == results == commands
        kills += done < total
        server = start_server(**PACE)
    assert kills, "it was killed before its end"
    with ProjectApi(server.url, running.credentials) as api:
        eventually(lambda: api.call("GET", f"/task/{task_id}")["last_run"]["state"] == "done")
        (run,) = api.call("GET", f"/task/{task_id}/runs")["items"]
        assert (run["done"], run["refused"]) == (total, 0)
    with contextlib.closing(sqlite3.connect(data_dir / "thingstead.sqlite")) as connection:
        each = connection.execute(
            "SELECT count(*) FROM commands WHERE method = 'count' GROUP BY device_id HAVING count(*) <> 1"
        )
        assert each.fetchall() == [], "each once"
    assert counted(data_dir) == (total, total, total)
    assert server.stop() == 0
    assert thingstead("check", "--data-dir", server.data_dir).returncode == 0
