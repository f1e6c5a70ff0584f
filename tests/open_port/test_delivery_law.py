"""Whatever is interrupted and when: at QoS 1 every message arrives, at QoS 2 each once, in the order of publishing."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.open_port.conftest import V3_1_1, V5, Broker, Client
from thingstead.config import MqttSettings
from thingstead.mqtt.decoder import Packet
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel


class Step(NamedTuple):
    """The publisher publishes (``qos``), or the subscriber reads (0); then the connection may end."""

    qos: int
    answers: bool  # the subscriber answers; or: the server has taken what the publisher sent before it is interrupted
    interruption: str  # loss, crash, restart, or none


Steps = st.lists(
    st.builds(
        Step,
        st.sampled_from((1, 1, 2, 2, 2, 0)),
        st.booleans(),
        st.sampled_from(("", "", "loss", "crash", "restart")),
    ),
    min_size=1,
    max_size=14,
)


class Publisher:
    """Sends again what was not acknowledged, as a client must."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._client: Client | None = None
        self._packet_id = 0
        self.published: dict[int, list[int]] = {1: [], 2: []}  # numbers by QoS

    async def publish(self, number: int, step: Step) -> None:
        qos = step.qos
        self._packet_id = self._packet_id % 3 + 1  # identifiers come again soon
        client = await self.connected()
        self.published[qos].append(number)
        packet = Publish("a", b"%d" % number, qos, self._packet_id)
        client.send(packet)
        if step.interruption:
            if step.answers:
                await client.everything()
                await self._broker.committed()
            await interrupt(self._broker, client, step.interruption)
            packet.dup = True
            client = await self.connected()
            client.send(packet)
        if qos == 1:
            await client.answer(Puback, packet.packet_id)
            return
        await client.answer(Pubrec, packet.packet_id)
        client.send(Pubrel(packet.packet_id))
        await client.answer(Pubcomp, packet.packet_id)

    async def connected(self) -> Client:
        if self._client is None or self._client.closed:
            self._client = await self._broker.connect("publisher", expiry_s=600, clean_start=False)
        return self._client


class Subscriber:
    """Keeps its half of the session over every connection."""

    def __init__(self, broker: Broker, version: ProtocolVersion) -> None:
        self._broker = broker
        self._version = version
        self._client: Client | None = None
        self._held: set[int] = set()  # packet identifiers of QoS 2 messages that are not released
        self.received: dict[int, list[int]] = {1: [], 2: []}

    async def connected(self) -> Client:
        if self._client is None or self._client.closed:
            properties = {Property.RECEIVE_MAXIMUM: 2} if self._version is V5 else {}
            self._client = await self._broker.connect(
                "subscriber", self._version, expiry_s=600, clean_start=False, properties=properties
            )
        return self._client

    async def read(self, *, answers: bool, interruption: str = "") -> int:
        """Takes what is there, and answers it or not; how many packets there were."""
        client = await self.connected()
        packets = await client.everything()  # the server has read what was sent before
        await self._broker.committed()
        packets += await client.everything()  # and here is what waited for the commit
        for packet in packets:
            self._take(client, packet, answers=answers)
        if interruption:
            await interrupt(self._broker, client, interruption)
        return len(packets)

    def _take(self, client: Client, packet: Packet, *, answers: bool) -> None:
        answer: Packet
        if isinstance(packet, Pubrel):
            self._held.discard(packet.packet_id)
            answer = Pubcomp(packet.packet_id)
        else:
            assert isinstance(packet, Publish)
            if packet.qos == 1 or packet.packet_id not in self._held:
                self.received[packet.qos].append(int(packet.payload))
            answer = Puback(packet.packet_id) if packet.qos == 1 else Pubrec(packet.packet_id)
            if packet.qos == 2:
                self._held.add(packet.packet_id)
        if answers:
            client.send(answer)


async def interrupt(broker: Broker, client: Client, kind: str) -> None:
    client.abort()
    client.closed = True
    if kind != "loss":
        await getattr(broker, kind)()
        for each in broker.clients:
            each.closed = True


async def run(steps: Sequence[Step], version: ProtocolVersion, folder: Path) -> None:
    broker = Broker(folder / "thingstead.db", MqttSettings(in_flight_max=4))
    await broker.open()
    publisher, subscriber = Publisher(broker), Subscriber(broker, version)
    try:
        await (await subscriber.connected()).listen("a", qos=2)
        for number, step in enumerate(steps):
            if step.qos:
                await publisher.publish(number, step)
            else:
                await subscriber.read(answers=step.answers, interruption=step.interruption)
        await interrupt(broker, await subscriber.connected(), "loss")  # so that what was not answered comes again
        while await subscriber.read(answers=True):
            pass
        assert subscriber.received[2] == publisher.published[2], "each once, in order"
        assert list(dict.fromkeys(subscriber.received[1])) == publisher.published[1], "each at least once, in order"
    finally:
        await broker.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=Steps, version=st.sampled_from((V3_1_1, V5)))
def test_every_message_arrives_as_its_qos_says(steps: list[Step], version: ProtocolVersion) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(steps, version, Path(folder)))
