"""Applications that subscribe to a project: what they are told, and what they may not have (wire reference §7)."""

import asyncio
import json
from typing import Any

import pytest

from tests.broker.conftest import V3_1_1, V5, House, Peer, report
from thingstead.broker.apps import backlog as app_backlog
from thingstead.model.device import Device
from thingstead.model.messages import AlarmChanged, ReportsCommitted, SubscribersRevoked
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Unsuback, Unsubscribe
from thingstead.services.commands.control import ControlService
from thingstead.services.mqtt.subscriptions import DeviceCard
from thingstead.services.registry.new_device import NewDevice

pytestmark = pytest.mark.usefixtures("device")


@pytest.fixture
async def device(house: House) -> Device:
    new = NewDevice(name="pump", device_key="imei-1")
    return await house.platform.devices.create(house.project_id, new)


async def application(house: House, version: ProtocolVersion = V3_1_1, **connect: Any) -> Peer:
    """An application that was admitted."""
    peer = await house.peer(version)
    credentials = {"user_name": house.view_key, "password": house.view_secret.encode()}
    peer.send(Connect(version, **{"client_id": "app", **credentials, **connect}))
    assert (await peer.receive(Connack)).reason_code == 0
    return peer


def shown(device: Device) -> dict[str, Any]:
    return {"id": device.id, "name": "pump", "device_key": "imei-1"}


async def told(peer: Peer, topic: str) -> Any:
    """The body of the next message, which must be on this topic and at QoS 0."""
    packet = await peer.receive(Publish)
    assert (packet.topic, packet.qos, packet.retain) == (topic, 0, False)
    return json.loads(packet.payload)


async def test_attributes_are_told_whoever_changed_them(house: House, device: Device) -> None:
    app = await application(house)
    topic = f"{house.view_key}/{device.view_token}/attributes"
    await app.subscribe(topic)
    peer = await house.log_in(device)
    peer.send(report(1, b'{"t":1,"v":"x"}'))
    await peer.receive(Puback)
    body = await told(app, topic)
    [value] = [value for key, value in (await house.store.history.current(device.number)).items() if key == "t"]
    assert body == {
        "attributes": {"t": 1, "v": "x"},
        "device": shown(device),
        "ts": value.ts,
        "source": "report",
    }
    control: ControlService = house.platform.control
    await control.push_attributes(house.project_id, device.id, {"on": True})
    body = await told(app, topic)
    assert (body["attributes"], body["source"]) == ({"on": True}, "push")
    await control.update_cloud_attributes(house.project_id, device.id, {"room": "7"})
    body = await told(app, topic)
    assert (body["attributes"], body["source"]) == ({"room": "7"}, "cloud")


async def test_a_report_is_told_when_it_is_on_disk(house: House, device: Device) -> None:
    app = await application(house)
    await app.subscribe(f"{house.view_key}/#")
    peer = await house.log_in(device)
    await told(app, f"{house.view_key}/{device.view_token}/online")
    with house.held_writes():
        peer.send(report(1))
        await peer.receive_nothing()
        await app.receive_nothing()
    await peer.receive(Puback)
    await told(app, f"{house.view_key}/{device.view_token}/attributes")


