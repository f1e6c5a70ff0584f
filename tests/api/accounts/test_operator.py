"""The operator of the server, who calls the Project API through the local socket, without an account."""

from typing import Any

import httpx
import pytest

from tests.api.accounts.conftest import Connect, Tenant
from tests.api.registry.house import House
from thingstead.api.credentials import OPERATED_PROJECT
from thingstead.model import limits


@pytest.fixture
def operator(house: House, tenant: Tenant, connect: Connect) -> httpx.AsyncClient:
    async def serve(scope: Any, receive: Any, send: Any) -> None:
        await house.app({**scope, OPERATED_PROJECT: tenant.credentials.project_id}, receive, send)

    return connect(serve, "127.0.0.1")


async def ask(operator: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    return (await operator.request(method, f"/api/v1/{path}", json=body)).json()


async def test_it_changes_many_devices_and_begins_jobs(operator: httpx.AsyncClient) -> None:
    rows = [{"name": "d"}] * (limits.DEVICES_PER_REQUEST + 1)
    made = (await ask(operator, "POST", "devices_import", {"devices": rows}))["info"]["items"]
    few = await ask(operator, "POST", "devices_tags", {"devices": [made[0]["id"]], "tags": {"site": "x"}})
    assert few["info"]["done"] == 1
    body = {"filter": {}, "total": len(rows), "tags": {"site": "y"}}
    job = (await ask(operator, "POST", "devices_tags", body))["info"]["job"]
    by = (await ask(operator, "GET", f"job/{job}"))["info"]["by"]
    assert by == {"kind": "cli", "id": "", "name": "operator"}


async def test_an_alarm_names_it(operator: httpx.AsyncClient, tenant: Tenant, house: House) -> None:
    device_id = (await tenant.info("POST", "device", {"name": "d"}))["id"]
    rule = {"name": "hot", "devices": [device_id], "level": 1, "raise": {"attribute": "t", "op": ">", "value": 1}}
    await tenant.info("POST", "alarm_rule", rule)
    await house.settle()
    await house.send(tenant.credentials.project_id, device_id, t=5)
    await house.settle()
    [alarm] = (await ask(operator, "GET", "alarms"))["info"]["items"]
    shown = (await ask(operator, "POST", f"alarm/{alarm['id']}/acknowledge", {}))["info"]
    assert shown["acknowledged_by"] == "operator"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "admin", None),
        ("PUT", "admin/pwd", {"current_password": "x" * 12, "password": "y" * 12}),
        ("GET", "admin/preferences", None),
        ("PUT", "admin/preferences", {"theme": "dark"}),
        ("GET", "device_views", None),
        ("POST", "device_views", {"name": "v", "query": ""}),
        ("DELETE", "device_view/aaaaaaaa", None),
        ("GET", "console/sessions", None),
    ],
)
async def test_what_belongs_to_a_person_is_refused_to_it(
    operator: httpx.AsyncClient, method: str, path: str, body: Any
) -> None:
    answer = await ask(operator, method, path, body)
    assert (answer.get("errcode"), answer.get("code")) == (403, "administrator_only"), answer
