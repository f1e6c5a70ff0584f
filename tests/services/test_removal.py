"""A removed device is gone at once; what is kept of it goes in steps, none of which holds anybody up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.contract.nouns import customer, device, device_group, project_of
from tests.services.archive import Opening
from tests.stores import ask, connection_to
from thingstead.bus.local import LocalBus
from thingstead.clock import ManualClock
from thingstead.errors import NotFound
from thingstead.model.alarms.alarm import AlarmFilter
from thingstead.model.device import Page
from thingstead.model.messages import DeviceRemoved
from thingstead.services.history.removal import RemovalService
from thingstead.storage.sql.history import removal
from thingstead.storage.sql.store import SqlStore
from thingstead.storage.sql.tables import customers, device_groups
from thingstead.storage.sql.tables import devices as sqlite_devices

ROWS = 3_000
TABLES = ("events", "commands", "alarms", "alarm_logs", "notices", "notify_logs")
FILL = """
WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < {rows})
INSERT INTO {table} ({columns}) SELECT {values} FROM n
"""
COLUMNS = {
    "events": ("id, device_id, method, params, ts", "'e' || n, '{0}', 'boot', '{{}}', n"),
    "commands": (
        "id, project_id, device_id, method, params, command_id, state, reason, reply, create_time, expire_time,"
        " update_time, open",
        "'{0}c' || n, 'ours', '{0}', 'm', 'null', 1, CASE n WHEN 1 THEN 'queued' ELSE 'replied' END, '', 'null',"
        " n, n, n, CASE n WHEN 1 THEN 1 ELSE 0 END",
    ),
    "alarms": (
        "id, project_id, device_id, rule_id, rule_name, alarm_level, raised_at, cleared_at",
        "'{0}a' || n, 'ours', '{0}', 'r', 'r', 1, n, CASE n WHEN 1 THEN NULL ELSE n END",
    ),
    "alarm_logs": (
        "id, alarm_id, project_id, device_id, rule_id, alarm_status, alarm_level, alarm_info, ts, create_time",
        "'{0}a' || n, '{0}a' || n, 'ours', '{0}', 'r', 1, 1, '{{}}', n, n",
    ),
    "notices": (
        "id, project_id, device_id, rule_id, message_id, channel_id, channel_kind, kind, body, state, create_time,"
        " expire_time, update_time",
        "'{0}n' || n, 'ours', '{0}', 'r', '{0}a' || n, 'ch', 'webhook', 'alarm', '{{}}', 'sent', n, n, n",
    ),
    "notify_logs": (
        "notice_seq, project_id, device_id, target, state, message, took_ms, ts",
        "(SELECT seq FROM notices WHERE id = '{0}n' || n), 'ours', '{0}', 't', 'sent', '', 1, n",
    ),
}


def fill(store: SqlStore, device_id: str, rows: int) -> None:
    """Rows of every table that hangs on a device."""
    with connection_to(store) as connection:
        for table, (columns, values) in COLUMNS.items():
            connection.execute(FILL.format(rows=rows, table=table, columns=columns, values=values.format(device_id)))


def counts(store: SqlStore, device_id: str) -> dict[str, int]:
    """How many rows each table has of a device."""
    with connection_to(store) as reader:
        return {
            table: reader.execute(f"SELECT count(*) FROM {table} WHERE device_id = ?", (device_id,)).fetchone()[0]
            for table in TABLES
        }


async def drained(store: SqlStore) -> None:
    """Returns when nothing is left of removed devices."""
    async with asyncio.timeout(30):
        while ask(store, "SELECT 1 FROM removed_devices"):
            await store.database.write(lambda _: None)  # the next commit


@asynccontextmanager
async def store_in(opening: Opening) -> AsyncIterator[SqlStore]:
    async with await opening(ManualClock()) as store:
        await store.projects.create(*project_of("ours"))
        for device_id in ("gone", "stays"):
            await store.devices.create(device(device_id))
            fill(store, device_id, ROWS if device_id == "gone" else 5)
        yield store


@pytest.fixture
async def store(opening: Opening) -> AsyncIterator[SqlStore]:
    async with store_in(opening) as store:
        yield store


async def test_a_device_with_many_rows_is_gone_at_once_and_its_rows_go_in_steps(store: SqlStore) -> None:
    await store.devices.delete("ours", "gone")

    left = counts(store, "gone")
    assert sum(left.values()) > 0
    dropped = len(TABLES) * ROWS - sum(left.values()) - 1  # the open command went with the device
    assert dropped <= sqlite_devices.STEPS_AT_ONCE * removal.ROWS_PER_DELETE
    messages, total = await store.alarms.list_page("ours", AlarmFilter(), Page(records=100))
    assert ({message.device_id for message in messages}, total) == ({"stays"}, 5)
    alarms, total = await store.alarms.list_alarms("ours", AlarmFilter(), Page(records=100))
    assert ({alarm.device_id for alarm in alarms}, total) == ({"stays"}, 5)
    assert (await store.devices.stat("ours", 0)).alarm_device_total == 1
    assert await store.commands.list_open("gone") == []

    while await store.retention.drop_removed():
        pass
    assert set(counts(store, "gone").values()) == {0}
    assert set(counts(store, "stays").values()) == {5}


async def test_the_rest_goes_by_itself_once_a_removal_is_told(store: SqlStore) -> None:
    bus = LocalBus()
    service = RemovalService(store, bus)
    service.start()
    await drained(store)
    await store.devices.delete("ours", "gone")
    assert sum(counts(store, "gone").values()) > 0

    bus.publish(DeviceRemoved("gone"))

    await drained(store)
    assert set(counts(store, "gone").values()) == {0}
    await service.close()
    await bus.close()


async def test_of_several_removed_devices_one_after_another_goes(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_devices, "STEPS_AT_ONCE", 0)
    for device_id in ("gone", "stays"):
        await store.devices.delete("ours", device_id)
    while await store.retention.drop_removed():
        pass
    assert set(counts(store, "gone").values()) | set(counts(store, "stays").values()) == {0}


async def test_what_an_earlier_run_left_goes_after_the_start(store: SqlStore) -> None:
    await store.devices.delete("ours", "gone")
    service = RemovalService(store, LocalBus())
    service.start()
    await drained(store)
    assert set(counts(store, "gone").values()) == {0}
    await service.close()


async def test_a_commit_that_comes_while_a_device_is_dropped_is_not_held_up(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two steps the writer takes what waits."""
    monkeypatch.setattr(sqlite_devices, "STEPS_AT_ONCE", 0)
    await store.devices.delete("ours", "gone")
    while await store.retention.drop_removed():
        left = sum(counts(store, "gone").values())
        await store.devices.merge_tags("ours", "stays", {"left": str(left)}, ())
    assert (await store.devices.get("ours", "stays")).tags == {"left": "0"}


@pytest.mark.parametrize("bound", range(5))
async def test_a_customer_and_a_group_with_many_devices_go_in_steps(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, bound: int
) -> None:
    monkeypatch.setattr(customers, "DEVICES_PER_STEP", 2)
    monkeypatch.setattr(device_groups, "MEMBERS_PER_STEP", 2)
    await store.customers.create(customer("c"))
    await store.device_groups.create(device_group("g"))
    device_ids = [f"d{number}" for number in range(bound)]
    for device_id in device_ids:
        await store.devices.create(device(device_id, customer_id="c"))
    await store.device_groups.add_devices("ours", "g", device_ids)

    await store.customers.delete("ours", "c")
    await store.device_groups.delete("ours", "g")

    for device_id in device_ids:
        assert (await store.devices.get("ours", device_id)).customer_id is None
    for gone in (store.customers.get("ours", "c"), store.device_groups.get("ours", "g")):
        with pytest.raises(NotFound):
            await gone
    assert ask(store, "SELECT * FROM device_group_members") == []