async def test_every_kind_of_message_is_told_in_its_order(house: House, device: Device) -> None:
    app = await application(house)
    await app.subscribe(f"{house.view_key}/+/#")
    prefix = f"{house.view_key}/{device.view_token}"
    peer = await house.log_in(device)
    body = await told(app, f"{prefix}/online")
    assert (body["online"], body["reason"], body["device"]) == (True, "connected", shown(device))
    peer.send(report(1, b'{"method":"opened","params":{"by":"x"}}', topic="event/report/9"))
    body = await told(app, f"{prefix}/event/report")
    assert body["event"] == {"method": "opened", "params": {"by": "x"}}
    peer.send(report(2, b"\x00\xff\x01", topic="data/bus"))
    packet = await app.receive(Publish)
    assert (packet.topic, packet.payload) == (f"{prefix}/data/bus", b"\x00\xff\x01")
    peer.send(report(3, b'{"method":"otaFinished","params":{"ok":1}}', topic="command/reply/1000"))
    body = await told(app, f"{prefix}/command/reply")
    assert body["reply"] == {"method": "otaFinished", "params": {"ok": 1}, "id": 1000}
    for status, action, by in ((1, "raise", ""), (1, "acknowledge", "alice"), (0, "clear", "")):
        house.bus.publish(AlarmChanged(device.id, "a1", "r1", status, 2, {"rule_name": "hot"}, 17, action, by))
        body = await told(app, f"{prefix}/alarm")
        assert (body["action"], body.get("by", "")) == (action, by)
        assert (body["alerting"], body["alarm_level"], body["ts"]) == (status == 1, 2, 17)
        assert body["alarm_info"] == {"rule_name": "hot"}
    peer.abort()
    assert (await told(app, f"{prefix}/online"))["online"] is False


async def test_a_takeover_is_no_news(house: House, device: Device) -> None:
    app = await application(house)
    await app.subscribe(f"{house.view_key}/+/online")
    await house.log_in(device)
    await told(app, f"{house.view_key}/{device.view_token}/online")
    await house.log_in(device)
    await app.receive_nothing()


async def test_a_reply_to_a_command_is_told_with_its_id(house: House, device: Device) -> None:
    app = await application(house)
    await app.subscribe(f"{house.view_key}/+/command/reply")
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+")
    await house.platform.control.send_command(house.project_id, device.id, "read", {"n": 1}, 7)
    await peer.receive(Publish)
    peer.send(report(payload=b'{"params":{"v":2},"id":7}', qos=0, topic="command/reply/1000"))
    body = await told(app, f"{house.view_key}/{device.view_token}/command/reply")
    assert body["reply"] == {"method": "read", "params": {"v": 2}, "id": 7}


async def test_mqtt_5_says_beside_raw_data_whose_it_is_and_when(house: House, device: Device) -> None:
    app = await application(house, V5)
    await app.subscribe(f"{house.view_key}/+/data/+", properties={Property.SUBSCRIPTION_IDENTIFIER: (5,)})
    peer = await house.log_in(device)
    peer.send(report(1, b"raw", topic="data/bus"))
    packet = await app.receive(Publish)
    assert packet.payload == b"raw"
    assert packet.properties[Property.SUBSCRIPTION_IDENTIFIER] == (5,)
    pairs = dict(packet.properties[Property.USER_PROPERTY])
    assert pairs["device_id"] == device.id
    assert int(pairs["ts"]) > 1_700_000_000_000


@pytest.mark.parametrize(
    ("version", "refusal"), [(V3_1_1, ReasonCode.UNSPECIFIED_ERROR), (V5, ReasonCode.NOT_AUTHORIZED)]
)
async def test_nothing_outside_of_the_own_project_can_be_subscribed_to(
    house: House, device: Device, version: ProtocolVersion, refusal: ReasonCode
) -> None:
    app = await application(house, version)
    other = await house.platform.projects.create("other")
    outside = ["#", "+/+/attributes", "+/#", other.view_key + "/#", "attributes", "$SYS/#", "$share/g/#", "/x"]
    suback = await app.subscribe(*outside, f"{house.view_key}/#", qos=2)
    assert suback.reason_codes == (refusal,) * len(outside) + (ReasonCode.SUCCESS,)
    foreign = await house.platform.devices.create(other.project_id, NewDevice(name="foreign"))
    peer = await house.peer()
    peer.send(Connect(V3_1_1, "c", user_name=foreign.access_token, password=other.project_key.encode()))
    await peer.receive(Connack)
    peer.send(report(1))
    await peer.receive(Puback)
    await app.receive_nothing()


