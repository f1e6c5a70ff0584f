"""Customers in SQLite."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.errors import NotFound
from thingstead.model.customer import Customer
from thingstead.model.device import Page
from thingstead.storage.sqlite.access import Access
from thingstead.storage.sqlite.layout import Layout

CUSTOMERS = Layout("customers", Customer, json=("tags",), counted=("device_count",))


class SqliteCustomers:
    """See :class:`~thingstead.storage.base.CustomerStore`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def create(self, customer: Customer) -> None:
        await self._access.write(lambda connection: CUSTOMERS.add(connection, customer))

    async def get(self, project_id: str, customer_id: str) -> Customer:
        row = self._access.one(CUSTOMERS.select_one, (customer_id, project_id))
        if row is None:
            raise NotFound("no such customer")
        return CUSTOMERS.load(row)

    async def list_page(self, project_id: str, page: Page) -> tuple[list[Customer], int]:
        def run(connection: sqlite3.Connection) -> tuple[list[Customer], int]:
            total = connection.execute("SELECT count(*) FROM customers WHERE project_id = ?", (project_id,))
            rows = connection.execute(
                f"{CUSTOMERS.select} WHERE project_id = ? ORDER BY create_time, id LIMIT ? OFFSET ?",
                (project_id, page.records, page.offset),
            )
            return [CUSTOMERS.load(row) for row in rows], total.fetchone()[0]

        return await self._access.read(run)

    async def update(self, project_id: str, customer_id: str, changes: Mapping[str, Any]) -> None:
        await self._access.write(
            lambda connection: CUSTOMERS.update(connection, project_id, customer_id, changes, "customer")
        )

    async def merge_tags(
        self, project_id: str, customer_id: str, put: Mapping[str, str], remove: Sequence[str]
    ) -> None:
        await self._access.write(
            lambda connection: CUSTOMERS.merge_tags(connection, project_id, customer_id, put, remove, "customer")
        )

    async def delete(self, project_id: str, customer_id: str) -> None:
        def run(connection: sqlite3.Connection) -> list[str]:
            bound = connection.execute("SELECT id FROM devices WHERE customer_id = ?", (customer_id,)).fetchall()
            CUSTOMERS.delete(connection, project_id, customer_id, "customer")
            return [device_id for (device_id,) in bound]

        def committed(device_ids: list[str]) -> None:
            for device_id in device_ids:
                self._access.caches.drop_device(device_id)

        await self._access.write(run, committed)
