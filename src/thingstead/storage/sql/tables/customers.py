"""Customers in SQLite."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.errors import NotFound
from thingstead.model.customer import Customer
from thingstead.model.device import Page
from thingstead.model.values.unicode_text import account_key, search_form
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout
from thingstead.storage.sql.tables.accounts import check_account_is_free
from thingstead.storage.sql.tables.paging import Order, in_project, read_page


def search_text(customer: Customer) -> str:
    """What a keyword is looked for in: a line for each text."""
    texts = (customer.name, customer.account, customer.id, customer.email, customer.mobile, customer.descr)
    return search_form("\n".join(texts))


CUSTOMERS = Layout(
    "customers",
    Customer,
    json=("tags",),
    counted=("device_count",),
    kind="customer",
    secret=("password_hash",),
    derived={"account_key": lambda customer: account_key(customer.account), "search_text": search_text},
)
DEVICES_PER_STEP = 500  # unbound in one transaction when a customer is deleted

_UNBIND_SOME = """
UPDATE devices SET customer_id = NULL
WHERE number IN (SELECT number FROM devices WHERE customer_id = ? LIMIT ?) RETURNING id
"""


class SqlCustomers:
    """See :class:`~thingstead.storage.base.CustomerStore`."""

    def __init__(self, access: Queries) -> None:
        self._access = access

    async def create(self, customer: Customer) -> None:
        def run(connection: Connection) -> None:
            check_account_is_free(connection, "customers", customer.project_id, customer.account)
            CUSTOMERS.add(connection, customer)

        await self._access.write(run)

    async def get(self, project_id: str, customer_id: str) -> Customer:
        row = await self._access.one(CUSTOMERS.select_one, (customer_id, project_id))
        if row is None:
            raise NotFound("no_such_customer")
        return CUSTOMERS.load(row)

    async def list_page(self, project_id: str, page: Page, keyword: str | None = None) -> tuple[list[Customer], int]:
        where, parameters = in_project(project_id, keyword)

        def run(connection: Connection) -> tuple[list[Customer], int]:
            order = Order(("name" if page.by_name else "create_time", "id"), page.descending)
            rows, total = read_page(
                connection, CUSTOMERS.select, "customers", where, parameters, order, page, by_id=True
            )
            return [CUSTOMERS.load(row) for row in rows], total

        return await self._access.read(run)

    async def update(self, project_id: str, customer_id: str, changes: Mapping[str, Any]) -> None:
        def run(connection: Connection) -> None:
            CUSTOMERS.update(connection, project_id, customer_id, changes, "no_such_customer")
            CUSTOMERS.derive(connection, project_id, customer_id)

        await self._access.write(run)

    async def merge_tags(
        self, project_id: str, customer_id: str, put: Mapping[str, str], remove: Sequence[str]
    ) -> None:
        await self._access.write(
            lambda connection: CUSTOMERS.merge_tags(
                connection, project_id, customer_id, put, remove, "no_such_customer"
            )
        )

    async def delete(self, project_id: str, customer_id: str) -> None:
        def step(connection: Connection) -> list[str]:
            if not CUSTOMERS.exists(connection, project_id, customer_id):
                raise NotFound("no_such_customer")
            unbound = connection.execute(_UNBIND_SOME, (customer_id, DEVICES_PER_STEP)).fetchall()
            if len(unbound) < DEVICES_PER_STEP:
                CUSTOMERS.delete(connection, project_id, customer_id, "no_such_customer")
            return [device_id for (device_id,) in unbound]

        def committed(device_ids: list[str]) -> None:
            for device_id in device_ids:
                self._access.caches.drop_device(device_id)

        unbound = await self._access.write(step, committed)
        while len(unbound) == DEVICES_PER_STEP:
            unbound = await self._access.write(step, committed)
