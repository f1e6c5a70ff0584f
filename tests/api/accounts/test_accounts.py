"""Applications and administrators: for administrators only, secrets shown once, tokens that end at once."""

from typing import Any

import pytest

from tests.api.accounts.conftest import PASSWORD, Tenant
from tests.api.registry.house import House
from thingstead.model import limits

ADMINISTRATORS_ONLY = [
    ("GET", "applications", None),
    ("POST", "application", {"name": "x"}),
    ("GET", "application/{app}", None),
    ("DELETE", "application/{app}", None),
    ("PUT", "application/{app}/info", {"name": "x"}),
    ("POST", "application/{app}/secret_reset", None),
    ("GET", "admin", None),
    ("GET", "admins", None),
    ("POST", "admin", {"account": "x", "password": PASSWORD}),
    ("GET", "admin/{admin}", None),
    ("DELETE", "admin/{admin}", None),
    ("PUT", "admin/{admin}/info", {"name": "x"}),
    ("PUT", "admin/{admin}/pwd", {"password": PASSWORD}),
]


@pytest.fixture
async def admin_id(tenant: Tenant) -> str:
    """The administrator who is logged in."""
    return str((await tenant.info("GET", "admin"))["id"])


@pytest.fixture
async def second(tenant: Tenant, house: House) -> Any:
    """The keys of another, younger application of the project."""
    house.clock.advance(1)
    return await tenant.info("POST", "application", {"name": "panel"})


def keys(application: dict[str, Any]) -> dict[str, str]:
    """The body of ``access_token``."""
    return {"app_id": application["id"], **{k: application[k] for k in ("access_key", "secret_key")}}


async def status(tenant: Tenant, token: str) -> int:
    return (await tenant.ask(token, "GET", "project")).status_code


@pytest.mark.parametrize(("method", "path", "body"), ADMINISTRATORS_ONLY)
async def test_an_application_cannot_manage_accounts(
    tenant: Tenant, admin_id: str, method: str, path: str, body: Any
) -> None:
    path = path.format(app=tenant.credentials.app_id, admin=admin_id)
    answer = await tenant.app(method, path, body)
    assert (answer["result"], answer["errcode"]) == (False, 403)
    assert await status(tenant, tenant.app_token) == await status(tenant, tenant.admin_token) == 200


@pytest.mark.parametrize(("method", "path", "body"), [case for case in ADMINISTRATORS_ONLY if "{" in case[1]])
async def test_another_projects_accounts_do_not_exist(
    tenant: Tenant, neighbor: Tenant, admin_id: str, method: str, path: str, body: Any
) -> None:
    path = path.format(app=tenant.credentials.app_id, admin=admin_id)
    assert (await neighbor.admin(method, path, body))["errcode"] == 404
    assert await status(tenant, tenant.app_token) == await status(tenant, tenant.admin_token) == 200


async def test_the_administrator_who_is_logged_in(tenant: Tenant) -> None:
    info = await tenant.info("GET", "admin")
    assert info == {"id": info["id"], "account": "admin", "name": "", "email": "", "tags": {}, **shown_of(info)}


# Applications


def shown_of(info: dict[str, Any]) -> dict[str, Any]:
    """What an administrator is shown beside what the reference has."""
    return {name: info[name] for name in ("role", "create_time", "last_login_at", "version")}


async def test_the_secret_of_an_application_is_shown_once(tenant: Tenant, second: dict[str, Any]) -> None:
    assert second.keys() == {"id", "name", "access_key", "secret_key"}
    assert await tenant.token("access_token", keys(second))
    shown = await tenant.info("GET", f"application/{second['id']}")
    assert shown.keys() == {"id", "name", "access_key", "create_time", "role", "version"}
    items = (await tenant.info("GET", "applications"))["items"]
    assert [item["name"] for item in items] == ["API", "panel"]
    assert all(item.keys() == shown.keys() for item in items)


