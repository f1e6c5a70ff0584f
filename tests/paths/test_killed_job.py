"""A job over 25,000 devices whose server is killed in its middle: the next start ends it, and every device has had its
turn once."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.project_api import ProjectApi
from tests.running import Running, eventually
from tests.server_process import StartServer, thingstead

pytestmark = pytest.mark.embedded  # these read or lock the file

MANY = 25_000
ROWS = 10_000  # of one import


def progress(data_dir: Path) -> tuple[int, int]:
    """Devices that the job says it changed, and devices that are."""
    with contextlib.closing(sqlite3.connect(data_dir / "thingstead.sqlite")) as connection:
        [(done,)] = connection.execute("SELECT done FROM jobs").fetchall()
        [(changed,)] = connection.execute("SELECT count(*) FROM devices WHERE version > 1").fetchall()
    return done, changed


@pytest.mark.timeout(120)
def test_a_job_that_was_killed_in_its_middle_ends_right(running: Running, start_server: StartServer) -> None:
    server, api, data_dir = running.server, running.api, running.server.data_dir
    for first in range(0, MANY, ROWS):
        rows = [{"name": f"d{number}"} for number in range(first, min(first + ROWS, MANY))]
        api.call("POST", "/devices_import", json={"devices": rows})
    what: dict[str, Any] = {"filter": {}, "total": MANY + 1, "tags": {"site": "x"}}
    job = api.call("POST", "/devices_tags", json=what)["job"]
    kills = 0
    for least in (1_000, 10_000):
        eventually(lambda least=least: progress(data_dir)[0] >= least)  # type: ignore[misc]
        server.kill()
        done, changed = progress(data_dir)
        kills += done < MANY
        assert done == changed
        server = start_server()
    assert kills, "it was killed before its end"
    with ProjectApi(server.url, running.credentials) as api:
        eventually(lambda: api.call("GET", f"/job/{job}")["state"] == "done")
        assert api.call("GET", f"/job/{job}")["done"] == MANY + 1
        assert api.call("GET", "/devices", params={"tag": "site:x", "page_records": 1})["total"] == MANY + 1
    with contextlib.closing(sqlite3.connect(server.data_dir / "thingstead.sqlite")) as connection:
        assert connection.execute("SELECT DISTINCT version FROM devices").fetchall() == [(2,)], "each once"
    assert server.stop() == 0
    assert thingstead("check", "--data-dir", server.data_dir).returncode == 0