@pytest.mark.parametrize("version", [V3_1_1, V5])
async def test_publishing_is_acknowledged_or_refused_and_goes_nowhere(
    house: House, device: Device, version: ProtocolVersion
) -> None:
    app = await application(house, version)
    topic = f"{house.view_key}/{device.view_token}/attributes"
    await app.subscribe(topic)
    app.send(report(1, topic=topic), report(2, topic="attributes"))
    for _ in range(2):
        puback = await app.receive(Puback)
        assert puback.reason_code == (ReasonCode.NOT_AUTHORIZED if version is V5 else ReasonCode.SUCCESS)
    await app.receive_nothing()
    assert await house.values(device) == {}
    assert house.counters.messages_ignored == 2


@pytest.mark.parametrize("wrong", ["key", "secret", "nothing"])
async def test_wrong_credentials_are_refused(house: House, wrong: str) -> None:
    peer = await house.peer()
    user_name = "0123456789" if wrong == "key" else house.view_key
    password = {"secret": b"wrong", "nothing": None}.get(wrong, house.view_secret.encode())
    peer.send(Connect(V3_1_1, "app", user_name=user_name, password=password))
    assert (await peer.receive(Connack)).reason_code is ReasonCode.BAD_USER_NAME_OR_PASSWORD


async def test_guessing_is_throttled_and_shuts_nobody_else_out(house: House) -> None:
    authenticate = house.platform.subscriptions.authenticate
    refusals = []
    for _ in range(101):
        try:
            await authenticate(house.view_key, "wrong", "192.0.2.1")
        except Exception as exc:  # noqa: BLE001 - its kind is what is looked at
            refusals.append(type(exc).__name__)
    assert refusals == ["NotAuthenticated"] * 100 + ["TooManyRequests"]
    for host in ("192.0.2.1", "192.0.2.2"):
        assert (await authenticate(house.view_key, house.view_secret, host)).id == house.project_id


async def test_a_new_secret_ends_those_who_had_the_old_one(house: House) -> None:
    app = await application(house, V5)
    await house.platform.projects.reset_view_secret(house.project_id)
    assert (await app.receive(Disconnect)).reason_code is ReasonCode.ADMINISTRATIVE_ACTION
    again = await house.peer()
    again.send(Connect(V3_1_1, "app", user_name=house.view_key, password=house.view_secret.encode()))
    assert (await again.receive(Connack)).reason_code is ReasonCode.BAD_USER_NAME_OR_PASSWORD


async def test_a_revocation_of_another_project_ends_nobody(house: House) -> None:
    app = await application(house)
    house.bus.publish(SubscribersRevoked("another", "x"))
    await app.receive_nothing()


async def test_while_nobody_subscribes_nothing_is_gathered(house: House) -> None:
    assert not house.bus.listens(ReportsCommitted)
    app = await application(house)
    await app.subscribe(f"{house.view_key}/+/online")
    assert not house.bus.listens(ReportsCommitted)
    await app.subscribe(f"{house.view_key}/+/attributes", f"{house.view_key}/#")
    assert house.bus.listens(ReportsCommitted)
    app.send(Unsubscribe(2, [f"{house.view_key}/+/attributes", "never"]))
    await app.receive(Unsuback)
    assert house.bus.listens(ReportsCommitted)
    app.abort()
    await house.gateway.stop()
    assert not house.bus.listens(ReportsCommitted)
    assert (house.gateway.app_counters.subscribers, house.gateway.app_counters.subscriptions) == (0, 0)


async def test_a_subscription_is_in_effect_for_the_commit_that_is_open(house: House, device: Device) -> None:
    app, other = await application(house), await house.device()
    peer, other_peer = await house.log_in(device), await house.log_in(other)
    with house.held_writes():
        other_peer.send(report(1, b'{"n":1}'))
        await other_peer.receive_nothing()
        other_peer.send(report(2, b'{"n":2}'))  # opens a commit that cannot begin yet
        await other_peer.receive_nothing()
        await app.subscribe(f"{house.view_key}/{device.view_token}/attributes")
        peer.send(report(1, b'{"n":3}'))
        await peer.receive_nothing()
    await peer.receive(Puback)
    assert (await told(app, f"{house.view_key}/{device.view_token}/attributes"))["attributes"] == {"n": 3}


