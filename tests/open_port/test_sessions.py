"""Sessions: how they begin, how long they outlive their connections, and what ends them."""

import pytest

from tests.open_port.conftest import NEVER, V3_1, V3_1_1, V5, Broker
from thingstead.config import MqttSettings
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode


async def publish(broker: Broker, topic: str = "a", payload: bytes = b"x", qos: int = 1) -> None:
    await (await broker.connect()).publish(topic, payload, qos)


@pytest.mark.parametrize("version", [V3_1_1, V5])
async def test_a_session_goes_on_with_its_subscriptions(broker: Broker, version: ProtocolVersion) -> None:
    client = await broker.connect("client", version, expiry_s=600, clean_start=False)
    assert not client.connack.session_present
    await client.listen("a", qos=1)
    await client.disconnect()
    client = await broker.resume("client", version)
    await publish(broker)
    assert (await client.message()).payload == b"x"


async def test_3_1_has_sessions_without_a_flag_for_them(broker: Broker) -> None:
    await broker.away("client", "a", version=V3_1)
    await publish(broker)
    client = await broker.connect("client", V3_1, expiry_s=1)
    assert not client.connack.session_present
    assert (await client.message()).payload == b"x"


@pytest.mark.parametrize(("version", "expiry_s"), [(V3_1_1, 0), (V5, 0)])
async def test_a_session_without_expiry_ends_with_its_connection(
    broker: Broker, version: ProtocolVersion, expiry_s: int
) -> None:
    await broker.away("client", "a", version=version, expiry_s=expiry_s)
    client = await broker.connect("client", version, expiry_s=600, clean_start=False)
    assert not client.connack.session_present
    await publish(broker)
    await client.receive_nothing()
    assert len((await broker.store.mqtt_sessions.load()).sessions) == 1


async def test_clean_start_discards_the_session(broker: Broker) -> None:
    await broker.away("client", "a")
    await publish(broker)
    client = await broker.connect("client", expiry_s=600, clean_start=True)
    assert not client.connack.session_present
    await publish(broker)
    await client.receive_nothing()


async def test_a_session_ends_when_its_expiry_has_passed(broker: Broker) -> None:
    await broker.away("client", "a", expiry_s=60)
    await broker.later(59)
    client = await broker.resume("client", expiry_s=60)
    await client.disconnect()
    await broker.settle()
    await broker.later(61)
    assert len(broker.gateway.open_port.sessions) == 0
    assert (await broker.store.mqtt_sessions.load()).sessions == ()
    assert not (await broker.connect("client", expiry_s=60, clean_start=False)).connack.session_present


@pytest.mark.parametrize("settings", [MqttSettings(session_expiry_max_s=NEVER)])
@pytest.mark.parametrize("version", [V3_1_1, V5])
async def test_a_session_may_last_for_ever(broker: Broker, version: ProtocolVersion) -> None:
    await broker.away("client", "a", version=version, expiry_s=NEVER)
    await broker.later(400 * 86_400)
    await broker.restart(400 * 86_400_000)
    await publish(broker)
    assert (await (await broker.resume("client", version)).message()).payload == b"x"


async def test_a_longer_expiry_than_the_server_s_is_cut_and_the_client_told(broker: Broker) -> None:
    client = await broker.connect("client", expiry_s=NEVER)
    assert client.connack.properties[Property.SESSION_EXPIRY_INTERVAL] == 604_800
    assert Property.SESSION_EXPIRY_INTERVAL not in (await broker.connect("other", expiry_s=5)).connack.properties


async def test_a_disconnect_can_change_the_expiry(broker: Broker) -> None:
    for before, after, lasts_s in ((600, 10, 10), (10, 600, 600), (600, 0, 0)):
        client = await broker.connect("client", expiry_s=before)
        await client.disconnect(properties={Property.SESSION_EXPIRY_INTERVAL: after})
        await broker.settle()
        await broker.later(lasts_s - 1 if lasts_s else 0)
        present = (await broker.connect("client", expiry_s=5, clean_start=False)).connack.session_present
        assert present is bool(lasts_s)
        client = await broker.connect("client", expiry_s=before)
        await client.disconnect(properties={Property.SESSION_EXPIRY_INTERVAL: after})
        await broker.settle()
        await broker.later(lasts_s + 1)
        assert not (await broker.connect("client", clean_start=False)).connack.session_present


async def test_a_disconnect_cannot_make_a_session_outlive_its_connection(broker: Broker) -> None:
    client = await broker.connect("client")
    client.send(Disconnect(properties={Property.SESSION_EXPIRY_INTERVAL: 5}))
    assert (await client.receive(Disconnect)).reason_code is ReasonCode.PROTOCOL_ERROR


@pytest.mark.parametrize("end", ["restart", "crash"])
async def test_sessions_outlive_the_server_with_their_subscriptions(broker: Broker, end: str) -> None:
    await broker.away("away", "a/+", "removed", qos=2)
    client = await broker.resume("away")
    await client.unsubscribe("removed")
    await client.disconnect()
    connected = await broker.connect("connected", expiry_s=600)
    await connected.listen("a/b", qos=1, identifier=7)
    await broker.settle()
    await getattr(broker, end)(10_000)
    publisher = await broker.connect()
    await publisher.publish("a/b", b"x", 2)
    assert await publisher.publish("removed", b"x", 2) == ReasonCode.NO_MATCHING_SUBSCRIBERS
    assert (await (await broker.resume("away")).message()).qos == 2
    message = await (await broker.resume("connected")).message()
    assert (message.qos, message.properties) == (1, {Property.SUBSCRIPTION_IDENTIFIER: (7,)})


