"""A job whose caller loses the access to what it does: the rest is not done."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.api.accounts.conftest import Tenant
from tests.api.registry.house import House
from thingstead.model import limits

COUNT = limits.DEVICES_PER_REQUEST + 1
Begin = Callable[[str, str, dict[str, Any]], Awaitable[str]]


@pytest.fixture
async def begin(tenant: Tenant) -> Begin:
    """Begins a job over all devices with a token."""
    await tenant.info("POST", "devices_import", {"devices": [{"name": "d"}] * COUNT})

    async def make(token: str, path: str, what: dict[str, Any]) -> str:
        answer = (await tenant.ask(token, "POST", path, {"filter": {}, "total": COUNT, **what})).json()
        return str(answer["info"]["job"])

    return make


@pytest.mark.parametrize(
    ("path", "what", "role", "state"),
    [
        ("devices_tags", {"tags": {"a": "b"}}, None, "cancelled"),
        ("devices_tags", {"tags": {"a": "b"}}, "viewer", "cancelled"),
        ("devices_tags", {"tags": {"a": "b"}}, "operator", "done"),
        ("devices_remove", {}, "operator", "cancelled"),
    ],
)
async def test_the_job_of_an_administrator(
    house: House, tenant: Tenant, begin: Begin, path: str, what: dict[str, Any], role: str | None, state: str
) -> None:
    made = await tenant.info("POST", "admin", {"account": "colleague", "password": "a long password"})
    login = {**tenant.login, "account": "colleague", "password": "a long password"}
    job = await begin(await tenant.token("admin_login", login), path, what)
    if role is None:
        await tenant.info("DELETE", f"admin/{made['id']}")
    else:
        await tenant.info("PUT", f"admin/{made['id']}/role", {"role": role})
    await house.platform.jobs.run()
    found = await tenant.info("GET", f"job/{job}")
    assert (found["state"], found["done"]) == (state, COUNT if state == "done" else 0)


async def test_the_job_of_an_application_that_was_removed(house: House, tenant: Tenant, begin: Begin) -> None:
    made = await tenant.info("POST", "application", {"name": "mover"})
    keys = {"app_id": made["id"]} | {name: made[name] for name in ("access_key", "secret_key")}
    job = await begin(await tenant.token("access_token", keys), "devices_tags", {"tags": {"a": "b"}})
    await tenant.info("DELETE", f"application/{made['id']}")
    await house.platform.jobs.run()
    assert (await tenant.info("GET", f"job/{job}"))["state"] == "cancelled"
