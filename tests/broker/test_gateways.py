"""Gateways over MQTT: many devices behind one connection, up and down (wire reference §5)."""

import asyncio
import json
from typing import Any, NamedTuple

import pytest

from tests.broker.conftest import TIMEOUT_S, House, Peer, command, message, report, state_reached
from thingstead.errors import DeviceOffline, InvalidInput
from thingstead.model.device import Device, Page
from thingstead.model.messages import PresenceChanged
from thingstead.mqtt.publish_packets import Puback, Publish


class Site(NamedTuple):
    """A connected gateway that listens to everything, and two devices behind it."""

    house: House
    gateway: Device
    peer: Peer
    first: Device
    second: Device

    async def publish(self, topic: str, body: Any) -> None:
        """Returns when it is acknowledged; what is answered stays to be read."""
        self.peer.send(report(1, json.dumps(body).encode(), topic=topic))
        await self.peer.receive(Puback)


@pytest.fixture
async def site(house: House) -> Site:
    gateway = await house.device(conn_type="3")
    first, second = [
        await house.device(conn_type="2", gateway_id=gateway.id, sub_address=address) for address in ("a1", "a2")
    ]
    peer = await house.log_in(gateway)
    await peer.subscribe("#", qos=1)
    return Site(house, gateway, peer, first, second)


async def gone_offline(house: House, device: Device, reason: str) -> None:
    """Returns when the device is told to be offline."""
    gone = asyncio.Event()

    def hear(news: PresenceChanged) -> None:
        if news.device_id == device.id and not news.online and news.reason == reason:
            gone.set()

    subscription = house.bus.subscribe(PresenceChanged, hear)
    async with asyncio.timeout(TIMEOUT_S):
        await gone.wait()
    subscription.cancel()


async def test_a_sub_device_is_online_from_connect_to_disconnect(site: Site) -> None:
    assert not await site.house.online(site.first)
    await site.publish("gateway/connect", {"device": "a1"})
    assert await site.house.online(site.first)
    assert not await site.house.online(site.second)
    await site.publish("gateway/disconnect", {"device": "a1"})
    assert not await site.house.online(site.first)
    await site.peer.receive_nothing()


async def test_when_the_gateway_is_gone_so_are_its_sub_devices(site: Site) -> None:
    await site.publish("gateway/connect", {"device": "a1"})
    waiting = asyncio.create_task(gone_offline(site.house, site.first, "gateway"))
    await asyncio.sleep(0)
    site.peer.abort()
    await waiting
    assert not await site.house.online(site.first)


async def test_reports_of_many_sub_devices_in_one_message_are_kept(site: Site) -> None:
    await site.publish("gateway/attributes", {"a1": {"t": 1}, "a2": {"t": 2}})
    assert await message(site.peer, "gateway/attributes/response") == {"result": 1}
    assert await site.house.values(site.first) == {"t": 1}
    assert await site.house.values(site.second) == {"t": 2}


async def test_past_reports_of_sub_devices_are_kept(site: Site) -> None:
    await site.publish("gateway/attributes/series", {"a1": [{"ts": 1_700_000_000_000, "attributes": {"t": 1}}]})
    assert await message(site.peer, "gateway/attributes/series/response") == {"result": 1}
    assert await site.house.values(site.first) == {"t": 1}


async def test_what_names_no_sub_device_is_refused_and_the_rest_is_kept(site: Site) -> None:
    await site.publish("gateway/attributes", {"a1": {"t": 1}, "who": {"t": 2}})
    answer = await message(site.peer, "gateway/attributes/response")
    assert answer == {"result": 1, "refused": ["who: no such sub-device"], "code": "no_such_sub_device"}
    await site.publish("gateway/event/report", {"device": "who", "event": {"method": "x"}})
    answer = await message(site.peer, "gateway/event/response")
    assert (answer["result"], answer["errcode"], answer["device"]) == (0, 400, "who")
    await site.publish("gateway/connect", {"device": "who"})
    await site.publish("data/later", {})  # its commit is no earlier than those of the log
    await site.peer.receive_nothing()
    _, total = await site.house.platform.device_logs.list_page(site.gateway, "rejected", Page())
    assert total == 3


@pytest.mark.parametrize("payload", [b"", b"x", b"[]", b"\xff", b"[" * 9_000, b'{"device":7}'])
@pytest.mark.parametrize(
    "topic", ["connect", "disconnect", "attributes", "attributes/series", "attributes/get", "event/report"]
)
async def test_a_broken_message_of_a_gateway_costs_nothing_but_itself(site: Site, topic: str, payload: bytes) -> None:
    site.peer.send(report(1, payload, topic=f"gateway/{topic}"))
    await site.peer.receive(Puback)
    if topic not in ("connect", "disconnect"):
        answer = json.loads((await site.peer.receive(Publish)).payload)
        assert answer["result"] == 0
    await site.peer.receive_nothing()


