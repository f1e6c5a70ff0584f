"""The project: its name, time zone and tags, and the addresses of its planes."""

from typing import Any

import pytest

from tests.api.accounts.conftest import CONFIG, Tenant
from tests.api.registry.house import House
from thingstead.api.app import create_app
from thingstead.config import ApiSettings
from thingstead.server.platforms import build_platform
from thingstead.services.shared.installation import OpenListener


async def test_name_description_and_time_zone_are_changed_apart(tenant: Tenant, neighbor: Tenant, house: House) -> None:
    before = await tenant.info("GET", "project")
    for changes in ({"name": "Plant 7"}, {"descr": "The new one"}, {"timezone": "Asia/Shanghai"}):
        before |= changes | {"version": before["version"] + 1}
        assert await tenant.info("PUT", "project/info", changes) == before
    assert await tenant.info("GET", "project") == before
    assert (await neighbor.info("GET", "project"))["name"] == "Thingstead"
    await house.reopen()
    assert await tenant.info("GET", "project") == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"name": ""}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"name": None}, "body"),
        ({"descr": "x" * 1_001}, "descr"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"name": "Plant", "timezone": "Mars/Olympus"}, "timezone"),
        ({"project_key": "mine"}, "project_key"),
    ],
)
async def test_what_a_project_cannot_be_is_refused_by_name(tenant: Tenant, body: Any, field: str) -> None:
    before = await tenant.info("GET", "project")
    answer = await tenant.admin("PUT", "project/info", body)
    assert (answer["errcode"], [error["field"] for error in answer["errors"]]) == (400, [field])
    assert await tenant.info("GET", "project") == before


async def test_tags_are_put_and_taken_off(tenant: Tenant) -> None:
    await tenant.info("PUT", "project/tags", {"tags": {"site": "north", "line": "1"}})
    await tenant.info("PUT", "project/tags", {"tags": {"line": "2"}})
    assert (await tenant.info("GET", "project"))["tags"] == {"site": "north", "line": "2"}
    await tenant.info("POST", "project/tags_remove", {"keys": ["site", "nosuch"]})
    assert (await tenant.info("GET", "project"))["tags"] == {"line": "2"}
    answer = await tenant.admin("PUT", "project/tags", {"tags": {f"k{n}": "v" for n in range(64)}})
    assert answer["errcode"] == 400


async def test_the_addresses_of_the_ports_are_those_by_which_the_server_was_asked(tenant: Tenant, house: House) -> None:
    listeners = [OpenListener("http", "::", 8080), OpenListener("mqtt", "::", 1883)]
    platform = build_platform(house.store, house.bus, house.clock, CONFIG, listeners)
    house.app = create_app(platform, ApiSettings(), house.store.trouble)
    shown = await tenant.info("GET", "project/connection_info")
    assert [f"{each['kind']}://{each['host']}:{each['port']}" for each in shown["endpoints"]] == [
        "mqtt://thingstead:1883",
        "http://thingstead:80",
        "http://thingstead:8080",
        "ws://thingstead:80",
        "ws://thingstead:8080",
    ]
