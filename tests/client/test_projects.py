"""Callers of the Project API, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.client.conftest import Site, register
from thingstead.client import (
    AdministratorLogin,
    ApplicationKeys,
    AsyncProjectClient,
    ProjectClient,
    administrators,
    applications,
    control,
    data,
    devices,
    info,
)
from thingstead.client.answers import info_of
from thingstead.client.http import Response
from thingstead.clock import ManualClock
from thingstead.config import Config
from thingstead.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    ReplyTimeout,
    ThingsteadError,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from thingstead.server import open_server
from thingstead.wire.devices import ListedDevices
from thingstead.wire.projects import ProjectInfo

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
async def timeless(config: Config) -> AsyncIterator[tuple[ManualClock, str, ApplicationKeys]]:
    """A server whose clock a test moves."""
    clock = ManualClock()
    async with open_server(config, clock) as server:
        assert server.credentials is not None
        found = server.credentials
        keys = ApplicationKeys(found.app_id, found.access_key, found.secret_key)
        yield clock, f"http://127.0.0.1:{server.http_port}", keys


async def test_devices_are_made_read_and_removed(site: Site) -> None:
    api = site.api
    created = await api.run(devices.create("pump", device_key="K1", tags={"site": "north"}))
    device = await api.run(devices.read(created.id))
    assert (device.name, device.device_key, device.tags, device.online) == ("pump", "K1", {"site": "north"}, False)
    await api.run(devices.update_info(created.id, name="pump 2"))
    await api.run(control.update_cloud_attributes(created.id, {"level": 5}))
    assert [(item.identifier, item.value) for item in await api.run(data.attributes(created.id))] == [("level", 5)]
    await api.run(devices.delete(created.id))
    with pytest.raises(NotFound):
        await api.run(devices.read(created.id))


async def test_a_list_is_walked_to_its_end(site: Site) -> None:
    imported = await site.api.run(devices.import_many([{"name": f"d{number:03}"} for number in range(230)]))
    assert (imported.created, len(imported.items)) == (230, 230)
    names = [device.name async for device in site.api.items(devices.search(keyword="d"))]
    assert names == [f"d{number:03}" for number in range(230)]
    assert [device async for device in site.api.items(devices.search(keyword="nobody"))] == []


async def test_devices_are_searched_with_values_and_facets(site: Site) -> None:
    rows = [{"name": f"d{n}", "tags": {"site": ("north", "south")[n % 2], "floor": "1"}} for n in range(3)]
    imported = await site.api.run(devices.import_many(rows))
    first = imported.items[0].id
    assert first
    await site.api.run(control.update_cloud_attributes(first, {"level": 5}))
    search = devices.search(tag=["site:north", "floor"], not_tag=["floor:2"], attributes=["level"], facets=["tag:site"])
    page = await site.api.run(search.page(1))
    assert isinstance(page, ListedDevices)
    assert [item.name for item in page.items] == ["d0", "d2"]
    assert page.items[0].values
    assert page.items[0].values["level"].value == 5
    assert page.facets
    assert [(facet.value, facet.count) for facet in page.facets["tag:site"]] == [("north", 2), ("south", 1)]


async def test_threads_share_a_caller(site: Site) -> None:
    def work() -> list[str]:
        with ProjectClient(site.url, site.keys) as api:
            for name in ("a", "b"):
                api.run(devices.create(name))
            return [device.name for device in api.items(devices.search())]

    assert await asyncio.to_thread(work) == ["a", "b"]


async def test_a_refusal_is_an_error_of_the_tree(site: Site) -> None:
    await register(site, device_key="K1")
    with pytest.raises(Conflict) as taken:
        await site.api.run(devices.create("other", device_key="K1"))
    assert [error.field for error in taken.value.errors] == ["device_key"]
    with pytest.raises(InvalidInput) as wrong:
        await site.api.run(devices.create(""))
    assert [error.field for error in wrong.value.errors] == ["name"]
    with pytest.raises(Forbidden):
        await site.api.run(administrators.list_all())


async def test_ids_with_odd_characters_lead_nowhere_else(site: Site) -> None:
    for device_id in ("../project", "a?b", "x/attributes", "..", "%2e"):
        with pytest.raises(NotFound):
            await site.api.run(devices.read(device_id))


async def test_wrong_keys_are_refused(site: Site) -> None:
    keys = ApplicationKeys(site.credentials.app_id, site.credentials.access_key, "wrong")
    async with AsyncProjectClient(site.url, keys) as api:
        with pytest.raises(NotAuthenticated):
            await api.run(info.read())


async def test_a_token_that_has_expired_is_renewed(timeless: tuple[ManualClock, str, ApplicationKeys]) -> None:
    clock, url, keys = timeless
    async with AsyncProjectClient(url, keys) as api:
        before = await api.run(info.read())
        first = api._token
        clock.advance(2 * DAY_MS)
        assert await asyncio.gather(*(api.run(info.read()) for _ in range(5))) == [before] * 5
        assert api._token != first

    def work() -> None:
        with ProjectClient(url, keys) as api:
            api.run(info.read())
            clock.advance(2 * DAY_MS)
            assert api.run(info.read()) == before

    await asyncio.to_thread(work)


async def test_keys_that_were_reset_are_not_tried_for_ever(site: Site) -> None:
    await site.api.run(info.read())
    login = AdministratorLogin(site.credentials.app_id, site.credentials.admin_account, site.credentials.admin_password)
    async with AsyncProjectClient(site.url, login) as admin:
        assert (await admin.run(administrators.whoami())).account == "admin"
        reset = await admin.run(applications.reset_secret(site.credentials.app_id))
        with pytest.raises(NotAuthenticated):
            await site.api.run(info.read())
        fresh = ApplicationKeys(reset.id, reset.access_key, reset.secret_key)
        async with AsyncProjectClient(site.url, fresh) as api:
            assert (await api.run(info.read())).id == site.credentials.project_id


def test_secrets_are_not_shown() -> None:
    shown = f"{ApplicationKeys('app', 'access', 'hidden')} {AdministratorLogin('app', 'alice', 'hidden')}"
    assert "hidden" not in shown
    assert "access" not in shown


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"result": False, "errcode": 400, "message": "m", "errors": []}, InvalidInput),
        (200, {"result": 0, "errcode": 408, "message": "m"}, ReplyTimeout),
        (200, {"result": False, "errcode": 404, "message": "m"}, NotFound),
        (401, {"result": False, "errcode": 401, "message": "m"}, NotAuthenticated),
        (404, {"message": "Request invalid"}, NotFound),
        (413, {"result": 0, "errcode": 413, "message": "m"}, TooLarge),
        (503, {"result": False, "errcode": 503, "message": "m"}, Unavailable),
        (500, {"result": False, "errcode": 500, "message": "m"}, Unavailable),
        (502, "<html>", Unavailable),
        (200, {"result": True, "info": {"id": 1}}, Unavailable),
        (200, [], Unavailable),
    ],
)
def test_every_answer_has_its_error(status: int, body: Any, kind: type[ThingsteadError]) -> None:
    with pytest.raises(kind):
        info_of(Response(status, {}, msgspec.json.encode(body)), ProjectInfo)


def test_a_throttled_caller_learns_how_long_to_wait() -> None:
    body = msgspec.json.encode({"result": False, "errcode": 429, "message": "slow down"})
    with pytest.raises(TooManyRequests) as throttled:
        info_of(Response(429, {"retry-after": "7"}, body), ProjectInfo)
    assert throttled.value.retry_after_s == 7


def test_what_the_server_passed_over_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    warnings = [{"field": "devicekey", "message": "is not known; did you mean device_key?"}]
    body = msgspec.json.encode(
        {
            "result": True,
            "info": {"id": "p", "name": "n", "descr": "", "timezone": "", "tags": {}},
            "warnings": warnings,
        }
    )
    assert info_of(Response(200, {}, body), ProjectInfo).id == "p"
    assert caplog.messages == ["the server ignored devicekey, which is not known; did you mean device_key?"]
