"""Sessions of people in browsers: what begins one, what it opens, and from which pages it counts."""

import hashlib
from http.cookies import SimpleCookie

import httpx
import pytest
from structlog.testing import capture_logs

from tests.api.accounts.conftest import ORIGIN, PAGE, PASSWORD, SESSION, Browser, Connect, Open, Tenant
from tests.api.registry.house import House
from tests.stores import ask, written
from thingstead.api.app import create_app
from thingstead.config import ApiSettings
from thingstead.services.accounts import browser_sessions

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


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
    [row] = ask(house.store, "SELECT * FROM browser_sessions")
    assert hashed in row
    assert person.secret.encode() not in written(house.store)


async def test_a_wrong_log_in_is_refused_without_saying_what_is_wrong(tenant: Tenant, browser: Open) -> None:
    opened = browser()
    for wrong in ({"account": "nobody"}, {"password": "wrong"}, {"project": "nosuch00"}):
        answer = await opened.log_in(**wrong)
        assert (answer["errcode"], answer["message"]) == (401, "account or password is wrong")
    assert list(opened.client.cookies.jar) == []


async def test_a_failed_log_in_is_logged_with_the_account_where_there_is_one(
    tenant: Tenant, neighbor: Tenant, browser: Open
) -> None:
    with capture_logs() as lines:
        for _ in range(20):
            await browser().log_in(account="admin", password="wrong", project=tenant.credentials.project_id)
            await browser().log_in(account="my password", password="wrong")
    project_id = tenant.credentials.project_id
    assert [line["subject"] for line in lines if "subject" in line] == [f"{project_id}/admin"]
    assert "my password" not in str(lines)


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
