"""What the chapters share: bytes into a server's decoder that has already seen a CONNECT."""

from collections.abc import Callable

import pytest

from thingstead.mqtt.connection_packets import Connect
from thingstead.mqtt.decoder import Decoder, Packet
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.reasons import ReasonCode

Decode = Callable[[ProtocolVersion, bytes], Packet]
Refusal = Callable[[ProtocolVersion, bytes], ReasonCode]


def connected(version: ProtocolVersion) -> Decoder:
    decoder = Decoder(1_000_000)
    decoder.receive_data(Connect(version).serialize(version))
    assert decoder.error is None
    return decoder


@pytest.fixture
def decode() -> Decode:
    """The one packet that the bytes are."""

    def run(version: ProtocolVersion, data: bytes) -> Packet:
        decoder = connected(version)
        [packet] = decoder.receive_data(data)
        assert decoder.error is None
        return packet

    return run


@pytest.fixture
def refusal() -> Refusal:
    """The reason for which the bytes are refused."""

    def run(version: ProtocolVersion, data: bytes) -> ReasonCode:
        decoder = connected(version)
        assert decoder.receive_data(data) == []
        assert decoder.error is not None
        return decoder.error.reason_code

    return run
