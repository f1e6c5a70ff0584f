"""Parses bytes to packets: framing, and checks which packets a peer may send."""

import contextlib
from collections.abc import Callable

from thingstead.mqtt import wire
from thingstead.mqtt.connection_packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    parse_protocol,
)
from thingstead.mqtt.protocol import FROM_CLIENT, FROM_SERVER, PacketType, ProtocolVersion
from thingstead.mqtt.publish_packets import (
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    parse_acknowledgement,
    parse_publish,
    parse_short_puback,
)
from thingstead.mqtt.reasons import (
    DISCONNECT_FROM_CLIENT_REASON_CODES,
    DISCONNECT_FROM_SERVER_REASON_CODES,
    MqttError,
    ReasonCode,
    malformed,
    protocol_error,
)
from thingstead.mqtt.subscription_packets import Suback, Subscribe, Unsuback, Unsubscribe

V3_1, V5 = ProtocolVersion.V3_1, ProtocolVersion.V5

Packet = (
    Connect
    | Connack
    | Publish
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
    | Auth
)

_PARSERS: dict[PacketType, Callable[[wire.Reader, ProtocolVersion], Packet]] = {
    PacketType.CONNACK: Connack.parse,
    PacketType.PUBACK: lambda reader, version: parse_acknowledgement(Puback, reader, version),
    PacketType.PUBREC: lambda reader, version: parse_acknowledgement(Pubrec, reader, version),
    PacketType.PUBREL: lambda reader, version: parse_acknowledgement(Pubrel, reader, version),
    PacketType.PUBCOMP: lambda reader, version: parse_acknowledgement(Pubcomp, reader, version),
    PacketType.SUBSCRIBE: Subscribe.parse,
    PacketType.SUBACK: Suback.parse,
    PacketType.UNSUBSCRIBE: Unsubscribe.parse,
    PacketType.UNSUBACK: Unsuback.parse,
    PacketType.PINGREQ: Pingreq.parse,
    PacketType.PINGRESP: Pingresp.parse,
    PacketType.DISCONNECT: Disconnect.parse,
    PacketType.AUTH: Auth.parse,
}

# [MQTT-2.1.3-1] (3.1.1: [MQTT-2.2.2-1], -2) Fixed flags: 2 for these, 0 for all others except PUBLISH.
_FLAGS_2 = frozenset({PacketType.PUBREL, PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE})

REPEATED_CHARACTERS = 64  # longest topic name that a decoder caches


