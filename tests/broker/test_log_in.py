"""CONNECT over real sockets: who is admitted, how others are refused, and what the two ends agree on."""

import pytest

from tests.broker.conftest import V3_1_1, V5, House, report
from thingstead.mqtt.connection_packets import Auth, Connack, Connect, Disconnect, Pingreq, Pingresp, Will
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback
from thingstead.mqtt.reasons import ReasonCode


@pytest.mark.parametrize("version", ProtocolVersion)
async def test_a_device_certificate_opens_the_door(house: House, version: ProtocolVersion) -> None:
    device = await house.device()
    peer = await house.log_in(device, version, client_id="", clean_start=False, keep_alive=60)
    assert await house.online(device)
    peer.send(Pingreq())
    await peer.receive(Pingresp)


@pytest.mark.parametrize(("version", "reason_code"), [(V3_1_1, 4), (V5, 0x86)])
async def test_a_wrong_certificate_is_refused_without_saying_which_half_was_wrong(
    house: House, version: ProtocolVersion, reason_code: int
) -> None:
    device = await house.device()
    good = house.certificate(device)
    wrong = [
        {},
        {"user_name": good["user_name"]},
        {**good, "password": b"wrong"},
        {**good, "password": b"\xff\xfe"},
        {**good, "user_name": "unknown"},
        {**good, "user_name": "x" * 10_000},
    ]
    answers = set()
    for certificate in wrong:
        peer = await house.peer(version)
        peer.send(Connect(version, "c", **certificate))
        answers.add((await peer.receive(Connack)).serialize(version))
        await peer.receive_close()
    [answer] = answers
    assert answer[3] == reason_code
    assert not await house.online(device)
    assert house.counters.connections_refused == len(wrong)


@pytest.mark.parametrize(("version", "reason_code"), [(V3_1_1, 3), (V5, 0x9F)])
async def test_wrong_certificates_of_one_address_are_throttled_and_right_ones_are_not(
    house: House, version: ProtocolVersion, reason_code: int
) -> None:
    device = await house.device()
    log_ins = house.platform.log_ins
    for _ in range(100):
        log_ins.devices.failed("127.0.0.1")
    peer = await house.peer(version)
    peer.send(Connect(version, "c", user_name="unknown", password=b"wrong"))
    assert (await peer.receive(Connack)).serialize(version)[3] == reason_code
    assert (log_ins.failures.failed["device"], log_ins.failures.throttled["device"]) == (101, 1)
    await house.log_in(device, version)
    assert await house.online(device)


async def test_a_certificate_of_another_project_is_refused(house: House) -> None:
    device = await house.device()
    other = await house.platform.projects.create()
    peer = await house.peer()
    peer.send(Connect(V3_1_1, "c", user_name=device.access_token, password=other.project_key.encode()))
    assert (await peer.receive(Connack)).reason_code is ReasonCode.BAD_USER_NAME_OR_PASSWORD


async def test_an_odd_will_is_tolerated_and_not_published(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device, will=Will("attributes/series/response", b"offline", 2, True))
    listener = await house.log_in(await house.device())
    await listener.subscribe("#")
    peer.abort()
    await listener.receive_nothing()


async def test_what_comes_behind_connect_is_taken_when_the_device_is_admitted(house: House) -> None:
    """3.1.4: a client need not wait for CONNACK."""
    device = await house.device()
    peer = await house.peer()
    peer.send(Connect(V3_1_1, "c", **house.certificate(device)), report(1), report(2))
    await peer.receive(Connack)
    assert [(await peer.receive(Puback)).packet_id for _ in range(2)] == [1, 2]


async def test_a_5_0_client_is_told_our_limits(house: House) -> None:
    device = await house.device()
    peer = await house.peer(V5)
    wishes = {Property.SESSION_EXPIRY_INTERVAL: 1_000_000}
    peer.send(Connect(V5, "", keep_alive=5_000, properties=wishes, **house.certificate(device)))
    told = (await peer.receive(Connack)).properties
    assert told[Property.SERVER_KEEP_ALIVE] == 1200
    assert told[Property.RECEIVE_MAXIMUM] == 1024
    assert told[Property.MAXIMUM_PACKET_SIZE] == 262_144
    assert told[Property.SESSION_EXPIRY_INTERVAL] == 604_800
    assert told[Property.ASSIGNED_CLIENT_IDENTIFIER]


