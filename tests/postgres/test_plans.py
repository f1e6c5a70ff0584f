"""Lists of many devices are read from indexes."""

import psycopg
import pytest

from tests.contract.nouns import project_of
from thingstead.clock import ManualClock
from thingstead.storage.postgres.engine.connection import connect
from thingstead.storage.postgres.store import PostgresStore

DEVICES = 20_000
INSERT = f"""
INSERT INTO devices
    (id, project_id, name, descr, tags, access_token, view_token, device_code, create_time, search_text)
SELECT 'd' || n, 'ours', 'Meter ' || n, '', '{{}}', 'a' || n, 'v' || n, 'c' || n, n, repeat('x', 100)
FROM generate_series(1, {DEVICES}) n
"""
ALARMS = """
INSERT INTO alarms (id, project_id, device_id, rule_id, rule_name, alarm_level, raised_at)
SELECT 'a' || number, 'ours', id, 'r', 'rule', 1, number FROM devices WHERE number % 4 = 0
"""
QUERIES = {
    "SELECT count(*) FROM devices WHERE project_id = 'ours'": "Index Only Scan using devices_of_project",
    "SELECT d.number, d.id FROM devices d LEFT JOIN device_state u ON u.device_number = d.number"
    " WHERE d.project_id = 'ours' ORDER BY coalesce(u.newest_uplink, 0), d.id LIMIT 50": "using devices_of_project",
    "SELECT count(DISTINCT device_id) FROM open_alarms WHERE project_id = 'ours'": "using alarms_open_of_project",
}


@pytest.fixture
async def filled(postgres_url: str) -> str:
    """Address of a database with many devices."""
    async with await PostgresStore.open(postgres_url, ManualClock()) as store:
        await store.projects.create(*project_of("ours"))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for sql in (INSERT, ALARMS, "VACUUM (ANALYZE) devices, alarms"):
            connection.execute(sql.encode())
    return postgres_url


def test_what_lists_ask_of_every_device_is_in_an_index(filled: str) -> None:
    with connect(filled, "tests", 10_000) as connection:
        for sql, expected in QUERIES.items():
            plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {sql}".encode()))
            assert expected in plan, plan
