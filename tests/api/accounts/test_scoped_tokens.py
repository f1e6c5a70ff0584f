"""Scoped tokens over HTTP: who gets one, what it opens, and when it ends."""

import base64
import re
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.api.accounts.conftest import PASSWORD, Browser, Tenant
from tests.api.accounts.test_every_route import PROTECTED, example_of, query_of
from tests.api.registry.house import House
from thingstead.model.tenant import TENANT
from thingstead.model.token_scope import SCOPED_LIFE_S

ATTRIBUTES = {"topics": ["attributes"], "reads": ["attributes"]}
EVERY_READ = ["attributes", "history", "events", "alarms"]


async def create(tenant: Tenant, **body: Any) -> Any:
    return await tenant.info("POST", "scoped_token", body)


async def make_device(tenant: Tenant, name: str = "pump", **members: Any) -> str:
    return str((await tenant.info("POST", "device", {"name": name, **members}))["id"])


async def errcode(tenant: Tenant, token: str, path: str, method: str = "GET") -> int:
    """0: success."""
    answer = (await tenant.ask(token, method, path)).json()
    return 0 if answer["result"] is True else int(answer["errcode"])


@pytest.fixture
async def pump(tenant: Tenant) -> str:
    return await make_device(tenant)


async def test_a_token_reads_what_it_names_of_the_devices_that_it_names(
    tenant: Tenant, house: House, pump: str
) -> None:
    other = await make_device(tenant, "other")
    await house.report(pump, t=3)
    made = await create(tenant, devices=[pump], reads=["attributes"])
    answer = (await tenant.ask(made["token"], "GET", f"device/{pump}/attributes")).json()
    assert [(each["identifier"], each["value"]) for each in answer["info"]] == [("t", 3)]
    assert await errcode(tenant, made["token"], f"device/{other}/attributes") == 404
    assert await errcode(tenant, made["token"], "device/nosuch00/attributes") == 404
    for path in (f"device/{pump}", f"device/{pump}/event_logs", f"device/{pump}/attribute/t/series", "devices"):
        assert await errcode(tenant, made["token"], path) == 403, path
    project = await tenant.info("GET", "project")
    assert made["view_key"] == (await tenant.info("GET", "project/connection_info"))["view_key"], project
    assert made["expires_at"] == house.clock.now_ms() + SCOPED_LIFE_S * 1000


async def test_each_read_opens_its_endpoints_and_no_other(tenant: Tenant, pump: str) -> None:
    opened: dict[str, set[str]] = {}
    for read in EVERY_READ:
        token = (await create(tenant, devices=[pump], reads=[read]))["token"]
        opened[read] = {path for path in await all_answers(tenant, token, pump) if path}
    assert opened == {
        "attributes": {"GET device/{device_id}/attributes"},
        "history": {
            "GET device/{device_id}/attribute/{identifier}/series",
            "GET device/{device_id}/attribute/{identifier}/aggregate",
            "GET device/{device_id}/history",
        },
        "events": {"GET device/{device_id}/event_logs"},
        "alarms": {"GET device/{device_id}/alarm_logs"},
    }


async def test_values_of_an_earlier_instant_are_history(tenant: Tenant, pump: str) -> None:
    for reads, code in ((["attributes"], 403), (["attributes", "history"], 0), (["history"], 403)):
        token = (await create(tenant, devices=[pump], reads=reads))["token"]
        assert await errcode(tenant, token, f"device/{pump}/attributes?at=1767225600000") == code


async def all_answers(tenant: Tenant, token: str, device: str) -> list[str]:
    """The endpoints that do not refuse a token with 403, with a device in every path."""
    opened = []
    for endpoint in PROTECTED:
        path = re.sub(r"\{\w+\}", device, endpoint.path) + f"?{urlencode(query_of(endpoint))}"
        headers = {"Authorization": f"Bearer {token}"}
        response = await tenant.client.request(endpoint.method, path, json=example_of(endpoint), headers=headers)
        if response.json().get("errcode") != 403:
            opened.append(f"{endpoint.method} {endpoint.path.removeprefix('/api/v1/')}")
    return opened


async def test_a_token_for_topics_reads_nothing_and_makes_no_tokens(tenant: Tenant, pump: str) -> None:
    token = (await create(tenant, devices=[pump], topics=["attributes"]))["token"]
    assert await all_answers(tenant, token, pump) == []


async def test_types_and_groups_open_their_devices_while_these_belong_to_them(tenant: Tenant) -> None:
    kind = (await tenant.info("POST", "device_type", {"name": "pump"}))["id"]
    site = (await tenant.info("POST", "device_group", {"name": "site"}))["id"]
    below = (await tenant.info("POST", "device_group", {"name": "hall", "parent": site}))["id"]
    of_type = await make_device(tenant, "a", type=kind)
    of_group, of_subgroup = await make_device(tenant, "b"), await make_device(tenant, "c")
    await tenant.info("POST", f"device_group/{site}/devices", {"devices": [of_group]})
    await tenant.info("POST", f"device_group/{below}/devices", {"devices": [of_subgroup]})
    token = (await create(tenant, types=[kind], groups=[site], reads=["attributes"]))["token"]
    codes = [await errcode(tenant, token, f"device/{each}/attributes") for each in (of_type, of_group, of_subgroup)]
    assert codes == [0, 0, 404]
    await tenant.info("PUT", f"device/{of_type}/type", {"type": None})
    await tenant.info("POST", f"device_group/{site}/devices_remove", {"devices": [of_group]})
    assert [await errcode(tenant, token, f"device/{each}/attributes") for each in (of_type, of_group)] == [404, 404]