async def test_a_reset_ends_keys_and_tokens_at_once(tenant: Tenant, second: dict[str, Any]) -> None:
    token = await tenant.token("access_token", keys(second))
    renewed = await tenant.info("POST", f"application/{second['id']}/secret_reset")
    assert renewed["id"] == second["id"]
    assert await status(tenant, token) == 401
    old = (await tenant.client.post("/api/v1/access_token", json=keys(second))).json()
    assert old["errcode"] == 401
    assert await status(tenant, await tenant.token("access_token", keys(renewed))) == 200


async def test_a_reset_ends_what_a_login_through_the_application_gave(tenant: Tenant, second: dict[str, Any]) -> None:
    token = await tenant.token("admin_login", tenant.login | {"app_id": second["id"]})
    await tenant.info("POST", f"application/{second['id']}/secret_reset")
    assert await status(tenant, token) == 401
    assert await status(tenant, tenant.admin_token) == 200


async def test_removing_an_application_ends_its_tokens_at_once(tenant: Tenant, second: dict[str, Any]) -> None:
    token = await tenant.token("access_token", keys(second))
    await tenant.info("DELETE", f"application/{second['id']}")
    assert await status(tenant, token) == 401
    assert (await tenant.admin("GET", f"application/{second['id']}"))["errcode"] == 404


async def test_the_last_application_cannot_be_removed(tenant: Tenant) -> None:
    answer = await tenant.admin("DELETE", f"application/{tenant.credentials.app_id}")
    assert answer["errcode"] == 409
    assert await status(tenant, tenant.app_token) == 200


async def test_an_application_is_renamed(tenant: Tenant, second: dict[str, Any]) -> None:
    await tenant.info("PUT", f"application/{second['id']}/info", {"name": "wall panel"})
    assert (await tenant.info("GET", f"application/{second['id']}"))["name"] == "wall panel"


@pytest.mark.parametrize("name", ["", " ", "x" * 129, "a\0b", None, 5])
async def test_an_application_needs_a_name(tenant: Tenant, second: dict[str, Any], name: Any) -> None:
    for method, path in (("POST", "application"), ("PUT", f"application/{second['id']}/info")):
        answer = await tenant.admin(method, path, {"name": name})
        assert answer["errcode"] == 400
        assert [error["field"] for error in answer["errors"]] == ["name"]


async def test_a_project_has_no_more_applications_than_the_limit(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "APPLICATIONS_COUNT", 2)
    await tenant.info("POST", "application", {"name": "two"})
    assert (await tenant.admin("POST", "application", {"name": "three"}))["errcode"] == 409


async def test_accounts_survive_a_restart(tenant: Tenant, house: House, second: dict[str, Any]) -> None:
    await tenant.info("POST", "admin", {"account": "alice", "password": PASSWORD})
    applications, administrators = await tenant.info("GET", "applications"), await tenant.info("GET", "admins")
    await house.reopen()
    assert await tenant.info("GET", "applications") == applications
    assert await tenant.info("GET", "admins") == administrators
    assert await tenant.token("access_token", keys(second))
    assert await tenant.token("admin_login", tenant.login | {"account": "alice"})


# Administrators


async def test_an_administrator_is_created_and_logs_in(tenant: Tenant, house: House) -> None:
    house.clock.advance(1)
    body = {
        "account": "alice",
        "password": "a long password",
        "name": "Alice",
        "email": "a@b.example",
        "tags": {"k": "v"},
    }
    created = await tenant.info("POST", "admin", body)
    shown = await tenant.info("GET", f"admin/{created['id']}")
    del body["password"]
    assert shown == {"id": created["id"], **body, **shown_of(shown)}
    assert (shown["role"], shown["create_time"], shown["last_login_at"]) == ("admin", house.clock.now_ms(), 0)
    assert [item["account"] for item in (await tenant.info("GET", "admins"))["items"]] == ["admin", "alice"]
    second = await tenant.info("GET", "admins?page=2&page_records=1")
    assert [item["account"] for item in second["items"]] == ["alice"]
    assert (second["total"], second["page_total"]) == (2, 2)
    token = await tenant.token("admin_login", tenant.login | {"account": "alice", "password": "a long password"})
    seen = (await tenant.ask(token, "GET", "admin")).json()["info"]
    assert seen == shown | {"last_login_at": seen["last_login_at"]}


