"""What a hostile client may do to a device's port, and where that ends."""

import asyncio
import json

import pytest

from tests.broker.conftest import TIMEOUT_S, V5, House, Peer, report
from thingstead.config import MqttSettings
from thingstead.model.device import Page
from thingstead.mqtt.connection_packets import Connack, Disconnect, Pingreq
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Suback, Subscribe, SubscriptionRequest
from thingstead.services.ingest.quotas import DailyQuota

DEPTH = 64


@pytest.fixture
def mqtt_settings() -> MqttSettings:
    return MqttSettings(packet_timeout_s=1, max_packet_size_bytes=16_384)


async def dribbled(peer: Peer, data: bytes) -> None:
    """Sends byte after byte, a few of them in each second."""
    for byte in data:
        peer.send_bytes(bytes([byte]))
        await asyncio.sleep(0.15)


class TestSlowSenders:
    async def test_a_packet_must_be_whole_in_time_although_its_bytes_keep_coming(self, house: House) -> None:
        peer = await house.log_in(await house.device(), V5, keep_alive=60)
        dribble = asyncio.ensure_future(dribbled(peer, report(1).serialize(V5)))
        [goodbye] = await peer.receive_end()
        dribble.cancel()
        assert isinstance(goodbye, Disconnect)
        assert goodbye.reason_code is ReasonCode.UNSPECIFIED_ERROR

    async def test_one_that_stops_in_the_middle_is_closed_even_without_keep_alive(self, house: House) -> None:
        peer = await house.log_in(await house.device(), keep_alive=0)
        peer.send_bytes(report(1).serialize(ProtocolVersion.V3_1_1)[:-1])
        await peer.receive_close()

    async def test_one_that_began_behind_connect_is_closed_too(self, house: House) -> None:
        peer = await house.peer()
        peer.send_bytes(house.connect_of(await house.device()) + b"\x30\x7f")
        assert await peer.read() == b"\x20\x02\0\0"
        await peer.receive_close()

    async def test_packets_that_follow_each_other_each_have_their_time(self, house: House) -> None:
        device = await house.device()
        peer = await house.log_in(device, keep_alive=0)
        packets = b"".join(report(number).serialize(ProtocolVersion.V3_1_1) for number in range(1, 15))
        step = len(packets) // 14 + 1  # no boundary of a packet, but for the last
        for start in range(0, len(packets), step):
            peer.send_bytes(packets[start : start + step])
            await asyncio.sleep(0.15)
        assert [(await peer.receive(Puback)).packet_id for _ in range(14)] == list(range(1, 15))


class TestPacketSize:
    async def test_a_packet_over_the_limit_ends_the_connection_with_its_reason(self, house: House) -> None:
        peer = await house.log_in(await house.device(), V5)
        peer.send(report(1, b"x" * 20_000))
        [goodbye] = await peer.receive_end()
        assert isinstance(goodbye, Disconnect)
        assert goodbye.reason_code is ReasonCode.PACKET_TOO_LARGE

    async def test_a_connect_has_a_smaller_limit_than_the_packets_of_who_is_admitted(self, house: House) -> None:
        peer = await house.peer(V5)
        peer.send_bytes(house.connect_of(await house.device(), V5, client_id="x" * 16_384))
        assert (await peer.receive(Connack)).reason_code is ReasonCode.PACKET_TOO_LARGE
        await peer.receive_close()

    async def test_its_head_is_enough(self, house: House) -> None:
        peer = await house.log_in(await house.device())
        peer.send_bytes(b"\x30\xff\xff\xff\x7f")
        await peer.receive_close()


@pytest.mark.parametrize("topic", ["attributes", "attributes/series", "event/report/1", "command/reply/1"])
async def test_json_that_is_nested_too_deep_is_refused(house: House, topic: str) -> None:
    device = await house.device()
    peer = await house.log_in(device, V5)
    for depth, fits in ((DEPTH - 10, True), (DEPTH + 1, False), (960, False), (1_900, False)):
        nested = "[" * depth + "]" * depth
        body = f'{{"method":"m","ts":1,"params":{{"a":{nested}}},"attributes":{{"a":{nested}}}}}'
        peer.send(report(1, body.encode(), topic=topic))
        taken = (await peer.receive(Puback)).reason_code is not ReasonCode.PAYLOAD_FORMAT_INVALID
        assert taken is fits
    assert json.loads(json.dumps(await house.values(device))) is not None


