"""Roles: what a viewer, an operator and an admin may do, decided for every endpoint in its declaration."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest

from tests.api.accounts.conftest import PAGE, PASSWORD, SESSION, Connect, Tenant
from tests.api.accounts.test_every_route import PROTECTED, example_of, query_of
from tests.api.documents.test_openapi import CREDENTIALS, members, operation
from tests.api.registry.house import House
from thingstead.api.endpoint import Access, Endpoint
from thingstead.api.project.routes import ENDPOINTS
from thingstead.model.roles import ADMIN, OPERATOR, ROLES, VIEWER, Role, allows

Callers = Mapping[str, tuple[Role, httpx.AsyncClient]]


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path.removeprefix('/api/v1')}"


@pytest.fixture
async def callers(tenant: Tenant, house: House, connect: Connect) -> Callers:
    """An application, an administrator with a token and one with a session, of each role."""
    made: dict[str, tuple[Role, httpx.AsyncClient]] = {}
    for role in ROLES:
        keys = await tenant.info("POST", "application", {"name": role, "role": role})
        await tenant.info("POST", "admin", {"account": f"a.{role}", "password": PASSWORD, "role": role})
        body = {"app_id": keys["id"], "access_key": keys["access_key"], "secret_key": keys["secret_key"]}
        log_in = {"app_id": tenant.credentials.app_id, "account": f"a.{role}", "password": PASSWORD}
        for kind, token in (
            ("application", await tenant.token("access_token", body)),
            ("administrator", await tenant.token("admin_login", log_in)),
        ):
            made[f"{kind} {role}"] = role, connect(house.serve)
            made[f"{kind} {role}"][1].headers["Authorization"] = f"Bearer {token}"
        browser = connect(house.serve)
        browser.headers.update(PAGE)
        answer = await browser.post(SESSION, json={"account": f"a.{role}", "password": PASSWORD})
        assert answer.json()["info"]["role"] == role
        made[f"session {role}"] = role, browser
    return made


async def send(client: httpx.AsyncClient, endpoint: Endpoint) -> Any:
    path = re.sub(r"\{\w+\}", "nosuch00", endpoint.path)
    response = await client.request(
        endpoint.method, f"{path}?{urlencode(query_of(endpoint))}", json=example_of(endpoint)
    )
    assert response.status_code == 200, (endpoint.path, response.text)
    return response.json()


async def test_every_endpoint_takes_the_roles_that_it_states_and_no_lesser_one(callers: Callers) -> None:
    ending = [endpoint for endpoint in PROTECTED if endpoint.path == SESSION and endpoint.method == "DELETE"]
    for name, (role, client) in callers.items():
        kind = name.split()[0]
        for endpoint in [*(each for each in PROTECTED if each not in ending), *ending]:
            assert endpoint.role is not None
            may = allows(role, endpoint.role)
            may = may and (endpoint.access is Access.CALLER or kind != "application")
            may = may and (endpoint.access is not Access.SESSION or kind == "session")
            answer = await send(client, endpoint)
            assert (answer.get("errcode") == 403) is not may, (name, name_of(endpoint), answer)


async def test_who_may_not_do_something_learns_which_role_it_takes(callers: Callers) -> None:
    for kind in ("application", "administrator", "session"):
        answer = (await callers[f"{kind} viewer"][1].post("/api/v1/device", json={"name": "pump"})).json()
        assert answer["message"] == "this needs the role operator; yours is viewer"


async def test_a_body_of_who_may_not_do_something_is_not_looked_at(callers: Callers) -> None:
    response = await callers["session viewer"][1].post("/api/v1/device", content=b"no json")
    assert response.json()["errcode"] == 403


@pytest.mark.parametrize("access", [Access.CALLER, Access.ADMINISTRATOR, Access.SESSION])
def test_no_endpoint_is_without_a_role(access: Access) -> None:
    declared = msgspec.structs.asdict(PROTECTED[0])
    with pytest.raises(ValueError, match="its role must be stated"):
        Endpoint(**declared | {"role": None, "access": access})


@pytest.mark.parametrize("access", [Access.PUBLIC, Access.DEVICE, Access.PROJECT_KEY])
def test_nobody_needs_a_role_where_there_is_no_caller(access: Access) -> None:
    declared = msgspec.structs.asdict(PROTECTED[0])
    with pytest.raises(ValueError, match="only where there is a caller"):
        Endpoint(**declared | {"role": VIEWER, "access": access})


def test_what_carries_a_credential_is_not_for_viewers() -> None:
    carrying = [each for each in ENDPOINTS if each.role and any(map(CREDENTIALS.search, members(each.info, set())))]
    assert len(carrying) > 8
    assert [name_of(each) for each in carrying if each.role == VIEWER] == []


def test_viewers_read_everything_else_and_change_nothing_but_their_own() -> None:
    reading = [each for each in ENDPOINTS if each.role and each.method == "GET" and not each.confidential]
    of_administrators = {"GET /audit_logs", "GET /server", "GET /console/people/{admin_id}/sessions"}
    assert {name_of(each) for each in reading if each.role != VIEWER} == of_administrators
    changing = {name_of(each) for each in ENDPOINTS if each.role == VIEWER and each.method != "GET"}
    own = {"DELETE /console/session", "DELETE /console/sessions/{session_id}", "PUT /admin/pwd"}
    own |= {
        "POST /device_views",
        "PUT /device_view/{view_id}",
        "DELETE /device_view/{view_id}",
        "PUT /admin/preferences",
    }
    assert changing - own == {"POST /task_preview"}  # which changes nothing


def test_operators_remove_nothing_and_define_nothing() -> None:
    operating = {name_of(each) for each in ENDPOINTS if each.role == OPERATOR}
    assert {
        "POST /control/device/{device_id}/command",
        "POST /device",
        "POST /alarm/{alarm_id}/acknowledge",
    } < operating
    assert [name for name in operating if name.startswith("DELETE")] == []
    defining = ("/device_type", "/notify_group", "/retention", "/application", "/admin", "/project/project_key")
    assert [name for name in operating if name.split()[1].startswith(defining)] == []


def test_the_openapi_document_shows_the_role_of_each_endpoint() -> None:
    for endpoint in ENDPOINTS:
        assert operation(endpoint).get("x-thingstead-role") == endpoint.role
        assert (f"Role: `{endpoint.role}`." in operation(endpoint)["description"]) is (endpoint.role is not None)


async def test_those_who_are_there_already_may_do_everything(tenant: Tenant) -> None:
    assert (await tenant.info("GET", "admin"))["role"] == ADMIN
    [application] = (await tenant.info("GET", "applications"))["items"]
    assert application["role"] == ADMIN
    made = await tenant.info("POST", "admin", {"account": "second", "password": PASSWORD})
    assert (await tenant.info("GET", f"admin/{made['id']}"))["role"] == ADMIN


async def test_another_role_ends_the_tokens_of_an_administrator(callers: Callers, tenant: Tenant) -> None:
    client = callers["administrator operator"][1]
    mine = (await client.get("/api/v1/admin")).json()["info"]["id"]
    await tenant.info("PUT", f"admin/{mine}/role", {"role": OPERATOR})  # as it is
    assert (await client.get("/api/v1/admin")).status_code == 200
    await tenant.info("PUT", f"admin/{mine}/role", {"role": VIEWER})
    assert (await client.get("/api/v1/admin")).status_code == 401
    assert (await callers["session operator"][1].get(SESSION)).status_code == 401
    assert (await tenant.info("GET", f"admin/{mine}"))["role"] == VIEWER


async def test_another_role_counts_for_the_session_that_sets_it_and_ends_the_others(
    callers: Callers, house: House, connect: Connect
) -> None:
    own, elsewhere = callers["session admin"][1], connect(house.serve)
    elsewhere.headers.update(PAGE)
    await elsewhere.post(SESSION, json={"account": "a.admin", "password": PASSWORD})
    mine = (await own.get(SESSION)).json()["info"]["admin"]["id"]
    assert (await own.put(f"/api/v1/admin/{mine}/role", json={"role": VIEWER})).json()["result"] is True
    assert (await own.get(SESSION)).json()["info"]["role"] == VIEWER
    assert (await own.post("/api/v1/device", json={"name": "pump"})).json()["errcode"] == 403
    assert (await elsewhere.get(SESSION)).status_code == 401


async def test_another_role_of_an_application_counts_at_once(callers: Callers, tenant: Tenant) -> None:
    client = callers["application admin"][1]
    [application] = [each for each in (await tenant.info("GET", "applications"))["items"] if each["name"] == "admin"]
    assert (await client.post("/api/v1/device", json={"name": "pump"})).json()["result"] is True
    await tenant.info("PUT", f"application/{application['id']}/role", {"role": VIEWER})
    assert (await client.post("/api/v1/device", json={"name": "pump"})).json()["errcode"] == 403
    assert (await client.get("/api/v1/devices")).json()["result"] is True
    assert (await tenant.info("GET", f"application/{application['id']}"))["role"] == VIEWER


async def test_the_role_of_an_administrator_counts_whatever_the_application_may_do(tenant: Tenant) -> None:
    [application] = (await tenant.info("GET", "applications"))["items"]
    await tenant.info("PUT", f"application/{application['id']}/role", {"role": VIEWER})
    assert (await tenant.admin("POST", "device", {"name": "pump"}))["result"] is True
    assert (await tenant.app("POST", "device", {"name": "pump"}))["errcode"] == 403


async def test_the_last_admin_keeps_the_role_and_stays(tenant: Tenant) -> None:
    mine = (await tenant.info("GET", "admin"))["id"]
    await tenant.info("POST", "admin", {"account": "viewer", "password": PASSWORD, "role": VIEWER})
    for role in (VIEWER, OPERATOR):
        refused = await tenant.admin("PUT", f"admin/{mine}/role", {"role": role})
        assert refused["errcode"] == 409
    assert (await tenant.admin("DELETE", f"admin/{mine}"))["errcode"] == 409
    assert (await tenant.info("GET", "admin"))["role"] == ADMIN
    await tenant.info("POST", "admin", {"account": "second", "password": PASSWORD})
    await tenant.info("PUT", f"admin/{mine}/role", {"role": OPERATOR})


async def test_two_admins_who_demote_each_other_at_once_leave_one(tenant: Tenant, house: House) -> None:
    mine = (await tenant.info("GET", "admin"))["id"]
    other = (await tenant.info("POST", "admin", {"account": "second", "password": PASSWORD}))["id"]
    accounts, project_id = house.platform.accounts, tenant.credentials.project_id
    results = await asyncio.gather(
        *(accounts.set_administrator_role(project_id, each, VIEWER) for each in (mine, other)), return_exceptions=True
    )
    assert [result for result in results if result is None] == [None]
    roles = [each.role for each in await accounts.list_administrators(project_id)]
    assert sorted(roles) == [ADMIN, VIEWER]


@pytest.mark.parametrize("role", ["root", "", None, 1, "Admin"])
async def test_there_is_no_other_role(tenant: Tenant, role: Any) -> None:
    mine = (await tenant.info("GET", "admin"))["id"]
    answer = await tenant.admin("PUT", f"admin/{mine}/role", {"role": role})
    assert (answer["errcode"], answer["errors"][0]["field"]) == (400, "role")


async def test_everybody_may_change_the_own_password_who_knows_it(callers: Callers) -> None:
    client = callers["session viewer"][1]
    new = "a longer password"
    wrong = (await client.put("/api/v1/admin/pwd", json={"current_password": "wrong", "password": new})).json()
    assert (wrong["errcode"], wrong["errors"][0]["field"]) == (400, "current_password")
    right = {"current_password": PASSWORD, "password": new}
    assert (await client.put("/api/v1/admin/pwd", json=right)).json()["result"] is True
    assert (await client.get(SESSION)).status_code == 200
    assert (await callers["administrator viewer"][1].get("/api/v1/admin")).status_code == 401
    assert (await client.post(SESSION, json={"account": "a.viewer", "password": PASSWORD})).json()["errcode"] == 401
    assert (await client.post(SESSION, json={"account": "a.viewer", "password": new})).json()["result"] is True


async def test_guessing_the_present_password_is_slowed_down(callers: Callers) -> None:
    client = callers["session viewer"][1]
    statuses = []
    for n in range(11):
        body = {"current_password": f"guess {n}", "password": "a longer password"}
        statuses.append((await client.put("/api/v1/admin/pwd", json=body)).status_code)
    assert statuses == [200] * 10 + [429]


async def test_it_is_told_when_somebody_logged_in_last(tenant: Tenant, house: House, connect: Connect) -> None:
    made = await tenant.info("POST", "admin", {"account": "second", "password": PASSWORD, "role": VIEWER})
    shown = await tenant.info("GET", f"admin/{made['id']}")
    assert (shown["last_login_at"], shown["create_time"]) == (0, house.clock.now_ms())
    house.clock.advance(1_000)
    browser = connect(house.serve)
    await browser.post(SESSION, json={"account": "second", "password": PASSWORD}, headers=PAGE)
    assert (await tenant.info("GET", f"admin/{made['id']}"))["last_login_at"] == house.clock.now_ms()
