"""What an acknowledgement promises is on disk; what cannot be kept is not acknowledged."""

import pytest

from tests.open_port.conftest import V5, Broker, Client
from tests.stores import ask, without_table
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect, Pingreq, Pingresp, Will
from thingstead.mqtt.decoder import Packet
from thingstead.mqtt.properties import Property
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Suback, Subscribe, SubscriptionRequest, Unsuback, Unsubscribe
from thingstead.refusals import reason


def rows(broker: Broker, table: str) -> int:
    [(count,)] = ask(broker.store, f"SELECT count(*) FROM {table}")
    return int(count)


async def expect_after_commit(
    broker: Broker, client: Client, send: Packet, kind: type[Packet], table: str, count: int
) -> None:
    """The answer comes when a row is on disk, and not before."""
    with broker.held_writes():
        client.send(send, Pingreq())
        await client.receive(Pingresp)
    await client.receive(kind)
    assert rows(broker, table) == count


@pytest.mark.parametrize(("qos", "kind"), [(1, Puback), (2, Pubrec)])
async def test_a_message_for_a_client_that_is_away_is_acknowledged_when_it_is_on_disk(
    broker: Broker, qos: int, kind: type[Packet]
) -> None:
    await broker.away("client", "a")
    publisher = await broker.connect()
    await expect_after_commit(broker, publisher, Publish("a", b"", qos, 5), kind, "mqtt_queue", 1)


async def test_a_retained_message_is_acknowledged_when_it_is_on_disk(broker: Broker) -> None:
    publisher = await broker.connect()
    await expect_after_commit(broker, publisher, Publish("a", b"x", 1, 5, True), Puback, "mqtt_retained", 1)
    await expect_after_commit(broker, publisher, Publish("a", b"", 1, 5, True), Puback, "mqtt_retained", 0)


async def test_what_a_session_keeps_is_acknowledged_when_it_is_on_disk(broker: Broker) -> None:
    client = await broker.client()
    connect = Connect(V5, "client", properties={Property.SESSION_EXPIRY_INTERVAL: 60})
    with broker.held_writes():
        client.send(connect)
        other = await broker.connect()  # a session that ends with its connection waits for nothing
        await other.receive_nothing()
        assert client._arrived == []
    assert (await client.receive(Connack)).reason_code is ReasonCode.SUCCESS
    assert rows(broker, "mqtt_sessions") == 1
    subscribe = Subscribe(1, [SubscriptionRequest("a", 1)])
    await expect_after_commit(broker, client, subscribe, Suback, "mqtt_subscriptions", 1)
    await expect_after_commit(broker, client, Unsubscribe(2, ["a"]), Unsuback, "mqtt_subscriptions", 0)
    await expect_after_commit(broker, client, Publish("b", b"", 2, 3), Pubrec, "mqtt_received", 1)
    await expect_after_commit(broker, client, Pubrel(3), Pubcomp, "mqtt_received", 0)


async def test_a_message_is_sent_to_a_kept_session_when_it_is_on_disk(broker: Broker) -> None:
    kept = await broker.connect("kept", expiry_s=60)
    passing = await broker.connect("passing")
    for client in (kept, passing):
        await client.listen("a", qos=1)
    publisher = await broker.connect()
    with broker.held_writes():
        publisher.send(Publish("a", b"x", 1, 1))
        assert (await passing.message()).payload == b"x"
        await kept.receive_nothing()
    assert (await kept.message()).payload == b"x"


async def test_an_answer_to_a_repetition_waits_as_the_first_did(broker: Broker) -> None:
    publisher = await broker.connect("publisher", expiry_s=60)
    with broker.held_writes():
        publisher.send(Publish("a", b"", 2, 1), Publish("a", b"", 2, 1, dup=True))
        await publisher.receive_nothing()
    for _ in range(2):
        assert await publisher.answer(Pubrec, 1) < ReasonCode.UNSPECIFIED_ERROR


