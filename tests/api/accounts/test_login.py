"""Getting an AccessToken, how long it lives, and how guessing is slowed down."""

import base64
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.accounts.conftest import Connect, Tenant
from tests.api.registry.house import House
from tests.stores import written

HOUR_MS = 3_600_000


async def status(tenant: Tenant, token: str) -> int:
    """The HTTP status that a token gets."""
    return (await tenant.ask(token, "GET", "project")).status_code


async def refused(tenant: Tenant, path: str, body: dict[str, Any]) -> Any:
    response = await tenant.client.post(f"/api/v1/{path}", json=body)
    answer = response.json()
    assert response.status_code == 200
    assert answer["result"] is False
    return answer


async def test_an_application_gets_a_token_for_its_keys(tenant: Tenant) -> None:
    response = await tenant.client.post("/api/v1/access_token", json=tenant.keys)
    assert response.json().keys() == {"result", "info"}
    assert await status(tenant, response.json()["info"]["access_token"]) == 200


async def test_an_administrator_gets_a_token_for_the_password(tenant: Tenant) -> None:
    response = await tenant.client.post("/api/v1/admin_login", json=tenant.login)
    assert await status(tenant, response.json()["info"]["access_token"]) == 200


async def test_the_token_of_an_application_lives_one_day(tenant: Tenant, house: House) -> None:
    house.clock.advance(24 * HOUR_MS - 1)
    assert await status(tenant, tenant.app_token) == 200
    house.clock.advance(1)
    assert await status(tenant, tenant.app_token) == 401


async def test_the_token_of_an_administrator_lives_seven_days(tenant: Tenant, house: House) -> None:
    house.clock.advance(7 * 24 * HOUR_MS - 1)
    assert await status(tenant, tenant.admin_token) == 200
    house.clock.advance(1)
    assert await status(tenant, tenant.admin_token) == 401


async def test_tokens_stay_valid_over_a_restart(tenant: Tenant, house: House) -> None:
    await house.reopen()
    assert await status(tenant, tenant.app_token) == 200
    assert await status(tenant, tenant.admin_token) == 200


@pytest.mark.parametrize("wrong", ["app_id", "access_key", "secret_key"])
async def test_a_wrong_key_is_refused_without_saying_which(tenant: Tenant, wrong: str) -> None:
    answer = await refused(tenant, "access_token", tenant.keys | {wrong: "wrong"})
    assert answer["errcode"] == 401
    assert answer["message"] == "app_id, access_key or secret_key is wrong"


@pytest.mark.parametrize("wrong", ["app_id", "account", "password"])
async def test_a_wrong_login_is_refused_without_saying_which(tenant: Tenant, wrong: str) -> None:
    answer = await refused(tenant, "admin_login", tenant.login | {wrong: "wrong"})
    assert answer["errcode"] == 401
    assert answer["message"] == "app_id, account or password is wrong"


async def test_an_administrator_cannot_enter_through_another_projects_application(
    tenant: Tenant, house: House, neighbor: Tenant
) -> None:
    await tenant.info("POST", "admin", {"account": "only.here", "password": "a long password"})
    login = {"app_id": neighbor.credentials.app_id, "account": "only.here", "password": "a long password"}
    assert (await refused(tenant, "admin_login", login))["errcode"] == 401


@pytest.mark.parametrize("path", ["access_token", "admin_login"])
async def test_every_missing_member_is_named(tenant: Tenant, path: str) -> None:
    answer = await refused(tenant, path, {})
    body = tenant.keys if path == "access_token" else tenant.login
    assert answer["errcode"] == 400
    assert {error["field"] for error in answer["errors"]} == body.keys()


async def test_neither_secrets_nor_passwords_are_in_the_database(tenant: Tenant, house: House) -> None:
    stored = written(house.store)
    assert tenant.credentials.access_key.encode() in stored
    for secret in (tenant.credentials.secret_key, tenant.credentials.view_secret, tenant.credentials.admin_password):
        assert secret.encode() not in stored


async def test_a_token_that_was_changed_anywhere_is_void(tenant: Tenant) -> None:
    raw = bytearray(base64.urlsafe_b64decode(tenant.app_token + "=" * (-len(tenant.app_token) % 4)))
    for position in range(len(raw)):
        raw[position] ^= 1
        forged = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        raw[position] ^= 1
        assert await status(tenant, forged) == 401


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.text(st.characters(min_codepoint=33, max_codepoint=255), min_size=1, max_size=600))
async def test_any_text_that_is_no_token_of_ours_is_401(tenant: Tenant, token: str) -> None:
    headers = {b"Authorization": f"Bearer {token}".encode("latin-1")}
    assert (await tenant.client.get("/api/v1/project", headers=headers)).status_code == 401