async def test_a_token_of_one_project_opens_nothing_of_another(tenant: Tenant, neighbor: Tenant, pump: str) -> None:
    theirs = await make_device(neighbor)
    answer = await tenant.admin("POST", "scoped_token", {"devices": [theirs], **ATTRIBUTES})
    assert (answer["errcode"], answer["errors"][0]["field"]) == (400, "devices[0]")
    token = (await create(tenant, devices=[pump], **ATTRIBUTES))["token"]
    assert await errcode(neighbor, token, f"device/{theirs}/attributes") == 404
    assert await errcode(neighbor, token, f"device/{pump}/attributes") == 0  # the token says which project it is of


async def test_a_token_ends_when_it_expires(tenant: Tenant, house: House, pump: str) -> None:
    token = (await create(tenant, devices=[pump], expires_in_s=60, **ATTRIBUTES))["token"]
    house.clock.advance(59_999)
    assert await errcode(tenant, token, f"device/{pump}/attributes") == 0
    house.clock.advance(1)
    response = await tenant.ask(token, "GET", f"device/{pump}/attributes")
    assert (response.status_code, response.json()["code"]) == (401, "token_invalid")


async def application(tenant: Tenant, role: str = "operator") -> tuple[str, str]:
    """A new application: its id and its token."""
    keys = await tenant.info("POST", "application", {"name": "shop", "role": role})
    names = {"app_id": keys["id"], "access_key": keys["access_key"], "secret_key": keys["secret_key"]}
    return keys["id"], await tenant.token("access_token", names)


@pytest.mark.parametrize("end", ["delete", "reset", "demote"])
async def test_a_token_ends_with_its_application(tenant: Tenant, pump: str, end: str) -> None:
    app_id, keys = await application(tenant)
    made = (await tenant.ask(keys, "POST", "scoped_token", {"devices": [pump], **ATTRIBUTES})).json()["info"]
    assert await errcode(tenant, made["token"], f"device/{pump}/attributes") == 0
    if end == "delete":
        await tenant.info("DELETE", f"application/{app_id}")
    elif end == "reset":
        await tenant.info("POST", f"application/{app_id}/secret_reset")
    else:
        await tenant.info("PUT", f"application/{app_id}/role", {"role": "viewer"})
    assert await errcode(tenant, made["token"], f"device/{pump}/attributes") == 401


@pytest.mark.parametrize("end", ["delete", "password", "role"])
async def test_a_token_ends_with_the_administrator_who_made_it_in_a_browser(
    tenant: Tenant, person: Browser, pump: str, end: str
) -> None:
    ann = await tenant.info("POST", "admin", {"account": "ann", "password": PASSWORD, "role": "operator"})
    log_in = {"app_id": tenant.credentials.app_id, "account": "ann", "password": PASSWORD}
    token = await tenant.token("admin_login", log_in)
    made = (await tenant.ask(token, "POST", "scoped_token", {"devices": [pump], **ATTRIBUTES})).json()["info"]
    in_browser = await person.ask("POST", "scoped_token", {"devices": [pump], **ATTRIBUTES})
    assert await errcode(tenant, in_browser.json()["info"]["token"], f"device/{pump}/attributes") == 0
    assert await errcode(tenant, made["token"], f"device/{pump}/attributes") == 0
    if end == "delete":
        await tenant.info("DELETE", f"admin/{ann['id']}")
    elif end == "password":
        await tenant.info("PUT", f"admin/{ann['id']}/pwd", {"password": "another password"})
    else:
        await tenant.info("PUT", f"admin/{ann['id']}/role", {"role": "admin"})
    assert await errcode(tenant, made["token"], f"device/{pump}/attributes") == 401


async def test_every_token_ends_when_the_secret_that_signs_them_is_replaced(
    tenant: Tenant, house: House, pump: str
) -> None:
    token = (await create(tenant, devices=[pump], **ATTRIBUTES))["token"]
    await house.platform.tokens.renew_secret()
    assert (await tenant.ask(token, "GET", f"device/{pump}/attributes")).status_code == 401


async def test_nothing_that_is_forged_or_cut_is_a_token(tenant: Tenant, pump: str) -> None:
    token: str = (await create(tenant, devices=[pump], **ATTRIBUTES))["token"]
    raw = base64.urlsafe_b64decode(token[3:] + "=" * (-len(token[3:]) % 4))
    longer = raw.replace(pump.encode(), b"x" * len(pump))
    forged = [
        token[:-1],
        token[3:],  # as an AccessToken
        "st." + tenant.app_token,  # an AccessToken as a scoped token
        "st.",
        "st.~",
        "st." + base64.urlsafe_b64encode(longer).decode().rstrip("="),
        "st." + "A" * 10_000,
        token + "A" * 10_000,
    ]
    for each in forged:
        assert (await tenant.ask(each, "GET", f"device/{pump}/attributes")).status_code == 401, each


