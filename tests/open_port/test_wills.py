"""Will messages: published when a client is lost, and not when it takes its leave."""

import pytest

from tests.open_port.conftest import NEVER, V3_1_1, V5, Broker, Client
from thingstead.mqtt.connection_packets import Connect, Disconnect, Will
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.reasons import ReasonCode

WILL = Will("wills", b"lost", 1)


def delayed(delay_s: int) -> Will:
    return Will("wills", b"lost", 1, properties={Property.WILL_DELAY_INTERVAL: delay_s})


async def watcher(broker: Broker) -> Client:
    """Who hears of it."""
    client = await broker.connect("watcher", expiry_s=NEVER, clean_start=False)
    await client.listen("wills", qos=2)
    return client


@pytest.mark.parametrize("version", [V3_1_1, V5])
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_the_will_of_a_lost_client_is_published(broker: Broker, version: ProtocolVersion, qos: int) -> None:
    watching = await watcher(broker)
    client = await broker.connect("client", version, will=Will("wills", b"lost", qos, retain=True))
    client.abort()
    message = await watching.message()
    assert (message.topic, message.payload, message.qos, message.retain) == ("wills", b"lost", qos, False)
    later = await broker.connect()
    await later.listen("wills")
    assert (await later.message()).retain


async def test_a_client_that_takes_its_leave_has_no_will(broker: Broker) -> None:
    watching = await watcher(broker)
    for version in (V3_1_1, V5):
        client = await broker.connect("client", version, will=WILL)
        await client.disconnect()
    await broker.settle()
    await watching.receive_nothing()


async def test_a_client_can_take_its_leave_with_its_will(broker: Broker) -> None:
    watching = await watcher(broker)
    client = await broker.connect("client", will=WILL)
    await client.disconnect(ReasonCode.DISCONNECT_WITH_WILL_MESSAGE)
    assert (await watching.message()).payload == b"lost"


async def test_a_client_that_breaks_the_protocol_is_lost(broker: Broker) -> None:
    watching = await watcher(broker)
    client = await broker.connect("client", will=WILL)
    client.send(Connect(V5, "client"))
    assert (await client.receive(Disconnect)).reason_code is ReasonCode.PROTOCOL_ERROR
    assert (await watching.message()).payload == b"lost"


async def test_a_will_carries_its_properties_but_for_its_delay(broker: Broker) -> None:
    watching = await watcher(broker)
    own = {
        Property.CONTENT_TYPE: "t",
        Property.USER_PROPERTY: (("b", "1"), ("a", "2")),
        Property.CORRELATION_DATA: b"c",
    }
    will = Will("wills", b"lost", 1, properties={**own, Property.WILL_DELAY_INTERVAL: 0})
    (await broker.connect("client", will=will)).abort()
    assert (await watching.message()).properties == own


async def test_a_will_with_a_delay_is_published_when_it_has_passed(broker: Broker) -> None:
    watching = await watcher(broker)
    (await broker.connect("client", expiry_s=600, will=delayed(30))).abort()
    await eventually_away(broker, "client")
    await broker.later(29)
    await watching.receive_nothing()
    await broker.later(2)
    assert (await watching.message()).payload == b"lost"
    await broker.later(600)
    await watching.receive_nothing()


async def test_a_client_that_comes_back_in_time_has_not_been_lost(broker: Broker) -> None:
    watching = await watcher(broker)
    (await broker.connect("client", expiry_s=600, will=delayed(30))).abort()
    await eventually_away(broker, "client")
    client = await broker.resume("client")
    await broker.later(60)
    await client.disconnect()
    await broker.settle()
    await watching.receive_nothing()


async def test_a_delayed_will_is_published_when_the_session_ends_before(broker: Broker) -> None:
    watching = await watcher(broker)
    (await broker.connect("expires", expiry_s=10, will=delayed(30))).abort()
    await eventually_away(broker, "expires")
    await broker.later(11)
    assert (await watching.message()).payload == b"lost"
    (await broker.connect("no session", will=delayed(30))).abort()
    assert (await watching.message()).payload == b"lost"
    (await broker.connect("starts clean", expiry_s=600, will=delayed(30))).abort()
    await eventually_away(broker, "starts clean")
    await broker.connect("starts clean", clean_start=True)
    assert (await watching.message()).payload == b"lost"