async def test_a_changed_device_is_told_as_it_is_now(house: House, device: Device) -> None:
    app = await application(house)
    topic = f"{house.view_key}/{device.view_token}/attributes"
    await app.subscribe(topic)
    await house.platform.control.push_attributes(house.project_id, device.id, {"n": 1})
    assert (await told(app, topic))["device"]["name"] == "pump"
    await house.platform.devices.update_info(house.project_id, device.id, name="valve")
    await house.platform.control.push_attributes(house.project_id, device.id, {"n": 2})
    assert (await told(app, topic))["device"] == {"id": device.id, "name": "valve", "device_key": "imei-1"}


async def test_overlapping_filters_give_one_message_with_all_their_identifiers(house: House, device: Device) -> None:
    """[MQTT-3.3.4-2] [MQTT-3.3.4-3]"""
    app = await application(house, V5)
    await app.subscribe(f"{house.view_key}/#", properties={Property.SUBSCRIPTION_IDENTIFIER: (9,)})
    await app.subscribe(f"{house.view_key}/+/attributes", properties={Property.SUBSCRIPTION_IDENTIFIER: (3,)})
    await house.platform.control.push_attributes(house.project_id, device.id, {"n": 1})
    packet = await app.receive(Publish)
    assert sorted(packet.properties[Property.SUBSCRIPTION_IDENTIFIER]) == [3, 9]
    await app.receive_nothing()


async def test_members_of_a_shared_subscription_take_turns(house: House, device: Device) -> None:
    """[MQTT-4.8.2-4]"""
    workers = [await application(house, version) for version in (V3_1_1, V5)]
    for worker in workers:
        await worker.subscribe(f"$share/workers/{house.view_key}/+/attributes")
    for number in range(4):
        await house.platform.control.push_attributes(house.project_id, device.id, {"n": number})
    told_to = [
        [json.loads((await worker.receive(Publish)).payload)["attributes"]["n"] for _ in range(2)] for worker in workers
    ]
    assert sorted(told_to[0] + told_to[1]) == [0, 1, 2, 3]
    for worker in workers:
        await worker.receive_nothing()


async def test_an_application_has_a_bounded_number_of_subscriptions(house: House) -> None:
    app = await application(house, V5)
    most = house.config.app.max_subscriptions
    suback = await app.subscribe(*(f"{house.view_key}/{number}/alarm" for number in range(most + 1)))
    assert set(suback.reason_codes[:-1]) == {ReasonCode.SUCCESS}
    assert suback.reason_codes[-1] is ReasonCode.QUOTA_EXCEEDED
    again = await app.subscribe(f"{house.view_key}/0/alarm")
    assert again.reason_codes == (ReasonCode.SUCCESS,)


@pytest.mark.parametrize("below", ["x" * 300, "/".join("+" * 20)])
async def test_a_filter_that_can_match_nothing_and_fills_memory_is_refused(house: House, below: str) -> None:
    app = await application(house, V5)
    suback = await app.subscribe(f"{house.view_key}/{below}", f"$share/group/{house.view_key}/+/data/+")
    assert suback.reason_codes == (ReasonCode.TOPIC_FILTER_INVALID, ReasonCode.SUCCESS)


