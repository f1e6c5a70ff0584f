"""Sessions of people in browsers: what begins one, what it opens, from which pages it counts, and how it ends."""

import hashlib
import sqlite3
from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest

from tests.api.accounts.conftest import PASSWORD, Connect, Tenant
from tests.api.registry.house import House
from thingstead.api.app import create_app
from thingstead.config import ApiSettings
from thingstead.model import limits
from thingstead.services.accounts import browser_sessions

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ORIGIN = "http://thingstead"
PAGE = {"X-Thingstead": "1", "Origin": ORIGIN}
SESSION = "/api/v1/console/session"


class Browser:
    """A page of this server in a browser of its own."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    async def log_in(self, **body: Any) -> Any:
        """The whole answer."""
        given = {"account": "admin", "password": PASSWORD} | body
        return (await self.client.post(SESSION, json=given, headers=self.headers)).json()

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.client.request(method, f"/api/v1/{path}", json=body, headers=self.headers | headers)

    async def status(self) -> int:
        """What the session opens: 200 or 401."""
        return (await self.ask("GET", "project")).status_code

    @property
    def secret(self) -> str:
        [cookie] = self.client.cookies.jar
        return str(cookie.value)


Open = Callable[..., Browser]


@pytest.fixture
def browser(house: House, connect: Connect) -> Open:
    """Opens a browser."""

    def make(address: str = "10.0.0.1", headers: dict[str, str] | None = None) -> Browser:
        return Browser(connect(house.serve, address), PAGE if headers is None else headers)

    return make


@pytest.fixture
async def person(tenant: Tenant, browser: Open) -> Browser:
    """Somebody who is logged in."""
    opened = browser()
    assert (await opened.log_in())["result"] is True
    return opened


# The log-in


async def test_account_and_password_alone_begin_a_session(tenant: Tenant, browser: Open, house: House) -> None:
    answer = await browser().log_in()
    info = answer["info"]
    project = await house.store.projects.get(tenant.credentials.project_id)
    now = house.clock.now_ms()
    assert answer.keys() == {"result", "info"}
    assert info.keys() == {"id", "admin", "role", "project", "created_at", "expires_at", "keep", "version"}
    assert (info["admin"]["account"], info["role"], info["keep"]) == ("admin", "admin", False)
    assert info["project"] == {
        "id": project.id,
        "name": "Thingstead",
        "descr": "",
        "tags": {},
        "timezone": "+00:00",
        "view_key": project.view_key,
    }
    assert (info["created_at"], info["expires_at"]) == (now, now + 12 * HOUR_MS)


async def test_the_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(tenant: Tenant, browser: Open) -> None:
    response = await browser().client.post(SESSION, json={"account": "admin", "password": PASSWORD}, headers=PAGE)
    header = response.headers["set-cookie"]
    [(name, cookie)] = SimpleCookie(header).items()
    assert name.startswith("thingstead_")
    assert len(cookie.value) == 43
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/", True, "Strict")
    assert {"Domain", "Max-Age", "Expires", "Secure"} & {
        part.strip().partition("=")[0] for part in header.split(";")
    } == set()
    assert response.headers["cache-control"] == "no-store"
    assert cookie.value not in response.text


async def test_over_tls_the_cookie_is_for_this_host_and_tls_alone(tenant: Tenant, house: House) -> None:
    transport = httpx.ASGITransport(app=house.serve, client=("10.0.0.1", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="https://thingstead") as client:
        page = PAGE | {"Origin": "https://thingstead"}
        body = {"account": "admin", "password": PASSWORD, "keep": True}
        header = (await client.post(SESSION, json=body, headers=page)).headers["set-cookie"]
        assert header.startswith("__Host-thingstead_")
        assert header.endswith("; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=2592000")
        assert (await client.get(SESSION, headers=page)).status_code == 200


async def test_what_is_kept_of_a_session_opens_nothing(person: Browser, tenant: Tenant, house: House) -> None:
    hashed = hashlib.sha256(person.secret.encode()).digest()
    with sqlite3.connect(house.path) as connection:
        [row] = connection.execute("SELECT * FROM browser_sessions").fetchall()
    assert hashed in row
    assert person.secret not in str(row)
    assert (
        person.secret.encode()
        not in house.path.read_bytes() + house.path.with_name(f"{house.path.name}-wal").read_bytes()
    )


async def test_a_wrong_log_in_is_refused_without_saying_what_is_wrong(tenant: Tenant, browser: Open) -> None:
    opened = browser()
    for wrong in ({"account": "nobody"}, {"password": "wrong"}, {"project": "nosuch00"}):
        answer = await opened.log_in(**wrong)
        assert (answer["errcode"], answer["message"]) == (401, "account or password is wrong")
    assert list(opened.client.cookies.jar) == []


async def test_an_account_that_does_not_exist_costs_as_much_as_one_that_does(
    tenant: Tenant, neighbor: Tenant, browser: Open, monkeypatch: pytest.MonkeyPatch, house: House
) -> None:
    counted: list[int] = []
    verify = house.platform.browser_sessions._passwords.verify

    async def count(password_hash: str | None, password: str, *, known: bool = True) -> bool:
        counted[-1] += 1
        return await verify(password_hash, password, known=known)

    monkeypatch.setattr(house.platform.browser_sessions._passwords, "verify", count)
    await tenant.info("POST", "admin", {"account": "only.here", "password": "a long password"})
    for body in (
        {"account": "nobody"},
        {"account": "only.here"},
        {"account": "admin", "password": "wrong"},
        {"account": "nobody", "project": tenant.credentials.project_id},
        {"account": "admin", "password": "wrong", "project": tenant.credentials.project_id},
    ):
        counted.append(0)
        await browser().log_in(**body)
    assert counted == [2, 2, 2, 1, 1]


async def test_where_they_are_right_in_several_projects_these_are_named_and_nothing_else(
    tenant: Tenant, neighbor: Tenant, browser: Open
) -> None:
    opened = browser()
    answer = await opened.log_in()
    ours, theirs = [await each.info("GET", "project") for each in (tenant, neighbor)]
    assert answer["errcode"] == 409
    assert sorted(answer["info"]["projects"], key=lambda each: str(each["id"])) == sorted(
        ({"id": each["id"], "name": each["name"]} for each in (ours, theirs)), key=lambda each: str(each["id"])
    )
    assert list(opened.client.cookies.jar) == []
    chosen = await opened.log_in(project=theirs["id"])
    assert chosen["info"]["project"]["id"] == theirs["id"]


async def test_where_they_are_right_in_one_of_several_projects_none_need_be_named(
    tenant: Tenant, neighbor: Tenant, browser: Open
) -> None:
    await neighbor.info("POST", "admin", {"account": "only.there", "password": "a long password"})
    answer = await browser().log_in(account="Only.There", password="a long password")
    assert answer["info"]["project"]["id"] == neighbor.credentials.project_id


async def test_of_many_projects_as_many_are_tried_as_a_log_in_may_cost(
    tenant: Tenant, browser: Open, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_sessions, "PROJECTS_TRIED_COUNT", 2)
    created = [await house.platform.projects.create(admin_password=PASSWORD) for _ in range(3)]
    last = created[-1].project_id
    house.clock.advance(1)
    assert (await browser().log_in(project=last))["result"] is True
    answer = await browser("10.0.0.9").log_in()
    assert last in {project["id"] for project in answer["info"]["projects"]}
    assert len(answer["info"]["projects"]) == 2


async def test_guessing_is_slowed_down_as_with_tokens(tenant: Tenant, browser: Open) -> None:
    opened = browser("10.0.0.66")
    answers = [await opened.log_in(password=f"guess {n}") for n in range(11)]
    assert [answer["errcode"] for answer in answers] == [401] * 10 + [429]
    response = await tenant.client.post("/api/v1/admin_login", json=tenant.login)
    assert response.json()["result"] is True  # from an address that logged in before


async def test_a_log_in_takes_the_place_of_the_one_before_in_the_same_browser(
    person: Browser, browser: Open, house: House
) -> None:
    before = person.secret
    assert (await person.log_in())["result"] is True
    assert person.secret != before
    old = browser()
    old.client.cookies.set(next(iter(person.client.cookies)), before)
    assert await old.status() == 401
    items = (await person.ask("GET", "console/sessions")).json()["info"]["items"]
    assert len(items) == 1


# What it opens


async def test_a_session_opens_what_the_token_of_an_administrator_opens(person: Browser) -> None:
    for path in ("project", "devices", "admins", "applications", "admin", "project/connection_info"):
        assert (await person.ask("GET", path)).json()["result"] is True, path
    made = (await person.ask("POST", "device", {"name": "pump"})).json()["info"]["id"]
    assert (await person.ask("DELETE", f"device/{made}")).json()["result"] is True


async def test_a_page_learns_of_the_server_before_the_log_in(tenant: Tenant, browser: Open, connect: Connect) -> None:
    opened = browser()
    info = (await opened.ask("GET", "console")).json()["info"]
    assert info.keys() == {"version", "languages", "single_project", "secure", "second_factor", "signed_in"}
    assert (info["single_project"], info["secure"], info["signed_in"]) == (True, False, False)
    assert info["languages"] == ["zh", "en"]
    await opened.log_in()
    assert (await opened.ask("GET", "console")).json()["info"]["signed_in"] is True


async def test_who_is_logged_in_is_told_to_the_session_and_to_no_token(person: Browser, tenant: Tenant) -> None:
    assert (await person.ask("GET", "console/session")).json()["info"]["admin"]["account"] == "admin"
    for token in (tenant.app_token, tenant.admin_token):
        response = await tenant.ask(token, "GET", "console/session")
        assert response.json()["errcode"] == 403


async def test_a_token_beside_the_cookie_counts_alone(person: Browser, tenant: Tenant) -> None:
    response = await person.ask("GET", "admins", Authorization=f"Bearer {tenant.app_token}")
    assert response.json()["errcode"] == 403
    assert (await person.ask("GET", "admins", Authorization="Bearer wrong")).status_code == 401
    assert (await person.ask("GET", "admins", Authorization="")).status_code == 401


# From which pages it counts


FROM: tuple[tuple[dict[str, str], int, int], ...] = (  # headers, and what they open: GET, and what changes something
    ({}, 401, 401),
    ({"Origin": ORIGIN}, 401, 401),
    ({"X-Thingstead": "2", "Origin": ORIGIN}, 401, 401),
    ({"X-Thingstead": "1"}, 200, 401),
    ({"X-Thingstead": "1", "Origin": ORIGIN}, 200, 200),
    ({"X-Thingstead": "1", "Sec-Fetch-Site": "same-origin"}, 200, 200),
    ({"X-Thingstead": "1", "Sec-Fetch-Site": "none"}, 200, 401),
    ({"X-Thingstead": "1", "Sec-Fetch-Site": "same-site"}, 401, 401),
    ({"X-Thingstead": "1", "Sec-Fetch-Site": "cross-site", "Origin": ORIGIN}, 401, 401),
    ({"X-Thingstead": "1", "Origin": "http://thingstead:9000"}, 401, 401),
    ({"X-Thingstead": "1", "Origin": "http://thingstead:9000", "Sec-Fetch-Site": "same-origin"}, 401, 401),
    ({"X-Thingstead": "1", "Origin": "https://evil.example"}, 401, 401),
    ({"X-Thingstead": "1", "Origin": "null"}, 401, 401),
)


async def test_the_cookie_counts_for_pages_of_this_server_alone(person: Browser) -> None:
    for headers, get, change in FROM:
        person.headers = headers
        assert await person.status() == get, headers
        for method, path, body in (("POST", "device", {"name": "pump"}), ("PUT", "project", {})):
            assert (await person.ask(method, path, body)).status_code == change, (method, headers)
        if change == 401:
            assert (await person.ask("DELETE", "console/session")).status_code == 401


async def test_no_other_page_can_log_somebody_in(tenant: Tenant, browser: Open) -> None:
    for headers, _, change in FROM:
        opened = browser(headers=headers)
        assert (await opened.log_in()).get("errcode", 200) == change, headers
        assert bool(list(opened.client.cookies.jar)) is (change == 200)


async def test_pages_of_other_origins_that_may_call_the_api_get_no_use_of_the_cookie(
    person: Browser, house: House, connect: Connect
) -> None:
    for origins in (("http://thingstead:9000",), ("*",)):
        app = create_app(house.platform, ApiSettings(cors_origins=origins), house.store.trouble)
        client = connect(app)
        client.cookies = person.client.cookies
        asked = {
            "Origin": "http://thingstead:9000",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "x-thingstead",
        }
        preflight = await client.options("/api/v1/project", headers=asked)
        assert preflight.status_code == 400
        response = await client.get("/api/v1/project", headers=PAGE | {"Origin": "http://thingstead:9000"})
        assert response.status_code == 401
        assert "access-control-allow-credentials" not in {*preflight.headers, *response.headers}


async def test_a_session_of_another_server_on_this_host_is_another_cookie(
    person: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = House(tmp_path_factory.mktemp("other") / "thingstead.db")
    await other.open()
    try:
        name = await other.platform.browser_sessions.cookie_name(secure=False)
    finally:
        await other.close()
    assert name.startswith("thingstead_")
    assert name not in person.client.cookies


# How it ends


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
    monkeypatch.setattr("thingstead.storage.sqlite.tables.browser_sessions.BROWSER_SESSIONS_COUNT", 3)
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
    await house.platform.browser_sessions.end_all()
    assert await person.status() == 401


async def test_a_cookie_that_is_no_session_opens_nothing(person: Browser, browser: Open) -> None:
    name = next(iter(person.client.cookies))
    for value in ("", "x", "x" * 43, "x" * 4_000, "%00", '"quoted"', "温度"):
        headers = {b"x-thingstead": b"1", b"cookie": f"{name}={value}".encode()}
        response = await browser().client.get("/api/v1/project", headers=headers)
        assert response.status_code == 401, value
