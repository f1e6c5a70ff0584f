"""A pair of nodes under faults: what clients saw is checked against what the product promises."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.conftest import seed_of
from tests.faults.checker import check
from tests.faults.nemesis import BUSY_S, PROMISED_S, Nemesis, SmallDisk, draw
from tests.faults.nodes import Cluster
from tests.faults.plant import Plant
from tests.faults.records import Run
from tests.postgres_server import PostgresServer
from thingstead.client import mqtt_session
from thingstead.services.registry.projects import Credentials

FOLDER_VARIABLE = "FAULTS_FOLDER"  # where the records and the logs of the nodes are kept
ALONE_VARIABLE = "FAULTS_ALONE"  # nothing else keeps the machine busy
SECONDS_VARIABLE, FAULTS_SEED_VARIABLE = "FAULTS_SECONDS", "FAULTS_SEED"
SECONDS = float(os.environ.get(SECONDS_VARIABLE, "60"))
DISK_BYTES = 1 << 30


@pytest.fixture
def disk() -> Iterator[SmallDisk | None]:
    """A small file system for the database; None where none can be mounted."""
    try:
        disk = SmallDisk(DISK_BYTES)
    except OSError:
        yield None
        return
    yield disk
    disk.close()


@pytest.fixture
async def cluster(
    tmp_path: Path, postgres_server: PostgresServer, disk: SmallDisk | None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Cluster]:
    """A pair over a server of its own that waits for its disk, since it is killed."""
    monkeypatch.setattr(mqtt_session, "PAUSE_MAX_S", 1.0)  # devices try again soon, so that a short run sees much
    settings = {"fsync": "on", "full_page_writes": "on"}
    server = PostgresServer(postgres_server.programs, settings, disk.path if disk is not None else None).start()
    cluster = Cluster(tmp_path, server)
    try:
        yield await cluster.start()
    finally:
        await cluster.close()
        server.close()


def keep(folder: Path, cluster: Cluster, run: Run, problems: list[str]) -> None:
    """Writes down what was recorded, for whoever looks for the reason."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_bytes(msgspec.json.encode({"problems": problems, **run._asdict()}))
    for node in cluster.nodes:
        records = [record for process in node.runs for record in process.records]
        lines = [msgspec.json.encode(record).decode() for record in records]
        (folder / f"{node.name}.log").write_text("\n".join(lines))


@pytest.mark.timeout(SECONDS + 240)
async def test_what_was_promised_holds_under_faults(
    cluster: Cluster, disk: SmallDisk | None, request: pytest.FixtureRequest
) -> None:
    seed = int(os.environ.get(FAULTS_SEED_VARIABLE) or seed_of(request.config))
    print(f"{FAULTS_SEED_VARIABLE}={seed} {SECONDS_VARIABLE}={SECONDS:g} repeats this schedule")  # noqa: T201
    alone = os.environ.get(ALONE_VARIABLE) is not None
    recovery_s = PROMISED_S if alone else BUSY_S
    nemesis = Nemesis(cluster, disk, recovery_s=recovery_s)
    credentials = msgspec.json.decode(cluster.credentials_json, type=Credentials)
    plant = Plant(cluster, credentials, random.Random(seed))
    await plant.set_up()
    run = await plant.work(nemesis, nemesis.play(draw(seed, SECONDS), SECONDS))
    acknowledged = sum(report.outcome == "ok" for report in run.reports)
    print(  # noqa: T201
        f"{acknowledged} reports acknowledged of {len(run.reports)}, {len(run.reads)} reads, {len(run.commands)} states"
        f" of commands, {len(run.alarms)} alarms; skipped: {nemesis.skipped}"
    )
    problems = nemesis.problems + check(run)
    if folder := os.environ.get(FOLDER_VARIABLE):
        keep(Path(folder), cluster, run, problems)
    assert not problems, "\n".join(problems)
    assert acknowledged > (10 if alone else 0.2) * SECONDS, "the run shows little"  # a busy machine is slow to recover
    assert run.reads
    await asyncio.sleep(0)