async def test_a_slow_application_loses_the_oldest_and_slows_nobody(house: House, device: Device) -> None:
    slow, quick = await application(house), await application(house)
    topic = f"{house.view_key}/{device.view_token}/attributes"
    for app in (slow, quick):
        await app.subscribe(topic)
    slow.pause_reading()
    number = 0
    while not house.gateway.app_counters.messages_dropped:
        number += 1
        await house.platform.control.push_attributes(house.project_id, device.id, {"n": number, "x": "x" * 60_000})
        assert (await told(quick, topic))["attributes"]["n"] == number
    slow.resume_reading()
    received = [(await told(slow, topic))["attributes"]["n"]]
    while received[-1] != number:
        received.append((await told(slow, topic))["attributes"]["n"])
    missing = set(range(1, number + 1)) - set(received)
    assert received == sorted(received)
    assert len(missing) == house.gateway.app_counters.messages_dropped
    assert received[0] == 1  # what the connection had taken was not dropped


async def test_reports_of_many_unknown_devices_are_told_in_order(house: House) -> None:
    app = await application(house)
    await app.subscribe(f"{house.view_key}/+/attributes")
    devices = [await house.device() for _ in range(30)]
    links = [await house.platform.ingest.link(device) for device in devices]
    for number in range(3):
        for link in links:
            house.platform.ingest.report_values(link, {"n": number})
    seen: dict[str, list[int]] = {}
    for _ in range(90):
        packet = await app.receive(Publish)
        seen.setdefault(packet.topic, []).append(json.loads(packet.payload)["attributes"]["n"])
    assert len(seen) == 30
    assert all(numbers == [0, 1, 2] for numbers in seen.values())


async def test_the_client_s_maximum_packet_size_is_kept(house: House, device: Device) -> None:
    """[MQTT-3.1.2-24]"""
    app = await application(house, V5, properties={Property.MAXIMUM_PACKET_SIZE: 250})
    topic = f"{house.view_key}/{device.view_token}/attributes"
    await app.subscribe(topic)
    await house.platform.control.push_attributes(house.project_id, device.id, {"x": "x" * 200})
    await house.platform.control.push_attributes(house.project_id, device.id, {"x": 1})
    assert (await told(app, topic))["attributes"] == {"x": 1}
    assert house.gateway.app_counters.messages_dropped == 1


async def test_news_that_must_wait_for_a_device_to_be_read_keep_their_order(
    house: House, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards, turns = house.platform.subscriptions, asyncio.Semaphore(0)
    read_card = cards.read_card

    async def read_in_turn(which: int | str) -> DeviceCard | None:
        await turns.acquire()
        return await read_card(which)

    monkeypatch.setattr(cards, "read_card", read_in_turn)
    app, other = await application(house), await house.device()
    await app.subscribe(f"{house.view_key}/+/attributes")
    for each, number in ((device, 1), (other, 2), (device, 3)):
        await house.platform.control.push_attributes(house.project_id, each.id, {"n": number})
    await app.receive_nothing()
    turns.release()  # the first device is read, the other one is not yet
    topic = f"{house.view_key}/{device.view_token}/attributes"
    assert (await told(app, topic))["attributes"] == {"n": 1}
    await house.platform.control.push_attributes(house.project_id, device.id, {"n": 4})
    await app.receive_nothing()
    turns.release()
    received = [json.loads((await app.receive(Publish)).payload)["attributes"]["n"] for _ in range(3)]
    assert received == [2, 3, 4]


async def test_a_backlog_is_bounded_and_its_oldest_news_are_dropped(
    house: House, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_backlog, "BACKLOG_LIMIT", 2)
    gate = asyncio.Event()
    read_card = house.platform.subscriptions.read_card

    async def read_late(which: int | str) -> DeviceCard | None:
        await gate.wait()
        return await read_card(which)

    monkeypatch.setattr(house.platform.subscriptions, "read_card", read_late)
    app = await application(house)
    await app.subscribe(f"{house.view_key}/+/attributes")
    for number in range(4):
        await house.platform.control.push_attributes(house.project_id, device.id, {"n": number})
    gate.set()
    received = [json.loads((await app.receive(Publish)).payload)["attributes"]["n"] for _ in range(2)]
    assert received == [0, 3]  # the first one was being read for
    assert house.gateway.app_counters.news_dropped == 2
