"""End users: made, listed, changed, removed, and which devices are theirs."""

from typing import Any

import pytest

from tests.api.accounts.conftest import Tenant
from tests.api.registry.house import House
from thingstead.model.messages import DeviceChanged

BODY = {"name": "Alice", "account": "alice", "password": "a long password"}


async def new_customer(tenant: Tenant, **members: Any) -> str:
    return str((await tenant.info("POST", "customer", BODY | members))["id"])


async def new_device(tenant: Tenant) -> str:
    return str((await tenant.info("POST", "device", {"name": "pump"}))["id"])


async def device_count(tenant: Tenant, customer_id: str) -> int:
    return int((await tenant.info("GET", f"customer/{customer_id}"))["count"]["device_count"])


def fields(answer: Any) -> set[str]:
    """The bad fields of a refusal."""
    assert (answer["result"], answer["errcode"]) == (False, 400)
    return {error["field"] for error in answer["errors"]}


async def test_a_customer_is_shown_as_created(tenant: Tenant, house: House) -> None:
    members = {"descr": "third floor", "email": "a@b.example", "mobile": "+86 130 0000 0000", "tags": {"vip": "yes"}}
    created = (await tenant.app("POST", "customer", BODY | members))["info"]
    assert created == {"id": created["id"], "name": "Alice"}
    assert await tenant.info("GET", f"customer/{created['id']}") == {
        "id": created["id"],
        "account": "alice",
        "name": "Alice",
        **members,
        "locale": "",
        "create_time": house.clock.now_ms(),
        "version": 1,
        "count": {"device_count": 0},
    }


async def test_every_bad_field_of_a_customer_is_named(tenant: Tenant) -> None:
    assert fields(await tenant.app("POST", "customer", {})) == {"name", "account", "password"}
    wrong = {"name": " ", "account": "a b", "email": "x", "mobile": "call me", "tags": {"": "x"}}
    assert fields(await tenant.app("POST", "customer", BODY | wrong)) == wrong.keys()
    long = {"descr": "d" * 1_001, "password": "short", "tags": {"a": 1}}
    assert fields(await tenant.app("POST", "customer", BODY | long)) == {"descr", "password", "tags.a"}


async def test_an_account_is_unique_in_its_project_only(tenant: Tenant, neighbor: Tenant) -> None:
    await new_customer(tenant)
    answer = await tenant.app("POST", "customer", BODY)
    assert answer["errcode"] == 409
    assert [error["field"] for error in answer["errors"]] == ["account"]
    await new_customer(neighbor)


async def test_customers_are_listed_page_by_page_oldest_first(tenant: Tenant, house: House) -> None:
    assert await tenant.info("GET", "customers") == {"items": [], "total": 0, "page_total": 0}
    for number in range(5):
        house.clock.advance(1)
        await new_customer(tenant, account=f"user{number}")
    pages = [await tenant.info("GET", f"customers?page_records=2&page={page}") for page in (1, 2, 3, 4)]
    assert [[item["account"] for item in page["items"]] for page in pages] == [
        ["user0", "user1"],
        ["user2", "user3"],
        ["user4"],
        [],
    ]
    assert {(page["total"], page["page_total"]) for page in pages} == {(5, 3)}


async def test_the_bounds_of_a_page_are_named(tenant: Tenant) -> None:
    assert fields(await tenant.app("GET", "customers?page=0&page_records=101")) == {"page", "page_records"}


async def test_info_changes_only_what_is_given(tenant: Tenant) -> None:
    customer_id = await new_customer(tenant, descr="before")
    await tenant.info("PUT", f"customer/{customer_id}/info", {"name": "Bob", "email": "b@c.example"})
    shown = await tenant.info("GET", f"customer/{customer_id}")
    assert (shown["name"], shown["email"], shown["descr"]) == ("Bob", "b@c.example", "before")
    await tenant.info("PUT", f"customer/{customer_id}/info", {"email": "", "descr": ""})
    shown = await tenant.info("GET", f"customer/{customer_id}")
    assert (shown["name"], shown["email"], shown["descr"]) == ("Bob", "", "")


async def test_info_needs_at_least_one_member(tenant: Tenant) -> None:
    customer_id = await new_customer(tenant)
    assert fields(await tenant.app("PUT", f"customer/{customer_id}/info", {"extra": 1})) == {"body"}
    wrong = {"name": "", "mobile": 13}
    assert fields(await tenant.app("PUT", f"customer/{customer_id}/info", wrong)) == wrong.keys()


async def test_a_password_is_set(tenant: Tenant, house: House) -> None:
    customer_id = await new_customer(tenant)
    before = await house.store.customers.get(tenant.credentials.project_id, customer_id)
    await tenant.info("PUT", f"customer/{customer_id}/pwd", {"password": "another password"})
    after = await house.store.customers.get(tenant.credentials.project_id, customer_id)
    assert before.password_hash != after.password_hash
    assert after.password_hash.startswith("$argon2id$")
    assert fields(await tenant.app("PUT", f"customer/{customer_id}/pwd", {"password": "short"})) == {"password"}


