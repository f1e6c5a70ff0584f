"""The trace of a device: every message of it both ways with its outcome, for who may listen and as long as they do."""

import asyncio
import json
from typing import Any

import pytest

from tests.broker.conftest import TIMEOUT_S, V5, House, Peer, command, message, report
from tests.broker.test_app_subscription import application, shown, told
from tests.broker.test_tcp import STREAM, TcpPeer
from thingstead.errors import DeviceOffline, NotAuthenticated
from thingstead.model.device import Device
from thingstead.model.device_type import AttributeDefinition, Functions
from thingstead.model.messages import DataSent, MessageTraced, PresenceChanged
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Unsuback, Unsubscribe
from thingstead.services.registry.new_device import NewDevice
from thingstead.services.shared.message_trace import BURST, PAYLOAD_BYTES


class Listener:
    """An application that listens to the trace of one device."""

    def __init__(self, app: Peer, topic: str) -> None:
        self.app, self.topic = app, topic

    async def next(self) -> dict[str, Any]:
        packet = await self.app.receive(Publish)
        assert packet.topic == self.topic
        body: dict[str, Any] = json.loads(packet.payload)
        assert body["took_us"] >= 0
        assert body["ts"] > 0
        return body

    async def brief(self) -> tuple[str, str, str, str]:
        """Direction, plane, topic and outcome of the next message."""
        body = await self.next()
        return body["direction"], body["plane"], body["topic"], body["outcome"]

    async def nothing(self) -> None:
        await self.app.receive_nothing()


async def listener(house: House, device: Device) -> Listener:
    app = await application(house, V5)
    topic = f"{house.view_key}/{device.view_token}/trace"
    suback = await app.subscribe(topic)
    assert list(suback.reason_codes) == [ReasonCode.SUCCESS]
    return Listener(app, topic)


def codes(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(error["field"], error["code"]) for error in body["errors"]]


@pytest.fixture
async def device(house: House) -> Device:
    attribute = AttributeDefinition(identifier="t", data_type="number", attr_type="both")
    return await house.device(Functions(attributes=(attribute,)))


async def test_a_report_is_told_with_its_outcome_once_it_is_on_disk_and_its_answer_after_it(
    house: House, device: Device
) -> None:
    traced = await listener(house, device)
    peer = await house.log_in(device)
    await peer.subscribe("attributes/response")
    body = await traced.next()
    assert (body["topic"], body["payload"], body["outcome"]) == ("subscribe", "attributes/response", "accepted")
    peer.send(report(1, b'{"t":20}'))
    body = await traced.next()
    assert body["device"]["id"] == device.id
    wanted = {
        "direction": "up",
        "plane": "mqtt",
        "topic": "attributes",
        "payload": '{"t":20}',
        "encoding": "text",
        "cut": False,
        "size_bytes": 8,
        "qos": 1,
        "outcome": "accepted",
        "errors": [],
        "suppressed": 0,
    }
    assert {name: body[name] for name in wanted} == wanted
    assert await traced.brief() == ("down", "mqtt", "attributes/response", "delivered")
    peer.send(report(2, b'{"t":"hot"}'))
    body = await traced.next()
    assert (body["outcome"], codes(body)) == ("refused", [("t", "must_be_number")])
    await traced.brief()
    peer.send(report(3, b'{"t":"hot","u":1}'))
    body = await traced.next()
    assert (body["outcome"], codes(body)) == ("partly", [("t", "must_be_number")])


@pytest.mark.parametrize(
    ("topic", "payload", "code"),
    [
        ("attributes/serial", b"{}", "unknown_topic_near"),
        ("attributes", b"{", "json_breaks_off"),
        ("gateway/attributes", b"{}", "device_is_no_gateway"),
        ("event/report/1", b"{}", "bad_method"),
    ],
)
async def test_a_message_that_is_refused_as_a_whole_says_why(
    house: House, device: Device, topic: str, payload: bytes, code: str
) -> None:
    traced = await listener(house, device)
    peer = await house.log_in(device)
    peer.send(report(1, payload, topic=topic))
    body = await traced.next()
    assert (body["direction"], body["topic"], body["outcome"]) == ("up", topic, "refused")
    assert [error["code"] for error in body["errors"]] == [code]


