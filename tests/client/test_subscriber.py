"""An application that listens to a project, over real sockets."""

import asyncio
from typing import Any

import pytest

from tests.client.cable import Cable
from tests.client.conftest import Registered, Site
from thingstead.client import (
    AdministratorLogin,
    AsyncProjectClient,
    Broker,
    MqttDevice,
    Subscriber,
    ViewKeys,
    info,
)
from thingstead.client import subscriber as module
from thingstead.errors import NotAuthenticated
from thingstead.mqtt.connection_packets import Connack
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Suback


def keys(site: Site) -> ViewKeys:
    return ViewKeys(site.credentials.view_key, site.credentials.view_secret)


async def test_what_devices_report_is_told_in_order(site: Site, pump: Registered) -> None:
    async with Subscriber(keys(site), site.broker) as project, MqttDevice(pump.certificate, site.broker) as device:
        await device.report({"level": 5})
        await device.event("opened", {"by": "hand"})
        await device.data("frames", b"\0")
        notices = [notice async for notice in first(project, 4)]
    assert [notice.kind for notice in notices] == ["online", "attributes", "event/report", "data/frames"]
    assert notices[1].body["attributes"] == {"level": 5}
    assert notices[1].body["device"]["id"] == pump.id
    assert notices[3].payload == b"\0"
    assert len({notice.view_token for notice in notices}) == 1


async def first(project: Subscriber, count: int) -> Any:
    """So many notices."""
    iterator = aiter(project)
    for _ in range(count):
        yield await anext(iterator)
    await iterator.aclose()  # type: ignore[attr-defined]  # it is an asynchronous generator


async def test_only_what_is_wanted_is_told(site: Site, pump: Registered) -> None:
    async with Subscriber(keys(site), site.broker, kinds=("event/report",)) as project:
        async with MqttDevice(pump.certificate, site.broker) as device:
            await device.report({"level": 5})
            await device.event("opened")
        assert [notice.kind async for notice in first(project, 1)] == ["event/report"]


async def test_a_gap_is_told(site: Site, pump: Registered, cable: Cable) -> None:
    broker = Broker("127.0.0.1", cable.port)
    async with Subscriber(keys(site), broker, kinds=("attributes",)) as project:
        cable.cut()
        assert [notice.kind async for notice in first(project, 1)] == ["gap"]
        async with MqttDevice(pump.certificate, site.broker) as device:
            await device.report({"level": 5})
        assert [notice.kind async for notice in first(project, 1)] == ["attributes"]


async def test_a_gap_is_told_before_what_came_with_the_subscription() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        v5 = ProtocolVersion.V5
        await reader.read(4096)  # CONNECT
        writer.write(Connack().serialize(v5))
        await reader.read(4096)  # SUBSCRIBE
        message = Publish("view/token/online", b"{}").serialize(v5)
        writer.write(Suback(1, [ReasonCode.SUCCESS]).serialize(v5) + message)
        await reader.read(4096)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        broker = Broker("127.0.0.1", server.sockets[0].getsockname()[1])
        async with Subscriber(ViewKeys("view", "secret"), broker) as project:
            told = [notice.kind async for notice in first(project, 3)]
    assert told == ["online", "gap", "online"]


async def test_a_slow_reader_loses_nothing_that_the_server_can_keep(
    site: Site, pump: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INBOX_LIMIT", 4)
    async with Subscriber(keys(site), site.broker, kinds=("attributes",)) as project:
        async with MqttDevice(pump.certificate, site.broker) as device:
            await asyncio.gather(*(device.report({"n": number}) for number in range(50)))
        told = [notice.body["attributes"]["n"] async for notice in first(project, 50)]
    assert told == list(range(50))


async def test_a_wrong_secret_is_refused(site: Site) -> None:
    with pytest.raises(NotAuthenticated):
        async with Subscriber(ViewKeys(site.credentials.view_key, "wrong"), site.broker):
            pass


async def test_a_reset_secret_ends_the_subscription(site: Site) -> None:
    found = site.credentials
    login = AdministratorLogin(found.app_id, found.admin_account, found.admin_password)
    async with Subscriber(keys(site), site.broker) as project:
        async with AsyncProjectClient(site.url, login) as admin:
            await admin.run(info.reset_view_secret())
        with pytest.raises(NotAuthenticated):
            async for _ in project:
                pass