async def test_a_token_has_one_text_only(tenant: Tenant, pump: str) -> None:
    path = f"device/{pump}/attributes"
    scopes = [{"topics": topics} for topics in (["online"], ["command"], ["event"])]  # of different lengths
    tokens = [(await create(tenant, devices=[pump], reads=["attributes"], **scope))["token"] for scope in scopes]
    assert {len(token.removeprefix("st.")) % 4 for token in tokens} == {0, 2, 3}
    for token in (*tokens, tenant.app_token):
        assert (await tenant.ask(token, "GET", path)).status_code == 200
        neighbors = [token[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567-_" if letter != token[-1]]
        for other in (token + "=", token + "==", *neighbors):
            assert (await tenant.ask(other, "GET", path)).status_code == 401, other


async def test_a_scope_is_refused_if_it_is_empty_unknown_or_too_large(tenant: Tenant, pump: str) -> None:
    refused: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {"devices", "topics"}),
        ({"devices": [pump]}, {"topics"}),
        ({"topics": ["attributes"]}, {"devices"}),
        ({"devices": [pump], "topics": ["trace"]}, {"topics[0]"}),
        ({"devices": [pump], "reads": ["certificate"]}, {"reads[0]"}),
        ({"types": ["nosuch00"], "groups": ["nosuch01"], "reads": ["attributes"]}, {"types[0]", "groups[0]"}),
        ({"devices": [pump] * 101, "reads": ["attributes"]}, {"devices"}),
        ({"devices": ["+"], "topics": ["attributes"]}, {"devices[0]"}),
        ({"devices": [pump], "reads": ["attributes"], "expires_in_s": 86_401}, {"expires_in_s"}),
        ({"devices": [pump], "reads": ["attributes"], "expires_in_s": 0}, {"expires_in_s"}),
        ({"devices": [pump], "reads": ["attributes"], "device": []}, {"device"}),
    ]
    for body, fields in refused:
        answer = await tenant.admin("POST", "scoped_token", body)
        assert (answer["errcode"], {error["field"] for error in answer["errors"]}) == (400, fields), body


async def test_reads_with_tokens_use_no_share_of_the_project(tenant: Tenant, house: House, pump: str) -> None:
    shares: list[str] = []
    list_attributes = house.platform.history.list_attributes

    async def noted(*arguments: Any) -> Any:
        shares.append(TENANT.get())
        return await list_attributes(*arguments)

    object.__setattr__(house.platform.history, "list_attributes", noted)
    token = (await create(tenant, devices=[pump], **ATTRIBUTES))["token"]
    for each in (token, tenant.app_token):
        assert await errcode(tenant, each, f"device/{pump}/attributes") == 0
    project = (await tenant.info("GET", "project"))["id"]
    assert shares == [f"{project}/scoped", project]


async def test_a_viewer_makes_no_tokens(tenant: Tenant, pump: str) -> None:
    _, keys = await application(tenant, "viewer")
    assert (await tenant.ask(keys, "POST", "scoped_token", {"devices": [pump], **ATTRIBUTES})).json()["errcode"] == 403


async def test_who_made_a_token_for_what_is_in_the_audit_log_and_the_token_is_not(tenant: Tenant, pump: str) -> None:
    made = await create(tenant, devices=[pump], **ATTRIBUTES)
    [row] = (await tenant.info("GET", "audit_logs?object_type=scoped_token"))["items"]
    assert (row["action"], row["object"]["id"], row["actor"]["name"]) == ("create", made["id"], "admin")
    changes = {change["member"]: change["after"] for change in row["changes"]}
    assert (changes["expires_at"], changes["devices"]) == (made["expires_at"], [pump])
    assert made["token"] not in str(row)


async def test_a_token_for_each_visitor_of_a_page_leaves_one_row_an_hour(
    tenant: Tenant, house: House, pump: str
) -> None:
    other = await make_device(tenant)
    _, keys = await application(tenant)

    async def issued(*devices: str) -> int:
        for device in devices:
            made = (await tenant.ask(keys, "POST", "scoped_token", {"devices": [device], **ATTRIBUTES})).json()
            assert made["result"] is True
        return len((await tenant.info("GET", "audit_logs?object_type=scoped_token"))["items"])

    assert await issued(pump, pump, pump) == 1
    assert await issued(other, pump) == 2
    house.clock.advance(3_600_000)
    assert await issued(pump) == 3
    await create(tenant, devices=[pump], **ATTRIBUTES)
    await create(tenant, devices=[pump], **ATTRIBUTES)  # an administrator's have a row each
    assert await issued(pump) == 5


async def test_the_answer_with_a_token_is_not_cached(tenant: Tenant, pump: str) -> None:
    response: httpx.Response = await tenant.ask(
        tenant.app_token, "POST", "scoped_token", {"devices": [pump], **ATTRIBUTES}
    )
    assert response.headers["cache-control"] == "no-store"