async def test_a_request_and_its_answer_are_told(house: House, device: Device) -> None:
    traced = await listener(house, device)
    peer = await house.log_in(device)
    await peer.subscribe("attributes/get/response/+")
    await traced.brief()
    peer.send(report(1, b"{}", topic="attributes/get/7"))
    assert await traced.brief() == ("up", "mqtt", "attributes/get/7", "accepted")
    assert await traced.brief() == ("down", "mqtt", "attributes/get/response/7", "delivered")


async def test_a_push_is_told_as_delivered_when_the_device_has_acknowledged_it(house: House, device: Device) -> None:
    traced = await listener(house, device)
    peer = await house.log_in(device)
    control = house.platform.control
    await control.push_attributes(house.project_id, device.id, {"t": 1})
    body = await traced.next()
    assert (body["outcome"], codes(body)) == ("dropped", [("", "not_subscribed")])
    await peer.subscribe("attributes/push", qos=1)
    await traced.brief()
    await control.push_attributes(house.project_id, device.id, {"t": 1})
    push = await peer.receive(Publish)
    await traced.nothing()
    peer.send(Puback(push.packet_id))
    body = await traced.next()
    assert (body["direction"], body["outcome"], body["payload"]) == ("down", "delivered", '{"t":1}')


async def test_a_push_that_waits_in_the_session_of_the_device_is_told_as_queued(house: House, device: Device) -> None:
    traced = await listener(house, device)
    peer = await house.log_in(device, clean_start=False)
    await peer.subscribe("attributes/push", qos=1)
    await traced.brief()
    control = house.platform.control
    await control.push_attributes(house.project_id, device.id, {"t": 1})
    assert await traced.brief() == ("down", "mqtt", "attributes/push", "queued")
    gone = asyncio.Event()
    house.bus.subscribe(PresenceChanged, lambda news: gone.set())
    peer.abort()
    async with asyncio.timeout(TIMEOUT_S):
        await gone.wait()
    await control.push_attributes(house.project_id, device.id, {"t": 2})
    assert await traced.brief() == ("down", "", "attributes/push", "queued")


async def test_what_a_device_without_a_connection_is_sent_is_told(house: House, device: Device) -> None:
    traced = await listener(house, device)
    control = house.platform.control
    await control.push_attributes(house.project_id, device.id, {"t": 1})
    body = await traced.next()
    assert (body["plane"], body["topic"], body["outcome"]) == ("", "attributes/push", "no_session")
    with pytest.raises(DeviceOffline):
        await control.send_command(house.project_id, device.id, "open")
    assert await traced.brief() == ("down", "", "command/send/1000", "no_session")
    await control.send_command(house.project_id, device.id, "open", wait_ms=60_000)
    assert await traced.brief() == ("down", "", "command/send/1000", "no_session")
    with pytest.raises(DeviceOffline):
        await house.platform.streams.send(house.project_id, device.id, "raw", b"\xff")
    body = await traced.next()
    assert (body["topic"], body["payload"], body["encoding"]) == ("data/raw/set", "ff", "hex")


async def test_what_a_device_of_another_project_is_sent_is_not_published(house: House, device: Device) -> None:
    await listener(house, device)
    published: list[MessageTraced] = []
    house.bus.subscribe(MessageTraced, published.append)
    control = house.platform.control
    other = await house.platform.projects.create()
    stranger = await house.platform.devices.create(other.project_id, NewDevice(name="stranger"))
    await control.push_attributes(other.project_id, stranger.id, {"t": 1})
    await control.send_command(other.project_id, stranger.id, "open", wait_ms=60_000)
    house.bus.publish(DataSent(other.project_id, stranger.id, "raw", b"x"))
    await control.push_attributes(house.project_id, device.id, {"t": 2})
    assert [message.device_id for message in published] == [device.id]


async def test_a_command_and_its_reply_are_told(house: House, device: Device) -> None:
    traced = await listener(house, device)
    peer = await house.log_in(device)
    with pytest.raises(DeviceOffline):
        await command(house, device)
    body = await traced.next()
    assert (body["outcome"], codes(body)) == ("dropped", [("", "not_subscribed")])
    await peer.subscribe("command/send/+", qos=1)
    await traced.brief()
    await command(house, device)
    sent = await peer.receive(Publish)
    peer.send(Puback(sent.packet_id))
    assert (await traced.brief())[2:] == (sent.topic, "delivered")
    peer.send(report(1, b'{"id":1000,"method":"open"}', topic="command/reply/1000"))
    assert await traced.brief() == ("up", "mqtt", "command/reply/1000", "accepted")


