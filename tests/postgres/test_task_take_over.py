"""A run of a task that begins on one node and ends on another."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.postgres.pair import TIMEOUT_S, Pair, active
from tests.postgres.test_pair import ready
from tests.project_api import ProjectApi
from thingstead.server.cluster.node import Node

DEVICES = 1_500


@pytest.fixture
async def pair(tmp_path: Path, postgres_url: str) -> AsyncIterator[Pair]:
    pair = Pair(tmp_path, postgres_url)
    yield pair
    await pair.close()


def counted(pair: Pair) -> tuple[int, int, int]:
    """Devices that the run says were done, commands, and devices with more or less than one of them."""
    with psycopg.connect(pair.database) as connection:
        row = connection.execute(
            "SELECT (SELECT coalesce(sum(done), 0) FROM task_runs), (SELECT count(*) FROM commands),"
            " (SELECT count(*) FROM (SELECT FROM commands GROUP BY device_id HAVING count(*) <> 1) twice)"
        ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1]), int(row[2])


@pytest.mark.timeout(120)
async def test_each_device_is_acted_upon_once_by_a_pair_that_changes_its_active_node(pair: Pair) -> None:
    nodes = [await active(await pair.start("first")), await pair.start("second")]
    [credentials] = pair.credentials

    def begin() -> str:
        with ProjectApi(f"http://127.0.0.1:{nodes[0].http_port}", credentials) as api:
            api.call("POST", "/devices_import", json={"devices": [{"name": f"d{n}"} for n in range(DEVICES)]})
            task: dict[str, Any] = {
                "name": "count",
                "schedule": {"at": round(time.time() * 1000) + 4_000},
                "filter": {},
                "action": {"command": {"method": "count", "wait_ms": 3_600_000}},
            }
            return str(api.call("POST", "/task", json=task)["id"])

    task_id = await asyncio.to_thread(begin)
    async with asyncio.timeout(TIMEOUT_S):
        while (await asyncio.to_thread(counted, pair))[0] < DEVICES // 4:
            pass
    with psycopg.connect(pair.database, autocommit=True) as connection:
        connection.execute("DELETE FROM nodes WHERE active")  # as if it had been declared dead
    async with asyncio.timeout(60):
        while (await asyncio.to_thread(counted, pair))[0] < DEVICES:
            pass
    assert await asyncio.to_thread(counted, pair) == (DEVICES, DEVICES, 0)

    async def serving() -> Node:
        while True:
            for node in nodes:
                if (await ready(node))[0] == 200:
                    return node

    def runs(node: Node) -> Any:
        with ProjectApi(f"http://127.0.0.1:{node.http_port}", credentials) as api:
            return api.call("GET", f"/task/{task_id}/runs")["items"]

    async with asyncio.timeout(TIMEOUT_S):
        node = await serving()
    (run,) = await asyncio.to_thread(runs, node)
    assert (run["state"], run["trigger"], run["done"], run["total"]) == ("done", "schedule", DEVICES, DEVICES)
