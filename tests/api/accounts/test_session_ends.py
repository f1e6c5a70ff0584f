"""Sessions of people in browsers: how they end, who sees them, and how many there may be."""

import pytest

from tests.api.accounts.conftest import PAGE, Browser, Open, Tenant
from tests.api.registry.house import House
from thingstead.model import limits

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


async def test_a_log_out_ends_it(person: Browser, browser: Open) -> None:
    stolen = browser()
    stolen.client.cookies.set(next(iter(person.client.cookies)), person.secret)
    assert await stolen.status() == 200
    response = await person.ask("DELETE", "console/session")
    assert response.json() == {"result": True, "info": {}}
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert list(person.client.cookies.jar) == []
    assert await stolen.status() == 401
    assert (await stolen.ask("GET", "console")).json()["info"]["signed_in"] is False


async def test_it_survives_a_restart(person: Browser, house: House) -> None:
    await house.reopen()
    assert await person.status() == 200


async def test_it_ends_after_twelve_hours_without_a_request(person: Browser, house: House) -> None:
    for _ in range(5):
        house.clock.advance(12 * HOUR_MS - 1)
        assert await person.status() == 200
    house.clock.advance(12 * HOUR_MS)
    assert await person.status() == 401


async def test_it_ends_seven_days_after_the_log_in_however_much_it_is_used(person: Browser, house: House) -> None:
    for _ in range(7 * 24 * 2 - 1):
        house.clock.advance(HOUR_MS // 2)
        assert await person.status() == 200
    house.clock.advance(HOUR_MS // 2)
    assert await person.status() == 401


async def test_one_that_is_kept_lives_thirty_days_used_or_not(tenant: Tenant, browser: Open, house: House) -> None:
    opened = browser()
    assert (await opened.log_in(keep=True))["info"]["keep"] is True
    house.clock.advance(30 * DAY_MS - 1)
    assert await opened.status() == 200
    house.clock.advance(1)
    assert await opened.status() == 401


async def test_what_was_used_stays_in_use_over_a_restart(person: Browser, house: House) -> None:
    house.clock.advance(11 * HOUR_MS)
    assert await person.status() == 200
    await house.reopen()
    house.clock.advance(11 * HOUR_MS)
    assert await person.status() == 200


async def test_another_password_ends_all_but_the_one_that_sets_it(
    person: Browser, tenant: Tenant, browser: Open
) -> None:
    elsewhere = browser("10.0.0.2")
    await elsewhere.log_in()
    admin_id = (await person.ask("GET", "admin")).json()["info"]["id"]
    answer = await person.ask("PUT", f"admin/{admin_id}/pwd", {"password": "another long password"})
    assert answer.json()["result"] is True
    assert (await person.status(), await elsewhere.status()) == (200, 401)
    assert (await tenant.ask(tenant.admin_token, "GET", "project")).status_code == 401
    assert (await elsewhere.log_in())["errcode"] == 401
    assert (await elsewhere.log_in(password="another long password"))["result"] is True


async def test_a_password_that_somebody_else_sets_ends_all(person: Browser, tenant: Tenant, browser: Open) -> None:
    made = await tenant.info("POST", "admin", {"account": "colleague", "password": "a long password"})
    colleague = browser("10.0.0.3")
    await colleague.log_in(account="colleague", password="a long password")
    await person.ask("PUT", f"admin/{made['id']}/pwd", {"password": "another long password"})
    assert (await person.status(), await colleague.status()) == (200, 401)


async def test_the_sessions_of_an_administrator_who_is_removed_end(
    person: Browser, tenant: Tenant, browser: Open
) -> None:
    made = await tenant.info("POST", "admin", {"account": "colleague", "password": "a long password"})
    colleague = browser("10.0.0.3")
    await colleague.log_in(account="colleague", password="a long password")
    assert await colleague.status() == 200
    await tenant.info("DELETE", f"admin/{made['id']}")
    assert (await person.status(), await colleague.status()) == (200, 401)


async def test_somebody_sees_the_own_sessions_and_can_end_each(
    person: Browser, tenant: Tenant, browser: Open, house: House
) -> None:
    elsewhere = browser("10.0.0.2", PAGE | {"User-Agent": "Firefox/140 " + "x" * 400})
    house.clock.advance(90_000)
    await elsewhere.log_in(keep=True)
    await person.status()
    listed = (await person.ask("GET", "console/sessions")).json()["info"]
    theirs, own = listed["items"]
    now = house.clock.now_ms()
    assert (listed["total"], own["current"], theirs["current"]) == (2, True, False)
    assert (own["last_seen_at"], own["expires_at"]) == (now, now + 12 * HOUR_MS)
    assert (theirs["remote_address"], theirs["keep"], theirs["created_at"]) == ("10.0.0.2", True, now)
    assert len(theirs["user_agent"]) == limits.USER_AGENT_LENGTH
    assert theirs["user_agent"].startswith("Firefox/140")
    assert person.secret not in str(listed)
    assert (await person.ask("DELETE", f"console/sessions/{theirs['id']}")).json()["result"] is True
    assert (await person.status(), await elsewhere.status()) == (200, 401)
    assert (await person.ask("DELETE", f"console/sessions/{theirs['id']}")).json()["errcode"] == 404


async def test_nobody_sees_or_ends_the_sessions_of_somebody_else(
    person: Browser, tenant: Tenant, neighbor: Tenant, browser: Open
) -> None:
    await tenant.info("POST", "admin", {"account": "colleague", "password": "a long password"})
    colleague = browser("10.0.0.3")
    info = (await colleague.log_in(account="colleague", password="a long password"))["info"]
    ids = [item["id"] for item in (await person.ask("GET", "console/sessions")).json()["info"]["items"]]
    assert info["id"] not in ids
    for answer in (
        (await person.ask("DELETE", f"console/sessions/{info['id']}")).json(),
        await neighbor.admin("DELETE", f"console/sessions/{info['id']}"),
    ):
        assert answer["errcode"] == 404
    assert await colleague.status() == 200


async def test_a_person_has_so_many_sessions_and_the_one_unseen_the_longest_goes(
    person: Browser, browser: Open, house: House
) -> None:
    opened = []
    for n in range(limits.ADMINISTRATOR_SESSIONS_COUNT):
        house.clock.advance(61_000)
        opened.append(browser(f"10.0.1.{n}"))
        await opened[-1].log_in()
        if n < limits.ADMINISTRATOR_SESSIONS_COUNT - 1:
            assert await person.status() == 200
    assert [await each.status() for each in (opened[0], *opened[1:], person)] == [401] + [200] * (len(opened))


async def test_all_projects_have_so_many_and_the_one_with_most_pays(
    tenant: Tenant, neighbor: Tenant, browser: Open, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thingstead.storage.sql.tables.browser_sessions.BROWSER_SESSIONS_COUNT", 3)
    ours, theirs = tenant.credentials.project_id, neighbor.credentials.project_id
    opened = []
    for n, project in enumerate((theirs, ours, ours, theirs, theirs)):
        house.clock.advance(1)
        opened.append(browser(f"10.0.2.{n}"))
        await opened[-1].log_in(project=project)
    assert [await each.status() for each in opened].count(200) == 3
    assert await opened[-1].status() == 200
    assert 200 in [await each.status() for each in opened[1:3]]


async def test_a_rotation_of_the_secret_of_tokens_ends_sessions_too(person: Browser, house: House) -> None:
    await house.platform.tokens.renew_secret()
    assert await person.status() == 401


async def test_a_cookie_that_is_no_session_opens_nothing(person: Browser, browser: Open) -> None:
    name = next(iter(person.client.cookies))
    for value in ("", "x", "x" * 43, "x" * 4_000, "%00", '"quoted"', "温度"):
        headers = {b"x-thingstead": b"1", b"cookie": f"{name}={value}".encode()}
        response = await browser().client.get("/api/v1/project", headers=headers)
        assert response.status_code == 401, value