async def test_a_gateway_reads_the_attributes_of_a_sub_device(site: Site) -> None:
    await site.publish("gateway/attributes", {"a1": {"t": 1, "u": 2}})
    await message(site.peer, "gateway/attributes/response")
    await site.publish("gateway/attributes/get", {"device": "a1", "get": {"keys": ["t"]}})
    answer = {"result": 1, "attributes": {"t": 1}}
    assert await message(site.peer, "gateway/attributes/get/response") == {"device": "a1", **answer, "response": answer}


async def test_an_event_of_a_sub_device_is_kept_and_answered_with_its_address(site: Site) -> None:
    await site.publish("gateway/event/report", {"device": "a1", "event": {"method": "opened", "params": {}, "id": 9}})
    assert await message(site.peer, "gateway/event/response") == {"result": 1, "device": "a1"}
    events, _ = await site.house.store.events.list_page(site.first.id, Page())
    assert [event.method for event in events] == ["opened"]


async def test_what_is_wrong_in_an_event_of_a_sub_device_is_named_and_the_rest_is_kept(site: Site) -> None:
    event = {"method": "opened", "params": {"wide": 10**20, "by": 1}}
    await site.publish("gateway/event/report", {"device": "a1", "event": event})
    refused = ["params.wide: an integer needs more than 64 bits"]
    answer = await message(site.peer, "gateway/event/response")
    assert answer == {"result": 1, "device": "a1", "refused": refused, "code": "wide_integer"}
    events, _ = await site.house.store.events.list_page(site.first.id, Page())
    assert [kept.params for kept in events] == [{"by": 1}]


async def test_a_push_reaches_a_sub_device_through_its_gateway(site: Site) -> None:
    await site.house.platform.control.push_attributes(site.house.project_id, site.first.id, {"on": True})
    expected = {"device": "a1", "attributes": {"on": True}}
    assert await message(site.peer, "gateway/attributes/push") == expected


async def test_a_command_goes_to_a_sub_device_and_its_reply_comes_back(site: Site) -> None:
    with pytest.raises(DeviceOffline):
        await command(site.house, site.first)
    await site.publish("gateway/connect", {"device": "a1"})
    sent = await command(site.house, site.first, command_id=7)
    body = {"method": "restart", "params": {"in": 5}, "id": 7}
    assert await message(site.peer, "gateway/command/send") == {"device": "a1", "command": body}
    await state_reached(site.house, site.first, sent.id, "delivered")
    await site.publish("gateway/command/reply", {"device": "a1", "command": {"method": "restart", "id": 7}})
    await state_reached(site.house, site.first, sent.id, "replied")


async def test_commands_that_waited_go_in_order_when_the_sub_device_comes_online(site: Site) -> None:
    for number in (1, 2):
        await command(site.house, site.first, command_id=number, wait_ms=60_000)
    await command(site.house, site.second, command_id=3, wait_ms=60_000)
    await site.peer.receive_nothing()
    site.peer.send(report(payload=b'{"device":"a1"}', qos=0, topic="gateway/connect"))
    for number in (1, 2):
        body = await message(site.peer, "gateway/command/send")
        assert (body["device"], body["command"]["id"]) == ("a1", number)
    await site.peer.receive_nothing()


async def test_a_sub_device_that_is_added_later_is_known_at_once(site: Site) -> None:
    late = await site.house.device(conn_type="2", gateway_id=site.gateway.id, sub_address="late")
    await site.house.platform.sub_devices.idle()
    await site.publish("gateway/attributes", {"late": {"t": 1}})
    assert await message(site.peer, "gateway/attributes/response") == {"result": 1}
    assert await site.house.values(late) == {"t": 1}


async def test_a_new_connection_of_the_gateway_takes_its_sub_devices_over(site: Site) -> None:
    await site.publish("gateway/connect", {"device": "a1"})
    again = await site.house.log_in(site.gateway)
    assert await site.house.online(site.first)
    await again.subscribe("gateway/#")
    await site.peer.receive_close()
    await site.house.platform.control.push_attributes(site.house.project_id, site.first.id, {"on": True})
    assert (await message(again, "gateway/attributes/push"))["device"] == "a1"
    await again.receive_nothing()
    assert await site.house.online(site.first)


async def test_a_device_that_is_no_gateway_speaks_for_nobody(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("#")
    peer.send(report(1, b'{"a1":{"t":1}}', topic="gateway/attributes"))
    await peer.receive(Puback)
    answer = await message(peer, "gateway/attributes/response")
    assert (answer["result"], answer["errcode"]) == (0, 403)
    assert "not a gateway" in answer["message"]
    peer.send(report(2, topic="data/later"))  # its commit is no earlier than that of the log
    await peer.receive(Puback)
    await peer.receive_nothing()
    [entry], _ = await house.platform.device_logs.list_page(device, "rejected", Page())
    assert entry.body["topic"] == "gateway/attributes"


async def test_custom_data_for_a_sub_device_is_refused_since_the_wire_has_no_topic_for_it(site: Site) -> None:
    await site.publish("gateway/connect", {"device": "a1"})
    with pytest.raises(InvalidInput, match="to a sub-device"):
        await site.house.platform.streams.send(site.house.project_id, site.first.id, "bus", b"x")