async def test_tokens_show_no_secret(tenant: Tenant) -> None:
    for token in (tenant.app_token, tenant.admin_token):
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        assert tenant.credentials.secret_key.encode() not in raw
        assert len(token) < 200


async def login(client: httpx.AsyncClient, body: dict[str, str]) -> httpx.Response:
    return await client.post("/api/v1/admin_login", json=body)


async def guess(client: httpx.AsyncClient, tenant: Tenant, times: int, **body: str) -> list[int]:
    """Log-ins with a wrong password; the HTTP statuses."""
    return [(await login(client, tenant.login | {"password": "guess"} | body)).status_code for _ in range(times)]


async def test_guessing_a_password_is_slowed_down(tenant: Tenant, house: House, connect: Connect) -> None:
    guesser = connect(house.serve, "10.1.0.1")
    assert await guess(guesser, tenant, 11) == [200] * 10 + [429]
    response = await login(guesser, tenant.login)
    assert (response.status_code, response.json()["errcode"]) == (429, 429)
    assert response.headers["retry-after"] == "1"
    house.clock.advance(1_000)
    assert (await login(guesser, tenant.login)).json()["result"] is True


async def test_who_guesses_shuts_nobody_out_from_elsewhere(tenant: Tenant, house: House, connect: Connect) -> None:
    await guess(connect(house.serve, "10.1.0.1"), tenant, 50)
    assert (await login(connect(house.serve, "10.1.0.2"), tenant.login)).json()["result"] is True


async def test_addresses_of_one_64_guess_as_one(tenant: Tenant, house: House, connect: Connect) -> None:
    guessers = [connect(house.serve, f"2001:db8::{number}") for number in range(1, 12)]
    assert [(await guess(guesser, tenant, 1))[0] for guesser in guessers] == [200] * 10 + [429]
    assert (await login(connect(house.serve, "2001:db8:0:1::1"), tenant.login)).json()["result"] is True


async def test_guessing_from_many_addresses_leaves_those_alone_who_logged_in_before(
    tenant: Tenant, house: House, connect: Connect
) -> None:
    at_home = connect(house.serve, "10.2.0.1")
    assert (await login(at_home, tenant.login)).json()["result"] is True
    for number in range(50):
        assert await guess(connect(house.serve, f"10.1.0.{number}"), tenant, 10) == [200] * 10
    assert await guess(connect(house.serve, "10.1.1.1"), tenant, 1) == [429]
    assert (await login(connect(house.serve, "10.2.0.2"), tenant.login)).status_code == 429
    assert (await login(at_home, tenant.login)).json()["result"] is True


async def test_one_address_that_guesses_is_slowed_down_over_all_accounts(
    tenant: Tenant, house: House, connect: Connect
) -> None:
    guesser = connect(house.serve, "10.1.0.1")
    assert (await login(guesser, tenant.login)).json()["result"] is True
    for attempt in range(100):
        assert await guess(guesser, tenant, 1, account=f"guess{attempt}") == [200]
    assert await guess(guesser, tenant, 1, account="another") == [429]
    assert (await login(guesser, tenant.login)).json()["result"] is True  # logged in from there before


async def test_success_resets_the_count_of_an_account(tenant: Tenant, house: House, connect: Connect) -> None:
    guesser = connect(house.serve, "10.1.0.1")
    for _ in range(3):
        assert await guess(guesser, tenant, 9) == [200] * 9
        assert (await login(guesser, tenant.login)).json()["result"] is True


async def test_the_right_keys_of_an_application_always_pass(tenant: Tenant, house: House, connect: Connect) -> None:
    guesser = connect(house.serve, "10.1.0.1")
    wrong = tenant.keys | {"secret_key": "guess"}
    statuses = [(await guesser.post("/api/v1/access_token", json=wrong)).status_code for _ in range(101)]
    assert statuses == [200] * 100 + [429]
    assert (await guesser.post("/api/v1/access_token", json=tenant.keys)).json()["result"] is True
    assert await tenant.token("access_token", tenant.keys)


async def test_failures_of_an_application_slow_no_person_down(tenant: Tenant, house: House, connect: Connect) -> None:
    office = connect(house.serve, "10.1.0.1")
    for _ in range(150):
        await office.post("/api/v1/access_token", json=tenant.keys | {"secret_key": "old"})
    assert (await login(office, tenant.login)).json()["result"] is True


@pytest.mark.parametrize("path", ["access_token", "admin_login"])
async def test_any_number_of_good_logins_from_one_address_is_welcome(tenant: Tenant, path: str) -> None:
    for _ in range(25):
        await tenant.token(path, tenant.keys if path == "access_token" else tenant.login)
