"""One device over HTTP: as itself, and as an application sees it."""

import asyncio
from typing import Any

import pytest

from tests.client.conftest import Registered, Site
from thingstead.client import (
    AppDevice,
    AsyncAppDevice,
    AsyncHttpDevice,
    Certificate,
    HttpDevice,
    MqttDevice,
    PastReport,
    device_types,
    devices,
    logs,
)
from thingstead.client.planes import Fetched
from thingstead.errors import InvalidInput, NotAuthenticated, NotFound, ReplyTimeout

PAST = [PastReport(ts=1_700_000_000_000, attributes={"level": 1})]


async def uplinks(site: Site, pump: Registered) -> tuple[list[Any], list[Any], list[Any]]:
    """Events, data, and refusals of a device."""
    events = [(item.method, item.params) async for item in site.api.items(logs.events(pump.id))]
    data = [(item.identifier, item.payload) async for item in site.api.items(logs.data(pump.id))]
    refused = [item.topic async for item in site.api.items(logs.rejected(pump.id))]
    return events, data, refused


EXPECTED = ([("opened", {"by": "hand"})], [("raw", "hex:00")], ["attributes"])


async def test_a_device_reports_from_a_thread(site: Site, pump: Registered) -> None:
    def work() -> None:
        device = HttpDevice(site.url, pump.certificate)
        assert device.report({"level": 5, "a b": 1}) == ["a b: an identifier is 1 to 64 letters, digits, _ and -"]
        assert device.report_past(PAST) == []
        device.event("opened", {"by": "hand"})
        device.data("raw", b"\0")
        assert device.attributes() == {"level": 5}
        assert device.attributes("level", "absent") == {"level": 5}
        device.close()

    await asyncio.to_thread(work)
    assert await uplinks(site, pump) == EXPECTED


async def test_a_device_reports_from_an_event_loop(site: Site, pump: Registered) -> None:
    device = AsyncHttpDevice(site.url, pump.certificate)
    assert len(await device.report({"level": 5, "a b": 1})) == 1
    assert await device.report_past(PAST) == []
    await device.event("opened", {"by": "hand"})
    await device.data("raw", b"\0")
    assert await device.attributes() == {"level": 5}
    await device.close()
    assert await uplinks(site, pump) == EXPECTED


async def test_a_device_fetches_its_certificate(site: Site) -> None:
    created = await site.api.run(device_types.create("pumps", auto_create=True))
    fetched = await AsyncHttpDevice.fetch_certificate(
        site.url, site.credentials.project_key, "IMEI1", type_key=created.type_key
    )
    again = await asyncio.to_thread(HttpDevice.fetch_certificate, site.url, site.credentials.project_key, "IMEI1")
    assert again == fetched
    assert isinstance(fetched, Fetched)
    assert (await site.api.run(devices.read(fetched.id))).device_key == "IMEI1"
    with pytest.raises(NotFound):
        await AsyncHttpDevice.fetch_certificate(site.url, site.credentials.project_key, "IMEI2")


async def test_refusals_are_errors(site: Site, pump: Registered) -> None:
    device = AsyncHttpDevice(site.url, pump.certificate)
    with pytest.raises(InvalidInput):
        await device.report({"a b": 1})
    await device.close()
    stranger = AsyncHttpDevice(site.url, Certificate("0123456789abcdef", pump.certificate.project_key))
    with pytest.raises(NotAuthenticated):
        await stranger.report({"level": 1})
    await stranger.close()
    with pytest.raises(InvalidInput, match="project_key"):
        AsyncHttpDevice(site.url, Certificate("x", "a\r\nb"))


async def test_an_application_works_with_its_device(site: Site, pump: Registered) -> None:
    pushed: asyncio.Queue[Any] = asyncio.Queue()
    device = MqttDevice(
        pump.certificate,
        site.broker,
        push=pushed.put_nowait,
        command=lambda command: {"echo": command.params},
        data=lambda identifier, payload: pushed.put_nowait((identifier, payload)),
    )
    app = AsyncAppDevice(site.url, pump.certificate)
    async with device:
        await app.push({"relay": True})
        assert await pushed.get() == {"relay": True}
        await app.update_cloud({"note": "n"})
        assert await app.attributes() == {"relay": True, "note": "n"}
        reply = await app.call("turn", {"by": 3}, id=7, timeout_s=5)
        assert (reply.method, reply.params, reply.id) == ("turn", {"echo": {"by": 3}}, 7)
        await app.command("turn")
        await app.data("frames", {"a": 1}, push_mode="mqtt")
        assert await pushed.get() == ("frames", b'{"a":1}')
    await app.close()


async def test_an_application_works_from_a_thread(site: Site, pump: Registered) -> None:
    def work() -> None:
        app = AppDevice(site.url, pump.certificate)
        app.push({"relay": True})
        app.update_cloud({"note": "n"})
        assert app.attributes("relay") == {"relay": True}
        app.command("turn", wait_ms=60_000)
        for offline in (lambda: app.call("turn"), lambda: app.command("turn"), lambda: app.data("frames", 1)):
            with pytest.raises(NotFound, match="offline"):
                offline()
        app.close()

    await asyncio.to_thread(work)


async def test_a_device_that_does_not_reply_is_a_timeout(site: Site, pump: Registered) -> None:
    app = AsyncAppDevice(site.url, pump.certificate)
    async with MqttDevice(pump.certificate, site.broker):
        with pytest.raises(ReplyTimeout):
            await app.call("turn", timeout_s=0.1)
    await app.close()
