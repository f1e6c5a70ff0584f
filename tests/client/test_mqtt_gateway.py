"""A gateway and the sub-devices behind it, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from tests.client.cable import Cable
from tests.client.conftest import Registered, Site, register, until
from thingstead.client import (
    Broker,
    MqttGateway,
    PastReport,
    ReceivedCommand,
    control,
    data,
    device_types,
    devices,
    logs,
)
from thingstead.errors import Forbidden, InvalidInput


class House(NamedTuple):
    """A gateway with two meters."""

    gateway: MqttGateway
    meters: dict[str, Registered]  # by address


@pytest.fixture
async def house(site: Site, cable: Cable) -> AsyncIterator[House]:
    gateway_type = await site.api.run(device_types.create("gateways", conn_type="3"))
    meter_type = await site.api.run(device_types.create("meters", conn_type="2"))
    gateway = await register(site, "gateway", type=gateway_type.id)
    meters = {
        address: await register(site, f"meter {address}", type=meter_type.id, gateway=gateway.id, sub_address=address)
        for address in ("1", "2")
    }
    async with MqttGateway(gateway.certificate, Broker("127.0.0.1", cable.port)) as connected:
        yield House(connected, meters)


async def values(site: Site, device: Registered) -> dict[str, Any]:
    return {item.identifier: item.value for item in await site.api.run(data.attributes(device.id)) if item.ts}


async def online(site: Site, device: Registered) -> bool:
    return (await site.api.run(devices.read(device.id))).online


async def test_sub_devices_come_and_go(site: Site, house: House) -> None:
    meter = house.gateway.sub_device("1")
    await meter.connect()
    assert await online(site, house.meters["1"])
    assert not await online(site, house.meters["2"])
    await meter.disconnect()
    assert not await online(site, house.meters["1"])


async def test_sub_devices_report_and_read(site: Site, house: House) -> None:
    meter = house.gateway.sub_device("1")
    assert await meter.report({"power": 5}) == []
    assert await house.gateway.report_all({"1": {"power": 6}, "2": {"power": 7}}) == []
    assert await values(site, house.meters["2"]) == {"power": 7}
    assert await meter.attributes("power") == {"power": 6}
    assert await meter.report_past([PastReport(ts=1_700_000_000_000, attributes={"power": 1})]) == []
    assert await values(site, house.meters["1"]) == {"power": 6}


async def test_an_unknown_address_is_refused(house: House) -> None:
    with pytest.raises(InvalidInput, match="no such sub-device"):
        await house.gateway.sub_device("9").report({"power": 5})
    assert await house.gateway.report_all({"1": {"power": 5}, "9": {"power": 5}}) == ["9: no such sub-device"]


async def test_sub_devices_report_events(site: Site, house: House) -> None:
    await house.gateway.sub_device("1").event("opened", {"by": "hand"})
    events = [event async for event in site.api.items(logs.events(house.meters["1"].id))]
    assert [(event.method, event.params) for event in events] == [("opened", {"by": "hand"})]


async def test_pushes_and_commands_reach_the_sub_device(site: Site, house: House) -> None:
    got: asyncio.Queue[Any] = asyncio.Queue()

    def command(command: ReceivedCommand) -> dict[str, Any]:
        got.put_nowait(command.method)
        return {"ok": True}

    meter = house.gateway.sub_device("1", push=got.put_nowait, command=command)
    await meter.connect()
    await site.api.run(control.push_attributes(house.meters["1"].id, {"relay": True}))
    assert await got.get() == {"relay": True}
    await site.api.run(control.send_command(house.meters["1"].id, "turn"))
    assert await got.get() == "turn"
    await meter.report({"power": 1})  # after the reply, on the same connection
    commands = [item async for item in site.api.items(logs.commands(house.meters["1"].id))]
    assert [(item.state, item.reply["params"]) for item in commands] == [("replied", {"ok": True})]


async def test_sub_devices_are_online_again_after_the_gateway_has_connected_again(
    site: Site, house: House, cable: Cable
) -> None:
    await house.gateway.sub_device("1").connect()
    cable.cut()

    async def back() -> bool:
        told = [item.online async for item in site.api.items(logs.connections(house.meters["1"].id))]
        return told == [True, False, True]  # newest first

    await until(back)


async def test_a_client_on_a_device_that_is_no_gateway_learns_it_at_once(site: Site) -> None:
    device = await register(site, "no gateway")
    async with asyncio.timeout(30), MqttGateway(device.certificate, site.broker) as gateway:
        meter = gateway.sub_device("1")
        for call in (meter.report({"t": 1}), meter.event("e"), meter.attributes(), meter.connect()):
            with pytest.raises(Forbidden, match="not a gateway"):
                await call
        assert gateway.online == set()


async def test_a_sub_device_is_made_where_its_type_lets_it(site: Site, house: House) -> None:
    open_type = await site.api.run(device_types.create("open", conn_type="2", auto_create=True))
    detail = await site.api.run(device_types.read(open_type.id))
    meter = house.gateway.sub_device("new")
    with pytest.raises(InvalidInput, match="no such sub-device"):
        await meter.connect()
    await meter.connect(type_key=detail.type_key)
    assert await meter.report({"power": 5}) == []