@pytest.mark.parametrize("end", ["restart", "crash"])
async def test_a_session_expires_also_while_no_server_runs(broker: Broker, end: str) -> None:
    for client_id, expiry_s in (("short", 30), ("long", 90)):
        await broker.away(client_id, "a", expiry_s=expiry_s)
    await broker.connect("connected", expiry_s=30)
    await getattr(broker, end)(60_000)
    await broker.later(0)
    for client_id, present in (("short", False), ("long", True), ("connected", end == "crash")):
        client = await broker.connect(client_id, expiry_s=10, clean_start=False)
        assert client.connack.session_present is present, client_id


async def test_a_takeover_tells_the_older_connection_and_goes_on_with_the_session(broker: Broker) -> None:
    old = await broker.connect("client", expiry_s=600)
    await old.listen("a", qos=1)
    new = await broker.resume("client")
    goodbye = await old.receive(Disconnect)
    assert goodbye.reason_code is ReasonCode.SESSION_TAKEN_OVER
    await old.receive_close()
    await publish(broker)
    assert (await new.message()).payload == b"x"
    assert len(broker.gateway.open_port.sessions) == 2, "the publisher's and this one"


async def test_a_takeover_before_5_0_closes_the_older_connection(broker: Broker) -> None:
    old = await broker.connect("client", V3_1_1)
    await broker.connect("client", V3_1_1)
    await old.receive_close()


async def test_of_many_connections_with_one_identifier_the_last_stays(broker: Broker) -> None:
    clients = [await broker.client() for _ in range(20)]
    for number, client in enumerate(clients):
        properties = {Property.SESSION_EXPIRY_INTERVAL: 60} if number % 3 else {}
        client.send(Connect(V5, "client", clean_start=number % 2 == 0, properties=properties))
    last = clients[-1]
    assert (await last.receive(Connack)).reason_code is ReasonCode.SUCCESS
    for client in clients[:-1]:
        packets = await client.receive_end()
        assert {type(packet) for packet in packets} <= {Connack, Disconnect}
    await last.receive_nothing()
    await last.listen("a", qos=1)
    await publish(broker)
    assert (await last.message()).payload == b"x"
    await broker.settle()
    assert len(broker.gateway.open_port.sessions) <= 2


async def test_a_client_without_an_identifier_is_given_one_of_its_own(broker: Broker) -> None:
    first, second = await broker.connect(expiry_s=600), await broker.connect()
    given = [each.connack.properties[Property.ASSIGNED_CLIENT_IDENTIFIER] for each in (first, second)]
    assert len(set(given)) == 2
    await first.listen("a", qos=1)
    await first.disconnect()
    await broker.settle()
    assert (await broker.resume(given[0])).connack.properties.get(Property.ASSIGNED_CLIENT_IDENTIFIER) is None


@pytest.mark.parametrize(
    ("version", "connect", "refused"),
    [
        (V3_1, {}, True),
        (V3_1_1, {"clean_start": False}, True),
        (V3_1_1, {"clean_start": True}, False),
        (V5, {"clean_start": False}, False),
        (V5, {"client_id": "x" * 1_024}, False),
        (V5, {"client_id": "x" * 1_025}, True),
    ],
)
async def test_what_a_client_identifier_may_be(
    broker: Broker, version: ProtocolVersion, connect: dict[str, object], refused: bool
) -> None:
    client = await broker.client(version)
    client.send(Connect(version, **connect))  # type: ignore[arg-type]
    connack = await client.receive(Connack)
    assert connack.reason_code is (ReasonCode.CLIENT_IDENTIFIER_NOT_VALID if refused else ReasonCode.SUCCESS)


@pytest.mark.parametrize("settings", [MqttSettings(max_sessions=2)])
async def test_more_sessions_than_are_kept_are_refused(broker: Broker) -> None:
    for client_id in ("one", "two"):
        await broker.away(client_id, "a")
    client = await broker.client()
    client.send(Connect(V5, "three", properties={Property.SESSION_EXPIRY_INTERVAL: 1}))
    assert (await client.receive(Connack)).reason_code is ReasonCode.QUOTA_EXCEEDED
    await broker.connect("three")
    await broker.resume("two")
    one = await broker.resume("one")
    await one.disconnect(properties={Property.SESSION_EXPIRY_INTERVAL: 0})
    await broker.settle()
    await broker.connect("three", expiry_s=1)


@pytest.mark.parametrize("settings", [MqttSettings(session_expiry_max_s=0)])
async def test_a_server_may_keep_no_session_at_all(broker: Broker) -> None:
    client = await broker.connect("client", expiry_s=600)
    assert client.connack.properties[Property.SESSION_EXPIRY_INTERVAL] == 0
    await broker.away("old", "a", version=V3_1_1)
    assert (await broker.store.mqtt_sessions.load()).sessions == ()


async def test_a_session_that_becomes_transient_ends_with_its_connection(broker: Broker) -> None:
    await broker.away("client", "a")
    await publish(broker)
    client = await broker.connect("client", expiry_s=0, clean_start=False)
    assert client.connack.session_present
    assert (await client.message()).payload == b"x"
    await publish(broker, payload=b"y")
    assert (await client.message()).payload == b"y"
    await client.disconnect()
    await broker.settle()
    assert not (await broker.connect("client", clean_start=False)).connack.session_present
    assert (await broker.store.mqtt_sessions.load()).sessions == ()


async def test_packets_behind_connect_count_when_the_session_is_there(broker: Broker) -> None:
    await broker.away("client", "a")
    client = await broker.client()
    connect = Connect(V5, "client", clean_start=False, properties={Property.SESSION_EXPIRY_INTERVAL: 600})
    client.send(connect, Publish("a", b"early", 0))
    assert (await client.receive(Connack)).session_present
    assert (await client.message()).payload == b"early"