async def test_a_device_that_refuses_a_message_is_told(house: House, device: Device) -> None:
    traced = await listener(house, device)
    peer = await house.log_in(device, V5)
    await peer.subscribe("attributes/push", qos=1)
    await traced.brief()
    await house.platform.control.push_attributes(house.project_id, device.id, {"t": 1})
    push = await peer.receive(Publish)
    peer.send(Puback(push.packet_id, ReasonCode.QUOTA_EXCEEDED))
    body = await traced.next()
    assert (body["outcome"], codes(body)) == ("refused", [("", "refused_by_device")])


async def test_a_wrong_certificate_that_names_the_device_is_told(house: House, device: Device) -> None:
    traced = await listener(house, device)
    peer = await house.peer()
    peer.send(Connect(peer.version, client_id="c", user_name=device.access_token, password=b"wrong"))
    assert (await peer.receive(Connack)).reason_code
    body = await traced.next()
    assert (body["plane"], body["topic"], body["outcome"]) == ("mqtt", "log-in", "refused")
    assert codes(body) == [("", "wrong_project_key")]
    assert b"wrong" not in json.dumps(body["payload"]).encode()
    with pytest.raises(NotAuthenticated):
        await house.platform.presence.authenticate(device.access_token, "wrong", "10.0.0.1", "http")
    assert (await traced.brief())[1] == "http"


async def test_a_device_behind_a_gateway_is_told_its_own_part(house: House) -> None:
    gateway = await house.device(conn_type="3")
    device = await house.device(conn_type="2", gateway_id=gateway.id, sub_address="a1")
    own, below = await listener(house, gateway), await listener(house, device)
    peer = await house.log_in(gateway)
    await peer.subscribe("gateway/attributes/push", "gateway/command/send")
    assert [(await own.brief())[2] for _ in range(2)] == ["subscribe", "subscribe"]
    peer.send(report(1, b'{"device":"a1","type_key":"secret"}', topic="gateway/connect"))
    assert await below.brief() == ("up", "gateway", "gateway/connect", "accepted")
    body = await own.next()
    assert json.loads(body["payload"]) == {"device": "a1", "type_key": "…"}
    peer.send(report(2, b'{"a1":{"t":1},"a2":{"t":2}}', topic="gateway/attributes"))
    body = await below.next()
    assert (body["payload"], body["outcome"]) == ('{"t":1}', "accepted")
    body = await own.next()
    assert (body["outcome"], codes(body)) == ("partly", [("a2", "no_such_sub_device")])
    await house.platform.control.push_attributes(house.project_id, device.id, {"t": 3})
    assert await below.brief() == ("down", "gateway", "gateway/attributes/push", "delivered")
    assert await own.brief() == ("down", "mqtt", "gateway/attributes/push", "delivered")
    await command(house, device)
    assert await below.brief() == ("down", "gateway", "gateway/command/send", "delivered")
    await own.brief()
    peer.send(report(3, b'{"device":"a1","event":{"method":"m","params":{}}}', topic="gateway/event/report"))
    assert await below.brief() == ("up", "gateway", "gateway/event/report", "accepted")
    peer.send(report(4, b'{"device":"a1","command":{"id":1000,"method":"open"}}', topic="gateway/command/reply"))
    assert await below.brief() == ("up", "gateway", "gateway/command/reply", "accepted")
    peer.send(report(6, b'{"device":"a1","get":{}}', topic="gateway/attributes/get"))
    assert await below.brief() == ("up", "gateway", "gateway/attributes/get", "accepted")
    peer.send(report(5, b'{"device":"a1"}', topic="gateway/disconnect"))
    assert await below.brief() == ("up", "gateway", "gateway/disconnect", "accepted")


async def test_a_device_on_tcp_is_told(house: House) -> None:
    device = await house.device(STREAM)
    traced = await listener(house, device)
    peer = await TcpPeer(house, device).connect()
    await peer.registered()
    await peer.send(b"\x01\xff")
    body = await traced.next()
    assert (body["direction"], body["plane"], body["topic"]) == ("up", "tcp", "data/stream")
    assert (body["payload"], body["encoding"], body["outcome"]) == ("01ff", "hex", "accepted")
    await house.platform.streams.send(house.project_id, device.id, "stream", b"on")
    assert await traced.brief() == ("down", "tcp", "data/stream/set", "delivered")
    await house.platform.control.push_attributes(house.project_id, device.id, {"t": 1})
    body = await traced.next()
    assert (body["outcome"], codes(body)) == ("dropped", [("", "not_over_tcp")])
    await peer.close()