async def test_an_authentication_method_is_refused(house: House) -> None:
    """[MQTT-4.12.0-1]"""
    device = await house.device()
    peer = await house.peer(V5)
    peer.send(Connect(V5, "c", properties={Property.AUTHENTICATION_METHOD: "x"}, **house.certificate(device)))
    assert (await peer.receive(Connack)).reason_code is ReasonCode.BAD_AUTHENTICATION_METHOD
    await peer.receive_close()
    peer = await house.log_in(device, V5)
    peer.send(Auth())
    assert (await peer.receive(Disconnect)).reason_code is ReasonCode.PROTOCOL_ERROR
    await peer.receive_close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        bytes.fromhex("1603010200010001fc0303"),
        b"\x00" * 100,
        b"\x10\xff\xff\xff\x7f",
        b"\x30\x03\0\x01a",
        b"\x10\x02\0\0",
    ],
)
async def test_strangers_are_closed_at_once(house: House, data: bytes) -> None:
    peer = await house.peer()
    peer.send_bytes(data)
    await peer.receive_close()
    assert house.counters.protocol_errors == 1


async def test_an_unsupported_version_is_told_so(house: House) -> None:
    """[MQTT-3.1.2-2]"""
    peer = await house.peer()
    peer.send_bytes(b"\x10\x0c\0\x04MQTT\x09\x02\0\0\0\0")
    assert (await peer.receive(Connack)).reason_code is ReasonCode.UNSUPPORTED_PROTOCOL_VERSION
    await peer.receive_close()


async def test_a_broken_5_0_connect_is_answered_with_its_reason(house: House) -> None:
    peer = await house.peer(V5)
    peer.send_bytes(b"\x10\x0d\0\x04MQTT\x05\x03\0\0\0\0\0")
    assert (await peer.receive(Connack)).reason_code is ReasonCode.MALFORMED_PACKET
    await peer.receive_close()


async def test_a_protocol_error_ends_a_5_0_connection_with_its_reason(house: House) -> None:
    device = await house.device()
    for data, reason_code in (
        (b"\x00\x00", ReasonCode.MALFORMED_PACKET),
        (b"\xd0\x00", ReasonCode.PROTOCOL_ERROR),
        (b"\x30\xff\xff\xff\x7f", ReasonCode.PACKET_TOO_LARGE),
        (b"\x30\x06\0\0\x03\x23\0\x63", ReasonCode.TOPIC_ALIAS_INVALID),
    ):
        peer = await house.log_in(device, V5)
        peer.send_bytes(data)
        assert (await peer.receive(Disconnect)).reason_code is reason_code
        await peer.receive_close()


async def test_reports_before_a_protocol_error_are_kept(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    peer.send_bytes(report(1, b'{"n":1}').serialize(V3_1_1) + b"\x00\x00")
    await peer.receive_close()
    again = await house.log_in(device)
    again.send(report(1, b"{}"))
    await again.receive(Puback)
    assert await house.values(device) == {"n": 1}


async def test_both_keys_open_while_the_grace_of_a_rotation_lasts(house: House) -> None:
    device = await house.device()
    old = house.certificate(device)
    await house.platform.projects.rotate_project_key(house.project_id, 60_000)
    new = {**old, "password": (await house.platform.projects.get(house.project_id)).project_key.encode()}
    for certificate in (old, new):
        peer = await house.peer()
        peer.send(Connect(V3_1_1, "c", **certificate))
        assert (await peer.receive(Connack)).reason_code is ReasonCode.SUCCESS
    await house.platform.projects.rotate_project_key(house.project_id, 0)
    for certificate in (old, new):
        peer = await house.peer()
        peer.send(Connect(V3_1_1, "c", **certificate))
        assert (await peer.receive(Connack)).reason_code is ReasonCode.BAD_USER_NAME_OR_PASSWORD
