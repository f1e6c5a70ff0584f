"""Events, commands, alarms and notices go by age and number; what is open stays; an older folder is warned first."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import structlog

from tests.contract.nouns import device, project_of
from tests.services.archive import Opening
from tests.services.test_removal import COLUMNS, FILL
from tests.stores import ask, connection_to, warnings_of
from thingstead.clock import ManualClock
from thingstead.config import StorageSettings
from thingstead.model.command import Command, CommandState
from thingstead.model.report import EventRecord
from thingstead.model.retention import DAY_MS
from thingstead.services.history.log_retention import GRACE_DAYS, LogRetention
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.store import SqlStore

NOW = 1_700_000_000_000
NO_BOUNDS = {
    "event_retention_days": 0,
    "events_per_device_max": 0,
    "command_retention_days": 0,
    "commands_per_device_max": 0,
    "alarms_per_device_max": 0,
    "notices_per_device_max": 0,
}


class Logs:
    """A store with three devices, of which ``busy`` has many rows."""

    def __init__(self, store: SqlStore, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock

    def retention(self, **settings: int) -> LogRetention:
        return LogRetention(self.store, self.clock, msgspec.convert({**NO_BOUNDS, **settings}, StorageSettings))

    def fill(self, table: str, device_id: str, rows: int) -> None:
        """Rows of a table whose instants are 1, 2, 3 … ms; the first of the commands and alarms is open."""
        columns, values = COLUMNS[table]
        sql = FILL.format(rows=rows, table=table, columns=columns, values=values.format(device_id))
        with connection_to(self.store) as connection:
            connection.execute(sql)

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return ask(self.store, sql, parameters)

    def count(self, table: str, device_id: str) -> int:
        return int(self.query(f"SELECT count(*) FROM {table} WHERE device_id = ?", device_id)[0][0])

    async def event(self, device_id: str, number: int, age_days: int) -> None:
        ts = self.clock.now_ms() - age_days * DAY_MS
        event = EventRecord(id="e", device_id=device_id, method="boot", params={}, ts=ts)
        await settled(self.store.events.append(event, number))


@pytest.fixture
async def logs(opening: Opening) -> AsyncIterator[Logs]:
    clock = ManualClock(NOW)
    async with await opening(clock) as store:
        await store.projects.create(*project_of("ours"))
        for device_id in ("busy", "calm", "quiet"):
            await store.devices.create(device(device_id))
        yield Logs(store, clock)


async def test_an_event_goes_when_it_is_older_than_its_days_and_not_before(logs: Logs) -> None:
    for age in (0, 9, 10, 11, 400):
        await logs.event("calm", 2, age)
    retention = logs.retention(event_retention_days=10)
    await retention.run()
    assert sorted((NOW - ts) // DAY_MS for (ts,) in logs.query("SELECT ts FROM events")) == [0, 9, 10]
    assert retention.dropped["event"] == 2
    logs.clock.advance(DAY_MS)
    await retention.run()
    assert sorted((NOW - ts) // DAY_MS for (ts,) in logs.query("SELECT ts FROM events")) == [0, 9]


@pytest.mark.parametrize(
    ("table", "setting", "open_rows"),
    [
        ("events", "events_per_device_max", 0),
        ("commands", "commands_per_device_max", 1),
        ("alarms", "alarms_per_device_max", 1),
        ("notices", "notices_per_device_max", 0),
    ],
)
async def test_of_each_device_the_newest_rows_stay_and_what_is_open(
    logs: Logs, table: str, setting: str, open_rows: int
) -> None:
    logs.fill(table, "busy", 1_500)
    logs.fill(table, "calm", 100)
    retention = logs.retention(**{setting: 100})
    await retention.run()
    assert logs.count(table, "busy") == 100 + open_rows
    assert logs.count(table, "calm") == 100
    seqs = [seq for (seq,) in logs.query(f"SELECT seq FROM {table} WHERE device_id = 'busy' ORDER BY seq")]
    assert seqs[open_rows:] == list(range(1_401, 1_501))


async def test_after_the_first_look_only_devices_with_new_rows_are_looked_at(logs: Logs) -> None:
    retention = logs.retention(events_per_device_max=3)
    await retention.run()
    assert await logs.store.log_retention.drop_excess("event", 3) is None
    for _ in range(5):
        await logs.event("busy", 1, 0)
    assert await logs.store.log_retention.drop_excess("event", 3) == 2
    assert await logs.store.log_retention.drop_excess("event", 3) is None
    assert logs.count("events", "busy") == 3


async def test_commands_that_are_open_are_kept_however_old_they_are(logs: Logs) -> None:
    states: dict[str, CommandState] = {"c1": "queued", "c2": "delivered", "c3": "replied", "c4": "expired"}
    for row_id, state in states.items():
        await logs.store.commands.create(
            Command(
                id=row_id, project_id="ours", device_id="calm", method="m", params={}, command_id=1,
                state=state, create_time=1, expire_time=2, update_time=1,
            )
        )  # fmt: skip
    await logs.retention(command_retention_days=1).run()
    assert logs.query("SELECT id FROM commands ORDER BY id") == [("c1",), ("c2",)]


async def test_alarms_that_go_are_still_counted_by_their_rule(logs: Logs) -> None:
    with connection_to(logs.store) as connection:
        connection.execute(
            "INSERT INTO alarm_rules (id, project_id, name, descr, enabled, body, failing, create_time, update_time)"
            " VALUES ('r', 'ours', 'r', '', 1, '{}', '', 0, 0)"
        )
    logs.fill("alarms", "busy", 300)
    await logs.retention(alarms_per_device_max=10).run()
    assert logs.count("alarms", "busy") == 11
    assert logs.query("SELECT alarms FROM alarm_totals") == [(289,)]


async def test_a_folder_of_an_earlier_release_is_named_what_will_go_for_a_week_first(logs: Logs) -> None:
    with connection_to(logs.store) as connection:
        connection.execute("INSERT INTO log_retention_grace VALUES (NULL)")
    await logs.event("calm", 2, 20)
    await logs.event("busy", 1, 2)  # is kept for as long as the test lasts
    await logs.store.log_retention.put_clock(NOW, None)  # of an hour ago, not of that event
    logs.fill("notices", "busy", 50)
    retention = logs.retention(event_retention_days=10, notices_per_device_max=20)
    with structlog.testing.capture_logs() as entries:
        await retention.run()
        await retention.run()
    named = {entry["kind"]: entry for entry in warnings_of(entries)}
    assert len(entries) == len(named) == 2
    assert (named["event"]["rows_past_their_days"], named["notice"]["rows_beyond_their_number"]) == (1, 30)
    assert named["event"]["begins"] == "2023-11-21T22:13:20.000Z"
    for day in range(1, GRACE_DAYS):
        logs.clock.advance(DAY_MS)
        with structlog.testing.capture_logs() as entries:
            await logs.retention(event_retention_days=10).run()
        assert (len(entries), logs.count("events", "calm")) == (1, 1), day
    logs.clock.advance(DAY_MS)
    await retention.run()
    assert (logs.count("events", "calm"), logs.count("notices", "busy")) == (0, 20)