@pytest.mark.parametrize("qos", [1, 2])
async def test_what_cannot_be_committed_is_not_acknowledged_and_not_delivered(broker: Broker, qos: int) -> None:
    kept = await broker.connect("kept", expiry_s=60)
    await kept.listen("a", qos=2)
    publisher = await broker.connect("publisher", expiry_s=60)
    with without_table(broker.store, "mqtt_queue"):
        publisher.send(Publish("a", b"x", qos, 1))
        assert (await publisher.receive(Disconnect)).reason_code is ReasonCode.SERVER_BUSY
        await kept.receive_nothing()
    publisher = await broker.resume("publisher")
    publisher.send(Publish("a", b"x", qos, 1, dup=True))
    assert await publisher.answer(Puback if qos == 1 else Pubrec, 1) == ReasonCode.SUCCESS
    assert (await kept.message()).payload == b"x"
    await kept.receive_nothing()
    session = broker.gateway.open_port.sessions.by_key["kept"]
    assert (session.outbound.size_bytes, session.outbound.in_flight, session.outbound.queued) == (0, 0, 0)


async def test_a_session_that_cannot_be_kept_is_not_begun(broker: Broker) -> None:
    watcher = await broker.connect("watcher")
    await watcher.listen("wills")
    client = await broker.client()
    with without_table(broker.store, "mqtt_sessions"):
        expiry = {Property.SESSION_EXPIRY_INTERVAL: 60}
        client.send(Connect(V5, "client", will=Will("wills", b"lost"), properties=expiry))
        assert (await client.receive(Connack)).reason_code is ReasonCode.SERVER_UNAVAILABLE
        await broker.settle()
        await watcher.receive_nothing()
    client = await broker.connect("client", expiry_s=60, clean_start=False)
    assert not client.connack.session_present
    await client.listen("a", qos=1)
    await client.disconnect()
    await broker.settle()
    await broker.crash()
    await (await broker.connect()).publish("a", b"x", 1)
    assert (await (await broker.resume("client")).message()).payload == b"x"


async def test_a_full_disk_refuses_what_must_be_kept_and_lets_the_rest_pass(broker: Broker) -> None:
    client = await broker.connect("client")
    await client.listen("passing", qos=1)
    await broker.away("away", "kept")
    broker.store.history.refuse(reason("disk_nearly_full", free=1, least=2))
    publisher = await broker.connect()
    await publisher.publish("passing", b"x", 1)
    assert (await client.message()).payload == b"x"
    for packet in (Publish("kept", b"x", 1, 1), Publish("topic", b"x", 1, 1, True)):
        publisher = await broker.connect()
        publisher.send(packet)
        assert (await publisher.receive(Disconnect)).reason_code is ReasonCode.SERVER_BUSY
    broker.store.history.refuse(None)
    assert rows(broker, "mqtt_retained") + rows(broker, "mqtt_queue") == 0
    assert len(broker.gateway.open_port.router.retained.messages) == 0


async def test_a_pubrec_that_cannot_be_kept_is_asked_for_again(broker: Broker) -> None:
    client = await broker.connect("client", expiry_s=60)
    await client.listen("a", qos=2)
    await (await broker.connect()).publish("a", b"x", 2)
    first = await client.receive(Publish)
    with without_table(broker.store, "mqtt_queue"):
        client.send(Pubrec(first.packet_id))
        assert (await client.receive(Disconnect)).reason_code is ReasonCode.SERVER_BUSY
    await broker.settle()
    client = await broker.resume("client")
    again = await client.message()
    assert (again.packet_id, again.dup) == (first.packet_id, True)
    await client.receive_nothing()


async def test_a_retained_message_that_cannot_be_kept_leaves_the_one_before(broker: Broker) -> None:
    publisher = await broker.connect()
    await publisher.publish("a", b"old", 1, retain=True)
    for payload in (b"new", b""):
        with without_table(broker.store, "mqtt_retained"):
            publisher = await broker.connect()
            publisher.send(*(Publish("a", payload * number, 1, number, True) for number in (1, 2)))
            assert (await publisher.receive(Disconnect)).reason_code is ReasonCode.SERVER_BUSY
        await broker.settle()
        client = await broker.connect()
        await client.listen("a", qos=1)
        assert (await client.message()).payload == b"old"
    publisher = await broker.connect()
    await publisher.publish("a", b"newest", 1, retain=True)
    await broker.crash()
    client = await broker.connect()
    await client.listen("a", qos=1)
    assert (await client.message()).payload == b"newest"
    assert not broker.gateway.open_port.router.retained._uncertain
