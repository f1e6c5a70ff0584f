"""A file that is sent while its caller loses the access to it: the rest is not sent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.api.accounts.conftest import PAGE, Browser, Tenant
from tests.api.registry.house import House
from thingstead.services.history.csv_export import CHUNK_POINTS_FIRST

POINTS = 3 * CHUNK_POINTS_FIRST  # at least two pieces of points
Change = Callable[[], Awaitable[Any]]


@pytest.fixture
async def device_id(tenant: Tenant, house: House) -> str:
    found = str((await tenant.info("POST", "device", {"name": "a device"}))["id"])
    for number in range(POINTS):
        await house.report(found, 1_000 + number, power=number)
    return found


async def read(house: House, device_id: str, headers: dict[str, str], meanwhile: Change) -> tuple[list[bytes], bool]:
    """Reads ``history.csv``; ``meanwhile`` is called once its second piece was sent. Returns the pieces, and whether
    the file was complete."""
    pieces: list[bytes] = []
    complete = False
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/api/v1/device/{device_id}/history.csv",
        "query_string": b"identifiers=power&start_time=0&end_time=9999",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("10.0.0.1", 1),
    }

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()  # the peer stays connected
        return {}

    async def send(message: Any) -> None:
        nonlocal complete
        if message["type"] == "http.response.start":
            assert message["status"] == 200
            return
        complete = not message["more_body"]
        pieces.append(message["body"])
        if len(pieces) == 2:
            await meanwhile()

    await house.serve(scope, receive, send)
    return pieces, complete


async def test_it_is_complete_for_who_stays(house: House, tenant: Tenant, device_id: str) -> None:
    async def nothing() -> None:
        pass

    pieces, complete = await read(house, device_id, {"Authorization": f"Bearer {tenant.admin_token}"}, nothing)
    assert complete
    assert len(b"".join(pieces).splitlines()) == 1 + POINTS


async def test_a_log_out_ends_it(house: House, person: Browser, device_id: str) -> None:
    [cookie] = person.client.cookies.jar
    headers = PAGE | {"Host": "thingstead", "Cookie": f"{cookie.name}={cookie.value}"}
    pieces, complete = await read(house, device_id, headers, lambda: person.ask("DELETE", "console/session"))
    assert (len(pieces), complete) == (2, False)


async def test_the_removal_of_its_application_ends_it(house: House, tenant: Tenant, device_id: str) -> None:
    made = await tenant.info("POST", "application", {"name": "reader"})
    keys = {"app_id": made["id"]} | {name: made[name] for name in ("access_key", "secret_key")}
    token = await tenant.token("access_token", keys)

    async def remove() -> None:
        await tenant.info("DELETE", f"application/{made['id']}")

    pieces, complete = await read(house, device_id, {"Authorization": f"Bearer {token}"}, remove)
    assert (len(pieces), complete) == (2, False)


async def test_another_role_ends_the_token_and_the_file(house: House, tenant: Tenant, device_id: str) -> None:
    made = await tenant.info("POST", "admin", {"account": "colleague", "password": "a long password"})
    login = {**tenant.login, "account": "colleague", "password": "a long password"}
    token = await tenant.token("admin_login", login)

    async def demote() -> None:
        await tenant.info("PUT", f"admin/{made['id']}/role", {"role": "viewer"})

    pieces, complete = await read(house, device_id, {"Authorization": f"Bearer {token}"}, demote)
    assert (len(pieces), complete) == (2, False)


async def test_the_removal_of_the_device_ends_it(house: House, tenant: Tenant, device_id: str) -> None:
    async def remove() -> None:
        await tenant.info("DELETE", f"device/{device_id}")

    headers = {"Authorization": f"Bearer {tenant.admin_token}"}
    pieces, complete = await read(house, device_id, headers, remove)
    assert (len(pieces), complete) == (2, False)