class Decoder:
    """Parses the byte stream of one peer into packets.

    Each call of :meth:`receive_data` returns the packets that are now complete. After a protocol violation, ``error``
    is set and all later bytes are ignored; the packets before it are still returned, so that the result does not depend
    on how the stream was split. No input raises an exception.

    A server passes no ``version``: the CONNECT sets it. A client passes the version.

    Memory is bounded by ``max_packet_size_bytes``: a longer packet is an error as soon as its length is known.

    Args:
        max_connect_size_bytes: limit of the CONNECT; bytes after it are not parsed before :meth:`admit`, so that an
            unauthenticated peer costs little. None: ``max_packet_size_bytes`` applies, and :meth:`admit` is not needed.

    Attributes:
        incomplete: whether a packet has been received in part.
    """

    __slots__ = (
        "_buffer",
        "_from_client",
        "_held",
        "_limit",
        "_max_packet_size_bytes",
        "_name",
        "_needed",
        "_peer_sends",
        "_topic",
        "_waits",
        "error",
        "incomplete",
        "version",
    )

    def __init__(
        self,
        max_packet_size_bytes: int,
        version: ProtocolVersion | None = None,
        *,
        max_connect_size_bytes: int | None = None,
    ) -> None:
        self._max_packet_size_bytes = max_packet_size_bytes
        self._limit = max_packet_size_bytes if max_connect_size_bytes is None else max_connect_size_bytes
        self._waits = max_connect_size_bytes is not None  # whether parsing stops after the CONNECT until admit()
        self._held = False  # the CONNECT was returned, and admit() was not yet called
        self._from_client = version is None
        self._peer_sends = FROM_CLIENT if version is None else FROM_SERVER
        self._buffer = bytearray()  # the received part of an incomplete packet
        self._needed = 0  # parse again only when the buffer has so many bytes
        self._name = b""  # encoded topic name of the last PUBLISH; empty: none yet
        self._topic = ""  # the same name, decoded
        self.version = version
        self.incomplete = False
        self.error: MqttError | None = None

    @property
    def buffered_bytes(self) -> int:
        """Bytes of the incomplete packet."""
        return len(self._buffer)

    def discard(self) -> None:
        """Drops the incomplete packet; call it when no more data will arrive."""
        self._buffer = bytearray()
        self.incomplete = False

    def receive_data(self, data: bytes) -> list[Packet]:
        """Adds received bytes; returns the packets that they complete, in order."""
        if self.error is not None:
            return []
        if self.incomplete or self._held:
            buffer = self._buffer
            buffer += data
            if self._held or len(buffer) < self._needed:
                self.incomplete = bool(buffer)
                return []
            data = bytes(buffer)
            buffer.clear()
        packets: list[Packet] = []
        begin = 0
        if self._name:  # the data then usually contains only PUBLISH packets of this topic
            begin = self._take_repeated(data, 0, packets)
            if begin == len(data):
                self.incomplete = False
                return packets
        try:
            consumed = self._parse_all(data, begin, packets)
        except MqttError as exc:
            self.error = exc
            self.incomplete = False
            return packets
        self.incomplete = consumed < len(data)
        if self.incomplete:
            self._buffer += data[consumed:]
        return packets

    def admit(self) -> list[Packet]:
        """Call when the peer is authenticated; returns the packets received after its CONNECT."""
        self._held = False
        self._limit = self._max_packet_size_bytes
        self._needed = 0
        return self.receive_data(b"")

    def _parse_all(self, data: bytes, pos: int, packets: list[Packet]) -> int:
        """Appends every complete packet of ``data`` from ``pos`` on to ``packets``; returns the position of the
        incomplete one."""
        available = len(data)
        if self.version is None and data:
            _check_first_byte(data[0])
        with_properties = self.version is V5
        repeats = not with_properties and self.version is not None  # whether the fast path may be used
        name, limit = self._name, self._limit
        while available - pos >= 2:
            first_byte = data[pos]
            if first_byte == 0x32 and repeats and name and (after := self._take_repeated(data, pos, packets)) > pos:
                pos = after
                continue
            length = data[pos + 1]
            start = pos + 2
            if length > 127:
                _check_type(first_byte)
                length, start = self._long_length(data, pos, available)
                if start == 0:
                    break
            end = start + length
            if end - pos > limit:
                self._peek_version(data, start, available)
                raise MqttError(
                    ReasonCode.PACKET_TOO_LARGE, f"a packet of {end - pos} bytes, over the limit of {limit}"
                )
            if end > available:
                _check_type(first_byte)
                self._needed = end - pos
                break
            if first_byte & 0xF0 == 0x30 and self.version is not None:
                publish = parse_publish(
                    data, first_byte, start, end, with_properties=with_properties, from_client=self._from_client
                )
                packets.append(publish)
                if repeats and len(publish.topic) <= REPEATED_CHARACTERS:
                    name = self._name = data[start : start + 2 + (data[start] << 8 | data[start + 1])]
                    self._topic = publish.topic
            elif first_byte == 0x40 and length == 2 and self.version is not None:
                packets.append(parse_short_puback(data, start))
            else:
                packets.append(self._parse_one(data, first_byte, start, end))
                with_properties = self.version is V5
                repeats = not with_properties
                if self._held:
                    return end
            pos = end
        else:
            self._needed = 2
        return pos

    def _take_repeated(self, data: bytes, pos: int, packets: list[Packet]) -> int:
        """Fast path: appends consecutive PUBLISH packets from ``pos`` on that are complete and valid, have QoS 1, no
        other flag, and the topic of the PUBLISH before them. Most devices publish to one topic, whose name need not be
        decoded again. Only before 5.0. Returns the position of the first packet that is left."""
        name, topic, limit, available = self._name, self._topic, self._limit, len(data)
        name_bytes, append = len(name), packets.append
        while available - pos > 2 and data[pos] == 0x32:
            length, start = data[pos + 1], pos + 2
            if length > 127:
                if data[start] > 127:
                    break
                length += (data[start] << 7) - 128
                start += 1
            end, id_at = start + length, start + name_bytes
            if end > available or end - pos > limit or id_at + 2 > end or not data.startswith(name, start):
                break
            packet_id = data[id_at] << 8 | data[id_at + 1]
            if not packet_id:
                break
            append(Publish(topic, data[id_at + 2 : end], 1, packet_id))
            pos = end
        return pos

    def _long_length(self, data: bytes, pos: int, available: int) -> tuple[int, int]:
        """Parses a remaining length of two to four bytes (2.1.4). Returns it and the position of the body; 0, 0 if
        bytes are missing."""
        length = data[pos + 1] & 0x7F
        for count in (2, 3, 4):
            at = pos + count
            if at >= available:
                self._needed = count + 1
                return 0, 0
            byte = data[at]
            length |= (byte & 0x7F) << 7 * (count - 1)
            if byte < 0x80:
                if byte == 0 and self.version is V5:
                    # [MQTT-1.5.5-1] The minimum number of bytes. Not required by 3.1.1.
                    raise malformed("the remaining length is longer than it needs to be")
                return length, at + 1
        raise malformed("the remaining length has more than four bytes")

    def _parse_one(self, data: bytes, first_byte: int, start: int, end: int) -> Packet:
        _check_type(first_byte)
        packet_type = PacketType(first_byte >> 4)
        reader = wire.Reader(data, start, end, from_client=self._from_client)
        if packet_type is PacketType.CONNECT and packet_type in self._peer_sends:
            return self._parse_connect(reader, first_byte)
        self._check_flags(packet_type, first_byte & 0x0F)
        if packet_type not in self._peer_sends:
            raise protocol_error(f"the peer may not send {packet_type.name}")
        assert self.version is not None  # [MQTT-3.1.0-1] _check_first_byte accepts only CONNECT as first packet
        packet = _PARSERS[packet_type](reader, self.version)
        if type(packet) is Disconnect:
            self._check_disconnect(packet)
        return packet

    def _parse_connect(self, reader: wire.Reader, first_byte: int) -> Connect:
        if self.version is not None:
            # [MQTT-3.1.0-2] A second CONNECT is a protocol error.
            raise protocol_error("a second CONNECT")
        version = parse_protocol(reader)
        self.version = version  # set before the rest is parsed, so that a refusal uses the peer's version
        if first_byte & 0x0F and version is not V3_1:
            # [MQTT-2.1.3-1] The flags are reserved. 3.1, chapter 3.1: they are ignored.
            raise malformed("CONNECT has flags in its fixed header")
        connect = Connect.parse(reader, version)
        self._held = self._waits
        return connect

    def _peek_version(self, data: bytes, start: int, available: int) -> None:
        """Parses the version of a CONNECT that is too large, if it has arrived, so that the refusal uses the peer's
        version."""
        if self.version is None:
            with contextlib.suppress(MqttError):
                self.version = parse_protocol(wire.Reader(data, start, available))

    def _check_flags(self, packet_type: PacketType, flags: int) -> None:
        wanted = 2 if packet_type in _FLAGS_2 else 0
        if self.version is V3_1:
            flags &= ~8  # 3.1, 2.1: DUP may be set on any packet that is sent with QoS 1
        if flags != wanted:
            raise malformed(f"{packet_type.name} has wrong flags in its fixed header")

    def _check_disconnect(self, packet: Disconnect) -> None:
        from_client = self._peer_sends is FROM_CLIENT
        allowed = DISCONNECT_FROM_CLIENT_REASON_CODES if from_client else DISCONNECT_FROM_SERVER_REASON_CODES
        if packet.reason_code not in allowed:
            raise protocol_error(f"the peer may not disconnect with {packet.reason_code.name}")


def _check_first_byte(first_byte: int) -> None:
    """The first byte of a stream distinguishes MQTT from other protocols (HTTP, TLS) before a whole packet has
    arrived."""
    if first_byte >> 4 != PacketType.CONNECT:
        # [MQTT-3.1.0-1] The first packet of a client is a CONNECT.
        raise protocol_error("the first packet is not a CONNECT")


def _check_type(first_byte: int) -> None:
    """Refuses invalid packet types by the first byte, before the rest has arrived."""
    if first_byte < 0x10:
        raise malformed("packet type 0 is reserved")
