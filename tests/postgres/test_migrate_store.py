"""Moving a server from its data folder into a database, and back."""

import json
import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.contract.nouns import NOW, alarm, alarm_rule, channel, customer, device, device_group, device_type, record
from tests.postgres_server import PostgresServer
from tests.project_api import ProjectApi
from tests.server_process import StartServer, init, thingstead
from thingstead.clock import ManualClock
from thingstead.config import Config
from thingstead.errors import ConfigError, Conflict
from thingstead.model.mqtt_session import KeptSubscription, RetainedMessage, SessionRecord
from thingstead.model.report import EventRecord, Report
from thingstead.server.cluster import transfer
from thingstead.server.cluster.migrating import migrate_store
from thingstead.storage.commit import settled
from thingstead.storage.postgres.offline.archive import PostgresArchive
from thingstead.storage.postgres.offline.backup import copy_out
from thingstead.storage.postgres.store import PostgresStore
from thingstead.storage.sqlite.engine.database import connect
from thingstead.storage.sqlite.store import SqliteStore


@pytest.fixture
def empty(postgres_server: PostgresServer) -> Iterator[str]:
    """Address of an empty database."""
    url = postgres_server.new_database(empty=True)
    yield url
    postgres_server.drop_database(url)


def config_of(folder: Path, url: str) -> Config:
    return Config(data_dir=str(folder), database=url)


def silent(done: int, total: int) -> None:
    assert 0 <= done <= total


async def filled(folder: Path, chance: random.Random) -> dict[str, int]:
    """A data folder with something in most tables; the numbers of its devices."""
    init(folder)
    store = await SqliteStore.open(folder / "thingstead.sqlite", ManualClock())
    [project] = await store.projects.list_all()
    mine = project.id
    for row_id in ("t1", "t2"):
        await store.device_types.create(device_type(row_id, mine))
    await store.customers.create(customer("c1", mine))
    for group_id, parent_id in (("top", None), ("below", "top")):
        await store.device_groups.create(device_group(group_id, mine, parent_id=parent_id))
    await store.devices.create(device("gone", mine))
    numbers = {}
    for n in range(40):
        more = {"gateway_id": "d0", "sub_address": str(n)} if n % 5 == 1 else {}
        made = device(f"d{n}", mine, name=f"水泵 {n} \\ '\"\t", type_id="t1", tags={"k": "v\u00e9"}, **more)
        numbers[made.id] = (await store.devices.create(made)).number
    await store.devices.delete(mine, "gone")
    await store.device_groups.add_devices(mine, "below", ["d1", "d2"])
    await store.devices.bind_customer(mine, "c1", ["d3"], bind=True)
    await store.alarm_rules.create(alarm_rule("r1", mine, device_ids=("d0",), channels=(channel("w1"),)))
    await record(store, alarm("a1", "d0", project_id=mine, rule_id="r1"), state=b"\x80", due_at=NOW)
    for ts in range(300):
        values = {"t": chance.random() * 100, "text": "a\0b", "deep": {"x": [ts, None, True]}}
        report = Report(numbers[f"d{ts % 7}"], NOW + ts, NOW + ts, values)
        store.history.append(report)
        await settled(
            store.events.append(
                EventRecord(id=f"e{ts}", device_id="d0", method="m", params=values, ts=NOW + ts), numbers["d0"]
            )
        )
    await store.history.packer.pack()
    store.mqtt_sessions.put_session(SessionRecord(number=5, client_id="c", expiry_s=60))
    await settled(store.mqtt_sessions.put_subscription(5, KeptSubscription("x" * 9_000, 1, 0)))
    await settled(store.mqtt_sessions.put_retained(RetainedMessage("topic", bytes(range(256)), None)))
    await store.close()
    return numbers


