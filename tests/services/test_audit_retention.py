"""Rows of the audit log go when they are too old, or too many."""

from pathlib import Path
from typing import Any

import pytest

from tests.stores import open_store
from thingstead.clock import ManualClock
from thingstead.config import StorageSettings
from thingstead.model.audit.log import AuditFilter, Author
from thingstead.model.customer import Customer
from thingstead.model.project import Administrator, Application, Project
from thingstead.model.retention import DAY_MS
from thingstead.services.audit.audit import acting
from thingstead.services.audit.retention import AuditRetention
from thingstead.storage.sqlite.store import SqliteStore

PROJECT = Project(id="project1", name="p", project_key="k", view_key="v", view_secret_hash=b"", create_time=0)


class Log:
    """A store with a project, in which somebody adds a customer whenever asked."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.count = 0

    async def change(self, at: int) -> None:
        self.count += 1
        name = f"c{self.count}"
        customer = Customer(id=name, project_id=PROJECT.id, account=name, name=name, password_hash="", create_time=at)
        with acting(Author(kind="cli", at=at)):
            await self.store.customers.create(customer)

    async def names(self) -> list[str]:
        rows = await self.store.audit.list_rows(PROJECT.id, AuditFilter(), 1000)
        return [row.object_name for row in rows]

    async def retain(self, now: int, **settings: Any) -> int:
        retention = AuditRetention(self.store, StorageSettings(**settings))
        await retention.run(now)
        return retention.dropped


@pytest.fixture
async def log(tmp_path: Path) -> Any:
    async with await open_store(tmp_path / "store.db", ManualClock()) as store:
        application = Application(
            id="app1", project_id=PROJECT.id, name="a", access_key="a", secret_hash=b"", create_time=0
        )
        administrator = Administrator(id="admin1", project_id=PROJECT.id, account="a", password_hash="", create_time=0)
        await store.projects.create(PROJECT, application, administrator)
        yield Log(store)


async def test_rows_past_their_days_go_and_the_others_stay(log: Log) -> None:
    for day in (1, 2, 3):
        await log.change(day * DAY_MS)
    assert await log.retain(12 * DAY_MS, audit_retention_days=10) == 1
    assert await log.names() == ["c3", "c2"]
    assert await log.retain(1000 * DAY_MS, audit_retention_days=0) == 0


async def test_the_oldest_beyond_their_number_go(log: Log) -> None:
    for at in range(1, 8):
        await log.change(at)
    assert await log.retain(8, audit_rows_max=7) == 0
    assert await log.retain(8, audit_rows_max=3) == 4
    assert await log.names() == ["c7", "c6", "c5"]
