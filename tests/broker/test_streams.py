"""Custom data: raw bytes up on ``data/<identifier>`` and down on ``data/<identifier>/set``."""

import asyncio

import pytest

from tests.broker.conftest import TIMEOUT_S, V5, House, message, report
from thingstead.errors import DeviceOffline
from thingstead.model.device import Page
from thingstead.model.device_type import Functions, StreamDefinition
from thingstead.model.messages import DataReported, DataSent
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode

FRAME = bytes(range(256))


async def test_data_comes_up_unchanged_and_is_kept_before_it_is_acknowledged(house: House) -> None:
    device = await house.device()
    heard: asyncio.Queue[DataReported] = asyncio.Queue()
    house.bus.subscribe(DataReported, heard.put_nowait)
    peer = await house.log_in(device)
    with house.held_writes():
        peer.send(report(1, FRAME, topic="data/modbus"))
        await peer.receive_nothing()
        assert heard.empty()
    await peer.receive(Puback)
    async with asyncio.timeout(TIMEOUT_S):
        news = await heard.get()
    assert (news.device_id, news.identifier, news.payload) == (device.id, "modbus", FRAME)
    [entry], _ = await house.platform.device_logs.list_page(device, "data", Page())
    assert (entry.body["identifier"], entry.body["direction"], entry.body["size_bytes"]) == ("modbus", "up", 256)


@pytest.mark.parametrize("qos", [0, 1])
async def test_data_goes_down_unchanged(house: House, qos: int) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("data/+/set", qos=qos)
    await house.platform.streams.send(house.project_id, device.id, "modbus", FRAME)
    packet = await peer.receive(Publish)
    assert (packet.topic, packet.payload, packet.qos) == ("data/modbus/set", FRAME, qos)


async def test_data_that_is_of_use_now_alone_is_not_kept_for_later(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("data/+/set", qos=1)
    house.bus.publish(DataSent(house.project_id, device.id, "modbus", FRAME, transient=True))
    packet = await peer.receive(Publish)
    assert (packet.payload, packet.qos) == (FRAME, 0)


async def test_data_that_breaks_its_format_is_refused_and_noted(house: House) -> None:
    functions = Functions(streams=(StreamDefinition(identifier="bus", format="modbus_rtu"),))
    device = await house.device(functions)
    peer = await house.log_in(device, V5)
    peer.send(report(1, b"\x01\x03\x00\x00", topic="data/bus"))
    assert (await peer.receive(Puback)).reason_code is ReasonCode.PAYLOAD_FORMAT_INVALID
    peer.send(report(2, b"\x01\x03\x00\x00\x00\x0a\xc5\xcd", topic="data/bus"))
    assert (await peer.receive(Puback)).reason_code is ReasonCode.SUCCESS
    [entry], _ = await house.platform.device_logs.list_page(device, "rejected", Page())
    assert (entry.body["topic"], entry.body["payload"]) == ("data/bus", "hex:01030000")


@pytest.mark.parametrize("topic", ["data/" + "x" * 65, "data/a b", "data/a/b", "data/"])
async def test_a_topic_without_an_identifier_is_no_stream(house: House, topic: str) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    peer.send(report(1, b"x", topic=topic))
    await peer.receive(Puback)
    assert await house.platform.device_logs.list_page(device, "data", Page()) == ([], 0)


async def test_data_for_an_offline_device_is_refused(house: House) -> None:
    device = await house.device()
    with pytest.raises(DeviceOffline):
        await house.platform.streams.send(house.project_id, device.id, "modbus", FRAME)


async def test_what_was_refused_is_noted_with_its_reason(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("#")
    peer.send(report(payload=b"{", qos=0))
    assert (await message(peer, "attributes/response"))["errcode"] == 400
    peer.send(report(payload=b'{"a b":1,"c":2}', qos=0), report(1, b"x", topic="no/such/topic"))
    assert (await message(peer, "attributes/response"))["result"] == 1
    await peer.receive(Puback)
    peer.send(report(2))
    await peer.receive(Puback)  # in the same commit, or a later one
    entries, total = await house.platform.device_logs.list_page(device, "rejected", Page())
    assert total == 3
    noted = {
        entry.body["topic"]: entry.body for entry in entries if entry.body["errors"] or entry.body["payload"] == "x"
    }
    assert noted["attributes"]["errors"][0]["field"] == "a b"
    assert noted["no/such/topic"]["reason"] == "unknown topic"