def contents(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of a data folder."""
    with closing(connect(folder / "thingstead.sqlite", read_only=True)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for name in names
            if name not in ("sqlite_stat1", "releases")
        }


async def test_what_goes_into_a_database_and_back_is_the_same_in_every_row(
    tmp_path: Path, empty: str, chance: random.Random
) -> None:
    numbers = await filled(tmp_path / "data", chance)

    there = await migrate_store(config_of(tmp_path / "data", empty), silent)
    back = await migrate_store(config_of(tmp_path / "again", empty), silent, back=True)

    assert there.tables == back.tables
    assert there.tables["events"] == 300
    assert contents(tmp_path / "again") == contents(tmp_path / "data")
    store = await PostgresStore.open(empty, ManualClock())
    [project] = await store.projects.list_all()
    made = await store.devices.create(device("new", project.id, type_id="t1"))
    assert made.number == max(numbers.values()) + 1
    assert (await store.device_types.get(project.id, "t1")).device_count == 41
    await store.close()


async def test_an_interrupted_copy_goes_on_behind_its_last_row_and_is_opened_by_nobody(
    tmp_path: Path, empty: str, chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(tmp_path / "data", chance)
    monkeypatch.setattr(transfer, "ROWS_PER_STEP", 50)

    class Interrupted(Exception):
        pass

    def interrupt(done: int, total: int) -> None:
        with connected(empty) as connection:
            if connection.execute("SELECT count(*) FROM events").fetchone() == (150,):
                raise Interrupted

    with pytest.raises(Interrupted):
        await migrate_store(config_of(tmp_path / "data", empty), interrupt)
    with pytest.raises(ConfigError, match="being filled by thingstead migrate-store"):
        await PostgresStore.open(empty, ManualClock())
    with pytest.raises(Conflict, match="the source is being filled"):
        await migrate_store(config_of(tmp_path / "back", empty), silent, back=True)
    with pytest.raises(ConfigError, match="being filled by thingstead migrate-store"):
        copy_out(empty, tmp_path, silent)
    with pytest.raises(ConfigError, match="being filled by thingstead migrate-store"):
        PostgresArchive(empty)
    other = tmp_path / "other"
    init(other)
    with pytest.raises(Conflict, match="filled from another store"):
        await migrate_store(config_of(other, empty), silent)
    with connected(empty) as connection:  # what was copied is not copied again
        connection.execute("CREATE TABLE seen AS SELECT seq FROM events")
        before = connection.execute("SELECT xmin FROM events ORDER BY seq LIMIT 1").fetchone()

    await migrate_store(config_of(tmp_path / "data", empty), silent)

    with connected(empty) as connection:
        assert connection.execute("SELECT xmin FROM events ORDER BY seq LIMIT 1").fetchone() == before
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (300,)


def connected(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True)


async def test_a_copy_that_differs_from_its_source_is_refused(
    tmp_path: Path, empty: str, chance: random.Random
) -> None:
    await filled(tmp_path / "data", chance)

    def spoil(done: int, total: int) -> None:
        with connected(empty) as connection:
            connection.execute("UPDATE events SET method = 'other' WHERE id = 'e7'")

    with pytest.raises(ConfigError, match="table events differs from its source"):
        await migrate_store(config_of(tmp_path / "data", empty), spoil)


async def test_a_rehearsal_changes_nothing_and_finds_what_cannot_be_kept(
    tmp_path: Path, empty: str, chance: random.Random
) -> None:
    await filled(tmp_path / "data", chance)
    shutil.copytree(tmp_path / "data", tmp_path / "spoiled")

    done = await migrate_store(config_of(tmp_path / "data", empty), silent, rehearse=True)

    assert done.tables["devices"] == 40
    with connected(empty) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
    with closing(connect(tmp_path / "spoiled" / "thingstead.sqlite")) as connection_:
        connection_.execute("UPDATE devices SET descr = 'a' || char(0) || 'b' WHERE id = 'd4'")
    for rehearse in (True, False):
        with pytest.raises(ConfigError, match="NUL"):
            await migrate_store(config_of(tmp_path / "spoiled", empty), silent, rehearse=rehearse)


async def test_a_target_that_holds_a_store_and_a_source_that_is_none_are_refused(
    tmp_path: Path, postgres_url: str
) -> None:
    init(tmp_path / "data")
    await migrate_store(config_of(tmp_path / "data", postgres_url), silent)
    for rehearse in (True, False):
        with pytest.raises(Conflict, match="holds a project already"):
            await migrate_store(config_of(tmp_path / "data", postgres_url), silent, rehearse=rehearse)
    with pytest.raises(Conflict, match="is a data folder already"):
        await migrate_store(config_of(tmp_path / "data", postgres_url), silent, back=True)
    with pytest.raises(ConfigError, match="there is nothing to move"):
        await migrate_store(config_of(tmp_path / "nothing", postgres_url), silent)


@pytest.mark.embedded
def test_a_server_goes_on_over_the_database_with_its_credentials_and_values(
    tmp_path: Path, empty: str, start_server: StartServer
) -> None:
    credentials = init(tmp_path / "data")
    server = start_server()
    with ProjectApi(server.url, credentials) as api:
        made = api.create_device()
    refused = thingstead("migrate-store", "--data-dir", tmp_path / "data", "--database", empty)
    assert refused.returncode == 1
    assert "in use by a running server" in refused.stderr
    server.stop()

    done = thingstead("migrate-store", "--data-dir", tmp_path / "data", "--database", empty, "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tables"]["devices"] == 1
    server = start_server(tmp_path / "node", "--database", empty)
    with ProjectApi(server.url, credentials) as api:
        assert api.device(made.device_id)["id"] == made.device_id
