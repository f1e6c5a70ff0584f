"""Packets of MQTT 5.0 full of properties, from strangers and from a device, cost no more than their bytes."""

import contextlib
import socket
from collections import Counter

from tests.hostile.attacker import Target
from tests.hostile.stand import Stand
from thingstead.mqtt import wire
from thingstead.mqtt.connection_packets import Connect
from thingstead.mqtt.protocol import ProtocolVersion

V5 = ProtocolVersion.V5
ANSWER_TIMEOUT_S = 30
PACKET_TOO_LARGE, PROTOCOL_ERROR, QUOTA_EXCEEDED, BAD_CREDENTIALS = "95", "82", "97", "86"


def _answer(target: Target, data: bytes, connect: bytes = b"") -> str:
    """The reason code of the last packet that answers."""
    with socket.create_connection(("127.0.0.1", target.mqtt_port), timeout=ANSWER_TIMEOUT_S) as sock:
        if connect:
            sock.sendall(connect)
            assert sock.recv(1_000)[3] == 0
        with contextlib.suppress(ConnectionError):  # it is refused before all of it was sent
            sock.sendall(data)
        answer = sock.recv(1_000)
    return answer[3:4].hex() if answer[:1] == b"\x20" else answer[2:3].hex()


def _connect_full_of(properties: bytes) -> bytes:
    body = (
        wire.utf8("MQTT") + b"\x05\x02\0\x3c" + wire.variable_byte_integer(len(properties)) + properties + wire.utf8("")
    )
    return wire.packet(0x10, body)


def _publish_full_of(properties: bytes) -> bytes:
    return wire.packet(0x30, wire.utf8("attributes") + wire.variable_byte_integer(len(properties)) + properties)


def stranger(target: Target) -> dict[str, int]:
    """CONNECTs with as many user properties as a packet may have bytes, and just below the limit of a CONNECT; PUBLISH
    packets behind CONNECTs that are not admitted. How often each reason was told."""
    user, identifier = b"\x26\0\0\0\0", b"\x0b\x01"
    wrong = Connect(V5, "c", user_name="x" * 16, password=b"y").serialize(V5)
    packets = (
        _connect_full_of(user * 52_000),
        _connect_full_of(user * 3_200),
        wrong + _publish_full_of(identifier * 130_000),
    )
    return Counter(_answer(target, packets[number % 3]) for number in target.until_over())


def device(target: Target) -> dict[str, int]:
    """PUBLISH packets of a device that are full of what it may not send. How often each reason was told."""
    _, access_token, project_key = target.device
    connect = Connect(V5, "c", user_name=access_token, password=project_key.encode()).serialize(V5)
    packets = (_publish_full_of(b"\x0b\x01" * 130_000), _publish_full_of(b"\x26\0\0\0\0" * 52_000))
    return Counter(_answer(target, packets[number % 2], connect) for number in target.until_over())


def test_strangers_that_send_properties_without_end_are_refused_by_name(stand: Stand) -> None:
    outcome = stand.withstand(stranger)
    outcome.check()
    [reasons] = outcome.attack
    assert reasons.keys() <= {PACKET_TOO_LARGE, QUOTA_EXCEEDED, BAD_CREDENTIALS, "9f"}
    assert reasons.keys() >= {PACKET_TOO_LARGE, QUOTA_EXCEEDED}


def test_a_device_that_does_so_is_refused_by_name(stand: Stand) -> None:
    outcome = stand.withstand(device)
    outcome.check()
    [reasons] = outcome.attack
    assert reasons.keys() == {PROTOCOL_ERROR, QUOTA_EXCEEDED}
