"""Search, saved views and preferences."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.api.registry.house import Api, House
from thingstead.model import limits

PASSWORD = "correct horse battery"  # of the first administrator, and of all others
Person = Callable[[str, str], Awaitable[Api]]


@pytest.fixture
def person(api: Api, house: House, connect: Callable[..., httpx.AsyncClient]) -> Person:
    """Makes administrators of the project, with a role, and logs them in."""

    async def log_in(account: str) -> Api:
        [application] = await house.platform.accounts.list_applications(api.project_id)
        client = connect(house.serve)
        body = {"app_id": application.id, "account": account, "password": PASSWORD}
        token = (await client.post("/api/v1/admin_login", json=body)).json()["info"]["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        return Api(client, api.project_id, api.project_key)

    async def make(account: str, role: str) -> Api:
        admin = await log_in("admin")
        await admin.call("POST", "admin", {"account": account, "password": PASSWORD, "role": role})
        return await log_in(account)

    return make


@pytest.fixture
async def ann(person: Person) -> Api:
    """An administrator of the project."""
    return await person("ann", "admin")


async def found(api: Api, text: str) -> dict[str, Any]:
    info = await api.get("search", q=text)
    return {each["kind"]: (each["total"], [item["name"] for item in each["items"]]) for each in info["found"]}


async def test_a_search_finds_every_noun_of_the_project_in_any_case(api: Api, stranger: Api, house: House) -> None:
    await stranger.new_device(name="Pump of others")
    for number in range(7):
        await api.new_device(name=f"Main pump {number}", device_key=f"KEY-{number}")
        house.clock.advance(1)
    await api.new_type(name="PUMPS")
    await api.new_group(name="Pump room")
    await api.call("POST", "customer", {"account": "pumper", "name": "Ann", "password": "longenough1"})
    assert await found(api, "pUmP") == {
        "device": (7, [f"Main pump {number}" for number in range(5)]),
        "type": (1, ["PUMPS"]),
        "group": (1, ["Pump room"]),
        "customer": (1, ["Ann"]),
    }
    assert await found(api, "key-3") == {"device": (1, ["Main pump 3"])}
    assert await found(api, "%") == {}


async def test_a_device_is_found_by_its_id_and_its_code(api: Api) -> None:
    device_id = await api.new_device(name="lamp")
    code = (await api.get(f"device/{device_id}"))["device_code"]
    assert await found(api, device_id) == await found(api, code) == {"device": (1, ["lamp"])}
    assert (await api.get("devices", keyword=code))["total"] == 1


async def test_names_that_begin_with_the_text_come_first(api: Api) -> None:
    for name in ("a red lamp", "red"):
        await api.new_device(name=name)
    assert (await found(api, "red"))["device"] == (2, ["red", "a red lamp"])


async def test_views_are_ones_own_or_shared(house: House, person: Person, ann: Api) -> None:
    bob = await person("bob", "viewer")
    own = (await ann.call("POST", "device_views", {"name": "mine", "query": "online=0"}))["id"]
    house.clock.advance(1)
    shared = (await ann.call("POST", "device_views", {"name": "ours", "query": "tag=a", "shared": True}))["id"]
    assert [view["id"] for view in (await ann.get("device_views"))["items"]] == [own, shared]
    [seen] = (await bob.get("device_views"))["items"]
    assert (seen["id"], seen["name"], seen["query"], seen["own"]) == (shared, "ours", "tag=a", False)
    for view in (own, shared):
        assert (await bob.refusal("PUT", f"device_view/{view}", {"name": "b"})).errcode == 404
        assert (await bob.refusal("DELETE", f"device_view/{view}")).errcode == 404
    await ann.call("PUT", f"device_view/{own}", {"name": "still mine", "version": 1})
    assert (await ann.refusal("PUT", f"device_view/{own}", {"name": "late", "version": 1})).errcode == 409
    await ann.call("DELETE", f"device_view/{own}")
    bobs = (await bob.call("POST", "device_views", {"name": "bob's", "query": "", "shared": True}))["id"]
    await ann.call("DELETE", f"device_view/{bobs}")
    assert [view["name"] for view in (await bob.get("device_views"))["items"]] == ["ours"]


async def test_applications_have_no_views_and_no_preferences(api: Api) -> None:
    for path in ("device_views", "admin/preferences"):
        assert (await api.refusal("GET", path)).errcode == 403


async def test_preferences_are_kept_for_each_administrator(house: House, person: Person, ann: Api) -> None:
    bob = await person("bob", "viewer")
    assert await ann.get("admin/preferences") == {}
    await ann.call("PUT", "admin/preferences", {"theme": "dark", "columns": ["name", "温度"]})
    await house.reopen()
    assert await ann.get("admin/preferences") == {"theme": "dark", "columns": ["name", "温度"]}
    assert await bob.get("admin/preferences") == {}
    await ann.refusal("PUT", "admin/preferences", {"much": "x" * limits.PREFERENCES_BYTES})
    await ann.call("PUT", "admin/preferences", {})
    assert await ann.get("admin/preferences") == {}
