"""Targets without a connection: what reads bytes of strangers. A target raises for a bug, and for nothing else."""

from contextlib import suppress

from thingstead.broker.net.proxy_protocol import NoHeader, parse_v1, parse_v2
from thingstead.broker.tcp.registration import NotRegistered, Registration
from thingstead.errors import InvalidInput
from thingstead.mqtt.connection_packets import Connect
from thingstead.mqtt.decoder import Decoder, Packet
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.reasons import MqttError, ReasonCode
from thingstead.mqtt.topics import check_topic_filter, check_topic_name, matches
from thingstead.mqtt.tree import TopicTree
from thingstead.services.shared.payloads import decode_any, decode_object, read_series

LIMIT_BYTES = 2_048
NOW_MS = 1_700_000_000_000
VERSIONS = (ProtocolVersion.V3_1_1, ProtocolVersion.V5, ProtocolVersion.V3_1, ProtocolVersion.V5)


def codec(data: bytes) -> None:
    """The decoder, in both directions and all versions. The first byte says which (see :func:`_decoder`), the second
    how the rest is cut."""
    if len(data) < 2:
        return
    mode, step, stream = data[0], data[1] % 32 + 1, data[2:]
    whole = _decode(mode, [stream])
    pieces = [stream[start : start + step] for start in range(0, len(stream), step)]
    assert _decode(mode, pieces) == whole, "how bytes are cut changes what they mean"
    for packet in whole[0]:
        _check_round_trip(packet, mode)


def _decoder(mode: int) -> Decoder:
    """Bits 0 and 1: the version. Bit 2: of a client, which reads a server's packets. Bit 3: no CONNECT came before."""
    version = VERSIONS[mode & 3]
    if mode & 4:
        return Decoder(LIMIT_BYTES, version)
    decoder = Decoder(LIMIT_BYTES)
    if not mode & 8:
        decoder.receive_data(Connect(version).serialize(version))
        assert decoder.error is None
    return decoder


def _decode(mode: int, pieces: list[bytes]) -> tuple[list[Packet], ReasonCode | None]:
    decoder, packets = _decoder(mode), list[Packet]()
    for piece in pieces:
        packets += decoder.receive_data(piece)
        assert len(decoder._buffer) <= LIMIT_BYTES, "more is kept than a packet may have"
    return packets, decoder.error.reason_code if decoder.error else None


def _check_round_trip(packet: Packet, mode: int) -> None:
    version = packet.version if isinstance(packet, Connect) else VERSIONS[mode & 3]
    if mode & 8 and not isinstance(packet, Connect):
        return  # the version is that of the CONNECT in the stream
    decoder = Decoder(LIMIT_BYTES + 16, version) if mode & 4 else _decoder(mode | 8)
    if not mode & 4 and not isinstance(packet, Connect):
        decoder = _decoder(mode)
    encoded = packet.serialize(version)
    again = decoder.receive_data(encoded)
    assert decoder.error is None, f"{packet} is encoded as {encoded.hex()}, which is refused: {decoder.error}"
    assert again == [packet], f"{packet} is encoded as {encoded.hex()}, which is {again}"


def topics(data: bytes) -> None:
    """Filters and names, one a line: the tree finds what each filter alone matches."""
    lines = data[:600].decode("utf-8", "replace").split("\n")[:40]
    tree: TopicTree[str, int] = TopicTree()
    filters, names = list[str](), list[str]()
    for line in lines:
        if _valid(check_topic_filter, line) and not line.startswith("$share/"):
            tree.subscribe(line, line, 0)
            filters.append(line)
        elif _valid(check_topic_filter, line):
            tree.subscribe(line, line, 0)
        if _valid(check_topic_name, line):
            names.append(line)
    for name in names:
        found = sorted(subscriber for subscriber, _ in tree.match(name).subscribers)
        assert found == sorted({each for each in filters if matches(each, name)}), f"{found} for {name!r}"
    for line in lines:
        if _valid(check_topic_filter, line):
            tree.unsubscribe(line, line)
    assert len(tree) == 0
    assert all(not [*tree.match(name).subscribers] for name in names)


def _valid(check: object, text: str) -> bool:
    assert callable(check)
    try:
        check(text)
    except MqttError:
        return False
    return True


def payloads(data: bytes) -> None:
    """JSON of devices."""
    for parse in (decode_object, decode_any, lambda payload: read_series(decode_any(payload), NOW_MS)):
        with suppress(InvalidInput):
            parse(data)


def registration(data: bytes) -> None:
    """The first packet on raw TCP. How it is cut changes nothing. The first byte says how."""
    step, stream = (data[0] % 16 + 1, data[1:]) if data else (1, b"")
    pieces = [stream[start : start + step] for start in range(0, len(stream), step)]
    whole, cut = _register([stream]), _register(pieces)
    assert whole == cut, f"{whole} in one piece, {cut} in several"


def _register(pieces: list[bytes]) -> tuple[str, str] | str:
    registration = Registration()
    try:
        for piece in pieces:
            if registered := registration.receive_data(piece):
                return registered.project_key, registered.access_token
    except NotRegistered as exc:
        return str(exc)
    return "incomplete"


def proxy(data: bytes) -> None:
    """PROXY headers of both versions."""
    with suppress(NoHeader):
        parse_v1(data)
    with suppress(NoHeader):
        parse_v2(data[:16].ljust(16, b"\0"), data[16:])
