"""The fence alone keeps what is acknowledged, also where leases are wrong; without it the checker finds the loss."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from tests.faults.checker import reads_see_what_was_acknowledged
from tests.faults.records import Reported, Run, Seen
from tests.postgres.pair import Pair, active
from tests.postgres_server import PostgresServer
from tests.project_api import Certificate, ProjectApi
from thingstead.client import Broker, MqttDevice, PastReport
from thingstead.client import Certificate as DeviceCertificate
from thingstead.errors import Unavailable

BELIEVES_S = 300.0  # how long the first node takes its lease for held, whatever happens
SUSPECTS_S = 2.0  # after what silence the second one takes over
NO_FENCE = """
CREATE OR REPLACE FUNCTION fence(stream bigint) RETURNS xid8 LANGUAGE plpgsql AS
$$ BEGIN RETURN pg_current_xact_id(); END $$
"""


@pytest.fixture
async def pair(tmp_path: Path, postgres_server: PostgresServer) -> AsyncIterator[Pair]:
    database = postgres_server.new_database(empty=True)
    pair = Pair(tmp_path, database)
    yield pair
    await pair.close()
    postgres_server.drop_database(database)


async def reported_to_both(pair: Pair) -> Run:
    """A device reports to the first node, while a second one, which does not hear of it, takes over; people read from
    the second."""
    first = await active(await pair.start("first", BELIEVES_S))
    [credentials] = pair.credentials

    def create() -> Certificate:
        with ProjectApi(f"http://127.0.0.1:{first.http_port}", credentials) as api:
            return api.create_device()

    def read(http_port: int) -> int:
        with ProjectApi(f"http://127.0.0.1:{http_port}", credentials) as api:
            return int(api.attributes(certificate.device_id)["count"])

    certificate = await asyncio.to_thread(create)
    run = Run([], [], [], [], [], {}, [], {}, {})
    keys = DeviceCertificate(certificate.access_token, certificate.project_key)
    async with MqttDevice(keys, Broker("127.0.0.1", first.mqtt_port), timeout_s=1) as device:
        await report(run, device, 1)
        second = await active(await pair.start("second", SUSPECTS_S))
        await report(run, device, 2)
        begun_s = time.monotonic()
        value = await asyncio.to_thread(read, second.http_port)
        run.reads.append(Seen("d", "r", value, begun_s, time.monotonic()))
    return run


async def report(run: Run, device: MqttDevice, value: int) -> None:
    begun_s = time.monotonic()
    try:
        await device.report_past([PastReport(ts=time.time_ns() // 1_000_000, attributes={"count": value})])
    except Unavailable:
        run.reports.append(Reported("d", value, value, begun_s, time.monotonic(), "unknown"))
    else:
        run.reports.append(Reported("d", value, value, begun_s, time.monotonic(), "ok"))


async def test_a_node_that_takes_its_lease_for_held_acknowledges_nothing_after_another_took_over(pair: Pair) -> None:
    run = await reported_to_both(pair)
    assert [report.outcome for report in run.reports] == ["ok", "unknown"]
    assert list(reads_see_what_was_acknowledged(run)) == []


async def test_without_the_fence_it_would_acknowledge_what_others_do_not_see(pair: Pair) -> None:
    first = await active(await pair.start("first"))
    with psycopg.connect(pair.database, autocommit=True) as connection:
        connection.execute(NO_FENCE)
    await pair.end("first")
    del first
    run = await reported_to_both(pair)
    assert [report.outcome for report in run.reports] == ["ok", "ok"]
    assert list(reads_see_what_was_acknowledged(run))