@pytest.mark.parametrize(
    ("delay_s", "clean_start", "expiry_s", "published"),
    [(0, False, 600, True), (30, False, 600, False), (30, True, 600, True), (30, False, 0, True)],
)
async def test_a_takeover_publishes_the_will_unless_the_session_goes_on_within_its_delay(
    broker: Broker, delay_s: int, clean_start: bool, expiry_s: int, published: bool
) -> None:
    watching = await watcher(broker)
    old = await broker.connect("client", expiry_s=expiry_s, clean_start=False, will=delayed(delay_s))
    new = await broker.connect("client", expiry_s=600, clean_start=clean_start)
    assert (await old.receive(Disconnect)).reason_code is ReasonCode.SESSION_TAKEN_OVER
    if published:
        assert (await watching.message()).payload == b"lost"
    await broker.later(60)
    await new.receive_nothing()
    await watching.receive_nothing()


async def test_a_takeover_publishes_the_will_before_3_1_1_clients_go_on(broker: Broker) -> None:
    watching = await watcher(broker)
    await broker.connect("client", V3_1_1, expiry_s=1, will=WILL)
    await broker.connect("client", V3_1_1, expiry_s=1)
    assert (await watching.message()).payload == b"lost"


async def test_the_new_connection_has_its_own_will(broker: Broker) -> None:
    watching = await watcher(broker)
    await broker.connect("client", expiry_s=600, will=delayed(30))
    new = await broker.resume("client", will=Will("wills", b"the new one", 1))
    new.abort()
    assert (await watching.message()).payload == b"the new one"
    await broker.later(60)
    await watching.receive_nothing()


async def test_a_server_that_stops_publishes_the_wills_of_its_clients(broker: Broker) -> None:
    await watcher(broker)
    await broker.connect("client", will=Will("wills", b"lost", 1, retain=True))
    await broker.restart()
    watching = await broker.resume("watcher", expiry_s=NEVER)
    assert (await watching.message()).payload == b"lost"


@pytest.mark.parametrize("delay_s", [0, 30])
async def test_a_will_outlives_a_server_that_dies_with_its_client(broker: Broker, delay_s: int) -> None:
    await watcher(broker)
    await broker.connect("client", expiry_s=600, will=delayed(delay_s))
    await broker.crash(5_000)
    watching = await broker.resume("watcher", expiry_s=NEVER)
    if delay_s:
        await watching.receive_nothing()
        await broker.later(31)
    assert (await watching.message()).payload == b"lost"
    await watching.receive_nothing()
    await broker.committed()
    await broker.crash(60_000)
    watching = await broker.resume("watcher", expiry_s=NEVER)
    await watching.receive_nothing()


async def test_a_delay_goes_on_while_no_server_runs(broker: Broker) -> None:
    await watcher(broker)
    (await broker.connect("client", expiry_s=600, will=delayed(30))).abort()
    await eventually_away(broker, "client")
    await broker.restart(20_000)
    watching = await broker.resume("watcher", expiry_s=NEVER)
    await broker.later(9)
    await watching.receive_nothing()
    await broker.later(2)
    assert (await watching.message()).payload == b"lost"


async def test_a_will_is_for_the_topics_that_everyone_may_publish_to(broker: Broker) -> None:
    client = await broker.client()
    client.send(Connect(V5, "client", will=Will("$SYS/a", b"")))
    packets = await client.receive_end()
    assert [packet.reason_code for packet in packets] == [ReasonCode.TOPIC_NAME_INVALID]  # type: ignore[union-attr]


async def eventually_away(broker: Broker, client_id: str) -> None:
    """Returns when the server knows that the client is gone."""
    probe = await broker.connect()
    session = broker.gateway.open_port.sessions.by_key[client_id]
    while session.holder is not None:
        await probe.receive_nothing()
    await probe.disconnect()
    await broker.settle()