async def test_brackets_in_a_text_nest_nothing(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    peer.send(report(1, b'{"note":"' + b"[{" * 500 + b'"}'))
    await peer.receive(Puback)
    assert await house.values(device) == {"note": "[{" * 500}


@pytest.mark.parametrize("topic", [b"attri\0butes", b"attri\xffbutes", b"\xed\xa0\x80", b"a/+", b"#", b""])
async def test_a_topic_name_that_cannot_be_one_ends_the_connection(house: House, topic: bytes) -> None:
    peer = await house.log_in(await house.device())
    body = len(topic).to_bytes(2, "big") + topic + b'{"a":1}'
    peer.send_bytes(bytes([0x30, len(body)]) + body)
    await peer.receive_close()


@pytest.mark.parametrize("payload", [b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b'{"\xc3":1}', b'{"a":1}\0', b"\0"])
async def test_a_payload_with_broken_text_is_refused_and_the_connection_stays(house: House, payload: bytes) -> None:
    device = await house.device()
    peer = await house.log_in(device, V5)
    peer.send(report(1, payload))
    assert (await peer.receive(Puback)).reason_code is ReasonCode.PAYLOAD_FORMAT_INVALID
    assert await house.values(device) == {}


class TestPacketIdentifiers:
    @pytest.mark.parametrize("answer", [Puback(7), Pubcomp(7), Pubrec(7, ReasonCode.UNSPECIFIED_ERROR)])
    async def test_an_answer_to_nothing_is_passed_over(self, house: House, answer: Puback | Pubcomp | Pubrec) -> None:
        peer = await house.log_in(await house.device(), V5)
        peer.send(answer)
        await peer.receive_nothing()

    async def test_a_release_of_nothing_is_answered_as_such(self, house: House) -> None:
        peer = await house.log_in(await house.device(), V5)
        peer.send(Pubrel(7), Pubrec(8))
        assert await peer.receive(Pubcomp) == Pubcomp(7, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)
        assert await peer.receive(Pubrel) == Pubrel(8, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)

    async def test_an_identifier_that_is_in_use_is_a_repetition_until_it_is_released(self, house: House) -> None:
        device = await house.device()
        peer = await house.log_in(device)
        for value in (1, 2):
            peer.send(report(5, b'{"n":%d}' % value, qos=2))
            assert (await peer.receive(Pubrec)).packet_id == 5
        assert await house.values(device) == {"n": 1}
        peer.send(Pubrel(5))
        await peer.receive(Pubcomp)
        peer.send(report(5, b'{"n":3}', qos=2))
        await peer.receive(Pubrec)
        assert await house.values(device) == {"n": 3}

    async def test_the_same_identifier_at_qos_1_is_a_message_each_time(self, house: House) -> None:
        peer = await house.log_in(await house.device())
        peer.send(*(report(5) for _ in range(20)))
        assert [(await peer.receive(Puback)).packet_id for _ in range(20)] == [5] * 20

    async def test_the_identifier_0_ends_the_connection(self, house: House) -> None:
        peer = await house.log_in(await house.device())
        peer.send_bytes(b"\x32\x07\0\x03abc\0\0")
        await peer.receive_close()

    async def test_5_0_clients_that_never_release_are_cut_off(self, house: House) -> None:
        peer = await house.log_in(await house.device(), V5)
        limit = house.config.mqtt.receive_maximum
        peer.send(*(Publish("x", b"", 2, number) for number in range(1, limit + 2)))
        *received, goodbye = await peer.receive_end()
        assert len(received) == limit
        assert isinstance(goodbye, Disconnect)
        assert goodbye.reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED


async def test_100_000_subscriptions_of_one_device_are_refused_within_its_limit(house: House) -> None:
    device, bystander = await house.device(), await house.log_in(await house.device())
    peer = await house.log_in(device)
    granted = 0
    for first in range(0, 100_000, 400):
        filters = [SubscriptionRequest(f"a/{number}", 0) for number in range(first, first + 400)]
        peer.send(Subscribe(1, filters))
        granted += sum(code < 0x80 for code in (await peer.receive(Suback)).reason_codes)
    assert granted == house.config.mqtt.max_device_subscriptions
    async with asyncio.timeout(TIMEOUT_S):
        bystander.send(Pingreq())
        assert await bystander.read() == b"\xd0\0"


async def test_a_client_identifier_of_any_length_is_admitted_and_the_beginning_of_it_kept(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device, V5, client_id="x" * 16_000, clean_start=True)
    peer.send(report(1))
    await peer.receive(Puback)  # and what was written before is on disk, too
    session = await house.platform.presence.find_session(device)
    assert session is not None
    assert session.client_id == "x" * 256
    [entry], _ = await house.platform.device_logs.list_page(device, "connection", Page())
    assert entry.body["client_id"] == "x" * 256


@pytest.mark.parametrize(("characters", "granted_s"), [(1_024, 60), (1_025, 0)])
async def test_no_session_is_kept_under_a_client_identifier_that_is_far_too_long(
    house: House, characters: int, granted_s: int
) -> None:
    peer = await house.peer(V5)
    properties = {Property.SESSION_EXPIRY_INTERVAL: 60}
    peer.send_bytes(house.connect_of(await house.device(), V5, client_id="x" * characters, properties=properties))
    connack = await peer.receive(Connack)
    assert connack.reason_code is ReasonCode.SUCCESS
    assert connack.properties.get(Property.SESSION_EXPIRY_INTERVAL, 60) == granted_s


async def test_a_report_beyond_the_daily_quota_is_refused_and_the_connection_stays(house: House) -> None:
    house.platform.ingest.quota = DailyQuota(house.clock, 10)
    peer = await house.log_in(await house.device(), V5)
    peer.send(report(1, b'{"x":1}'), report(2, b'{"x":1}'))
    codes = [(await peer.receive(Puback)).reason_code for _ in range(2)]
    assert codes == [ReasonCode.SUCCESS, ReasonCode.QUOTA_EXCEEDED]
    await peer.receive_nothing()
