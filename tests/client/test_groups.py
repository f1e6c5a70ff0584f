"""Calls as methods of a client, walks over what has no cursor, and DeviceOffline."""

import asyncio

import pytest

from tests.client.conftest import Registered, Site
from tests.client.test_calls import functions
from thingstead.client import AsyncHttpDevice, AsyncProjectClient, PastReport, ProjectClient, groups, walks
from thingstead.client.answers import OFFLINE_CODES
from thingstead.client.call_group import All, CallGroup, One
from thingstead.client.project.data import SERIES_PAGE_RECORDS
from thingstead.errors import DeviceOffline, NotFound
from thingstead.services.shared.recorded_reasons import COMMAND_CODES

DAY_MS = 24 * 3600 * 1000
NOW_MS = 1_767_225_600_000


def test_every_call_is_a_method_of_its_group() -> None:
    bound = {
        method.make
        for group in vars(groups).values()
        if isinstance(group, type) and issubclass(group, CallGroup)
        for method in vars(group).values()
        if isinstance(method, One | All)
    }
    assert bound - {walks.points, walks.messages, walks.audit_logs} == set(functions())


def test_every_way_in_which_a_command_does_not_arrive_is_device_offline() -> None:
    assert {*COMMAND_CODES, "device_offline", "device_not_on", "command_failed"} == OFFLINE_CODES


async def test_methods_carry_calls_out_for_threads_and_for_asyncio(site: Site) -> None:
    created = await site.api.devices.create("pump", tags={"site": "north"})
    assert (await site.api.devices.read(created.id)).name == "pump"

    def in_thread() -> tuple[str, list[str]]:
        with ProjectClient(site.url, site.keys) as api:
            return api.devices.read(created.id).name, [device.id for device in api.devices.search()]

    assert await asyncio.to_thread(in_thread) == ("pump", [created.id])
    assert [device.id async for device in site.api.devices.search()] == [created.id]


async def reported(site: Site, pump: Registered, count: int, step_ms: int) -> list[int]:
    """Reports points into the past; returns their instants, newest first."""
    instants = [NOW_MS - number * step_ms for number in range(count)]
    device = AsyncHttpDevice(site.url, pump.certificate)
    for begin in range(0, count, 100):
        await device.report_past([PastReport(ts=ts, attributes={"t": ts % 97}) for ts in instants[begin : begin + 100]])
    await device.close()
    return instants


async def test_points_of_a_series_are_walked_lazily_over_any_range_and_each_comes_once(
    site: Site, pump: Registered
) -> None:
    dense = await reported(site, pump, 2 * SERIES_PAGE_RECORDS + 7, 1000)
    sparse = [NOW_MS - days * DAY_MS for days in (40, 75)]
    device = AsyncHttpDevice(site.url, pump.certificate)
    await device.report_past([PastReport(ts=ts, attributes={"t": 1}) for ts in sparse])
    await device.close()
    api = site.api
    walked = [point.ts async for point in api.data.points(pump.id, "t", start_time=sparse[-1], end_time=NOW_MS)]
    assert walked == [*dense, *sparse]
    calls = 0

    class Counting(AsyncProjectClient):
        async def run(self, call):  # type: ignore[no-untyped-def]
            nonlocal calls
            calls += 1
            return await super().run(call)

    async with Counting(site.url, site.keys) as counting:
        async for _ in counting.data.points(pump.id, "t", start_time=sparse[-1], end_time=NOW_MS):
            break
    assert calls == 1

    def in_thread() -> list[int]:
        with ProjectClient(site.url, site.keys) as api:
            return [point.ts for point in api.data.points(pump.id, "t", start_time=dense[-1], end_time=dense[0])]

    assert await asyncio.to_thread(in_thread) == dense


async def test_points_of_the_same_instant_come_once_each_even_where_a_page_ends_between_them(
    site: Site, pump: Registered
) -> None:
    before, same, after = SERIES_PAGE_RECORDS - 2, 2 * SERIES_PAGE_RECORDS + 7, 5
    instants = [
        *(NOW_MS - n for n in range(before)),
        *[NOW_MS - before] * same,
        *(NOW_MS - before - 1 - n for n in range(after)),
    ]
    device = AsyncHttpDevice(site.url, pump.certificate)
    for begin in range(0, len(instants), 100):
        part = list(enumerate(instants))[begin : begin + 100]
        await device.report_past([PastReport(ts=ts, attributes={"t": number}) for number, ts in part])
    await device.close()
    walked = [point async for point in site.api.data.points(pump.id, "t", start_time=instants[-1], end_time=NOW_MS)]
    assert [point.ts for point in walked] == instants
    assert sorted(point.value for point in walked) == list(range(len(instants)))


async def test_an_empty_range_has_no_points(site: Site, pump: Registered) -> None:
    assert [each async for each in site.api.data.points(pump.id, "t", start_time=5, end_time=4)] == []
    assert [each async for each in site.api.data.points(pump.id, "t", start_time=0, end_time=4)] == []


async def test_messages_of_a_device_are_walked_to_the_first(site: Site, pump: Registered) -> None:
    device = AsyncHttpDevice(site.url, pump.certificate)
    for number in range(105):
        await device.event("ping", {"number": number})
    await device.close()
    walked = [item async for item in site.api.logs.all_messages(pump.id, kinds=("event",))]
    assert len(walked) == 105


async def test_a_command_to_an_offline_device_raises_device_offline(site: Site, pump: Registered) -> None:
    with pytest.raises(DeviceOffline):
        await site.api.control.send_command(pump.id, "toggle")
    with pytest.raises(DeviceOffline):
        await site.api.control.send_data(pump.id, "stream", {"a": 1})
    with pytest.raises(NotFound) as raised:
        await site.api.control.send_command("nobody", "toggle")
    assert not isinstance(raised.value, DeviceOffline)