async def test_a_long_payload_is_cut_and_said_to_be(house: House, device: Device) -> None:
    traced = await listener(house, device)
    peer = await house.log_in(device)
    long = "温" * PAYLOAD_BYTES
    peer.send(report(1, json.dumps({"u": long}, ensure_ascii=False).encode()))
    body = await traced.next()
    assert (body["cut"], body["encoding"]) == (True, "text")
    assert PAYLOAD_BYTES - 4 < len(body["payload"].encode()) <= PAYLOAD_BYTES < body["size_bytes"]


async def test_more_messages_than_anybody_reads_are_counted_in_place_of_told(house: House, device: Device) -> None:
    heard: list[MessageTraced] = []
    house.bus.subscribe(MessageTraced, heard.append)
    trace = house.platform.device_logs.trace
    trace.listen(house.project_id, device.view_token)
    for _ in range(2 * BURST):
        trace.down(device, "mqtt", "attributes/push", b"{}", "delivered")
    assert BURST <= len(heard) < 2 * BURST
    told = len(heard)
    while len(heard) < told + 1:
        await asyncio.sleep(0)
        trace.down(device, "mqtt", "attributes/push", b"{}", "delivered")
    assert heard[-1].suppressed > 0


async def test_an_application_listens_to_one_device_of_its_own_project(house: House, device: Device) -> None:
    app = await application(house, V5)
    suback = await app.subscribe(f"{house.view_key}/+/trace", f"other/{device.view_token}/trace")
    assert list(suback.reason_codes) == [
        ReasonCode.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
        ReasonCode.NOT_AUTHORIZED,
    ]
    assert not house.platform.device_logs.trace.active


async def test_no_wildcard_matches_the_trace(house: House, device: Device) -> None:
    app = await application(house, V5)
    await app.subscribe(f"{house.view_key}/#")
    traced = await listener(house, device)
    peer = await house.log_in(device)
    await message(app, f"{house.view_key}/{device.view_token}/online")
    peer.send(report(1, b'{"t":1}'))
    await traced.brief()
    await message(app, f"{house.view_key}/{device.view_token}/attributes")
    await app.receive_nothing()


async def test_nothing_is_told_of_others_and_nothing_once_the_last_has_left(house: House, device: Device) -> None:
    heard: list[MessageTraced] = []
    house.bus.subscribe(MessageTraced, heard.append)
    other = await house.device()
    traced, second = await listener(house, device), await listener(house, device)
    peer = await house.log_in(other)
    peer.send(report(1))
    await peer.receive(Puback)
    assert heard == []
    traced.app.send(Unsubscribe(2, [traced.topic]))
    await traced.app.receive(Unsuback)
    assert house.platform.device_logs.trace.wants(device)
    second.app.send(Disconnect())
    await second.app.receive_close()
    assert not house.platform.device_logs.trace.active
    await house.platform.control.push_attributes(house.project_id, device.id, {"t": 1})
    assert heard == []


async def test_every_state_of_a_command_is_told_on_the_topic_command(house: House) -> None:
    device = await house.device()
    app = await application(house)
    await app.subscribe(f"{house.view_key}/{device.view_token}/command")
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+", qos=1)
    topic = f"{house.view_key}/{device.view_token}/command"
    sent = await house.platform.control.send_command(house.project_id, device.id, "read", {"n": 1}, 7)
    assert [(await told(app, topic))["command"]["state"] for _ in range(2)] == ["queued", "sent"]
    peer.send(Puback((await peer.receive(Publish)).packet_id))
    body = await told(app, topic)
    shown_command: dict[str, Any] = {
        "id": sent.id,
        "method": "read",
        "command_id": 7,
        "state": "delivered",
        "reason": "",
    }
    shown_command |= {"code": "", "args": {}}
    assert (body["command"], body["device"]) == (shown_command, shown(device) | {"name": "device", "device_key": None})
    peer.send(report(payload=b'{"params":{"v":2},"id":7}', qos=0, topic="command/reply/7"))
    assert (await told(app, topic))["command"]["state"] == "replied"