async def test_every_bad_field_of_an_administrator_is_named(tenant: Tenant) -> None:
    body = {"account": "a b", "password": "p" * 8, "email": "nowhere", "tags": {"": "x"}}
    answer = await tenant.admin("POST", "admin", body)
    assert {error["field"] for error in answer["errors"]} == {"account", "email", "tags"}
    answer = await tenant.admin("POST", "admin", {"account": "", "password": "short", "name": "n" * 129})
    assert {error["field"] for error in answer["errors"]} == {"account", "password", "name"}


async def test_an_account_is_unique_in_its_project_only(tenant: Tenant, neighbor: Tenant) -> None:
    body = {"account": "alice", "password": PASSWORD}
    await tenant.info("POST", "admin", body)
    answer = await tenant.admin("POST", "admin", body)
    assert answer["errcode"] == 409
    assert [error["field"] for error in answer["errors"]] == ["account"]
    await neighbor.info("POST", "admin", body)


async def test_members_that_are_left_out_stay(tenant: Tenant, admin_id: str) -> None:
    await tenant.info("PUT", f"admin/{admin_id}/info", {"name": "Root", "tags": {"a": "1"}})
    await tenant.info("PUT", f"admin/{admin_id}/info", {"email": "root@example.com"})
    shown = await tenant.info("GET", "admin")
    assert (shown["name"], shown["email"], shown["tags"]) == ("Root", "root@example.com", {"a": "1"})
    assert (await tenant.admin("PUT", f"admin/{admin_id}/info", {}))["errcode"] == 400


async def test_a_new_password_ends_the_tokens_at_once(tenant: Tenant, admin_id: str) -> None:
    await tenant.info("PUT", f"admin/{admin_id}/pwd", {"password": "another password"})
    assert await status(tenant, tenant.admin_token) == 401
    assert (await tenant.client.post("/api/v1/admin_login", json=tenant.login)).json()["errcode"] == 401
    token = await tenant.token("admin_login", tenant.login | {"password": "another password"})
    assert await status(tenant, token) == 200


async def test_removing_an_administrator_ends_the_tokens_at_once(tenant: Tenant) -> None:
    created = await tenant.info("POST", "admin", {"account": "alice", "password": PASSWORD})
    token = await tenant.token("admin_login", tenant.login | {"account": "alice"})
    await tenant.info("DELETE", f"admin/{created['id']}")
    assert await status(tenant, token) == 401
    assert (await tenant.admin("GET", f"admin/{created['id']}"))["errcode"] == 404


async def test_the_last_administrator_cannot_be_removed(tenant: Tenant, admin_id: str) -> None:
    assert (await tenant.admin("DELETE", f"admin/{admin_id}"))["errcode"] == 409
    assert await status(tenant, tenant.admin_token) == 200


@pytest.mark.parametrize("password", ["1234567", "x" * 129, None, 12345678])
async def test_a_password_has_8_to_128_characters(tenant: Tenant, admin_id: str, password: Any) -> None:
    answer = await tenant.admin("PUT", f"admin/{admin_id}/pwd", {"password": password})
    assert [error["field"] for error in answer["errors"]] == ["password"]
    assert await status(tenant, tenant.admin_token) == 200


async def test_a_project_has_no_more_administrators_than_the_limit(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ADMINISTRATORS_COUNT", 1)
    answer = await tenant.admin("POST", "admin", {"account": "alice", "password": PASSWORD})
    assert answer["errcode"] == 409


async def test_the_project_of_the_token(tenant: Tenant, neighbor: Tenant) -> None:
    info = (await tenant.app("GET", "project"))["info"]
    assert info == {
        "id": tenant.credentials.project_id,
        "name": "Thingstead",
        "descr": "",
        "tags": {},
        "timezone": "+00:00",
        "version": 1,
    }
    assert await tenant.info("GET", "project") == info
    assert (await neighbor.info("GET", "project"))["id"] == neighbor.credentials.project_id