async def test_tags_merge_and_are_removed(tenant: Tenant) -> None:
    customer_id = await new_customer(tenant, tags={"a": "1", "b": "2"})
    await tenant.info("PUT", f"customer/{customer_id}/tags", {"tags": {"b": "3", "c": "4"}})
    assert (await tenant.info("GET", f"customer/{customer_id}"))["tags"] == {"a": "1", "b": "3", "c": "4"}
    await tenant.info("POST", f"customer/{customer_id}/tags_remove", {"keys": ["a", "unknown"]})
    assert (await tenant.info("GET", f"customer/{customer_id}"))["tags"] == {"b": "3", "c": "4"}


async def test_too_many_tags_are_refused(tenant: Tenant) -> None:
    customer_id = await new_customer(tenant, tags={f"k{n}": "" for n in range(64)})
    assert fields(await tenant.app("PUT", f"customer/{customer_id}/tags", {"tags": {"new": ""}})) == {"tags"}
    assert fields(await tenant.app("POST", f"customer/{customer_id}/tags_remove", {"keys": []})) == {"keys"}


async def test_devices_are_bound_and_unbound(tenant: Tenant, house: House) -> None:
    customer_id = await new_customer(tenant)
    first, second = await new_device(tenant), await new_device(tenant)
    house.heard.clear()
    await tenant.info("POST", f"customer/{customer_id}/devices", {"devices": [first, second]})
    assert house.heard == [DeviceChanged(first), DeviceChanged(second)]
    assert await device_count(tenant, customer_id) == 2
    await tenant.info("POST", f"customer/{customer_id}/devices_remove", {"devices": [first]})
    assert await device_count(tenant, customer_id) == 1


async def test_binding_moves_a_device_from_another_customer(tenant: Tenant) -> None:
    alice, bob = await new_customer(tenant), await new_customer(tenant, account="bob")
    device_id = await new_device(tenant)
    await tenant.info("POST", f"customer/{alice}/devices", {"devices": [device_id]})
    await tenant.info("POST", f"customer/{bob}/devices", {"devices": [device_id]})
    assert [await device_count(tenant, customer_id) for customer_id in (alice, bob)] == [0, 1]
    await tenant.info("POST", f"customer/{alice}/devices_remove", {"devices": [device_id]})
    assert await device_count(tenant, bob) == 1


async def test_binding_is_all_or_nothing(tenant: Tenant, neighbor: Tenant) -> None:
    customer_id = await new_customer(tenant)
    mine, foreign = await new_device(tenant), await new_device(neighbor)
    answer = await tenant.app("POST", f"customer/{customer_id}/devices", {"devices": [mine, foreign]})
    assert answer["result"] is False
    assert await device_count(tenant, customer_id) == 0
    assert fields(await tenant.app("POST", f"customer/{customer_id}/devices", {"devices": []})) == {"devices"}


async def test_devices_of_a_removed_customer_stay(tenant: Tenant) -> None:
    customer_id = await new_customer(tenant)
    device_id = await new_device(tenant)
    await tenant.info("POST", f"customer/{customer_id}/devices", {"devices": [device_id]})
    await tenant.info("DELETE", f"customer/{customer_id}")
    assert (await tenant.app("GET", f"customer/{customer_id}"))["errcode"] == 404
    assert (await tenant.info("GET", f"device/{device_id}"))["name"] == "pump"


async def test_customers_survive_a_restart(tenant: Tenant, house: House) -> None:
    customer_id = await new_customer(tenant, tags={"a": "1"})
    await tenant.info("POST", f"customer/{customer_id}/devices", {"devices": [await new_device(tenant)]})
    before = await tenant.info("GET", "customers")
    await house.reopen()
    assert await tenant.info("GET", "customers") == before


ON_ONE_CUSTOMER = [
    ("GET", "", None),
    ("DELETE", "", None),
    ("PUT", "/info", {"name": "x"}),
    ("PUT", "/pwd", {"password": "a long password"}),
    ("PUT", "/tags", {"tags": {"a": "1"}}),
    ("POST", "/tags_remove", {"keys": ["a"]}),
    ("POST", "/devices", {"devices": ["{device}"]}),
    ("POST", "/devices_remove", {"devices": ["{device}"]}),
]


@pytest.mark.parametrize(("method", "path", "body"), ON_ONE_CUSTOMER)
async def test_another_projects_customers_do_not_exist(
    tenant: Tenant, neighbor: Tenant, method: str, path: str, body: Any
) -> None:
    customer_id, device_id = await new_customer(tenant), await new_device(neighbor)
    if body and "devices" in body:
        body = {"devices": [device_id]}
    before = await tenant.info("GET", f"customer/{customer_id}")
    assert (await neighbor.app(method, f"customer/{customer_id}{path}", body))["errcode"] == 404
    assert await tenant.info("GET", f"customer/{customer_id}") == before
    assert (await neighbor.info("GET", "customers"))["total"] == 0
