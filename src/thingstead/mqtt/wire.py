"""Data representations of chapter 1.5: integers, UTF-8 strings, binary data, as bytes."""

from thingstead.mqtt.reasons import malformed, protocol_error

MAX_VARIABLE_BYTE_INTEGER = 268_435_455


class Reader:
    """Parses the body of one packet. Every read beyond its end raises MqttError (malformed).

    Args:
        from_client: the sender is a client, for which some packets have stricter rules.
    """

    __slots__ = ("_data", "_end", "_pos", "from_client")

    def __init__(self, data: bytes, start: int, end: int, *, from_client: bool = False) -> None:
        self.from_client = from_client
        self._data = data
        self._pos = start
        self._end = end

    @property
    def exhausted(self) -> bool:
        """Whether all bytes were read."""
        return self._pos >= self._end

    @property
    def position(self) -> int:
        """Position of the next read in the data."""
        return self._pos

    def _take(self, length: int) -> bytes:
        pos = self._pos
        if pos + length > self._end:
            raise malformed("the packet ends inside a field")
        self._pos = pos + length
        return self._data[pos : pos + length]

    def u8(self) -> int:
        """An integer of one byte."""
        return self._take(1)[0]

    def u16(self) -> int:
        """A two byte integer, big-endian (1.5.2)."""
        return int.from_bytes(self._take(2), "big")

    def u32(self) -> int:
        """A four byte integer, big-endian (1.5.3)."""
        return int.from_bytes(self._take(4), "big")

    def variable_byte_integer(self) -> int:
        """1.5.5."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                # [MQTT-1.5.5-1] The encoded value uses the minimum number of bytes.
                if byte == 0 and shift:
                    raise malformed("a variable byte integer is longer than it needs to be")
                return value
        raise malformed("a variable byte integer has more than four bytes")

    def binary(self) -> bytes:
        """1.5.6."""
        return self._take(self.u16())

    def utf8(self) -> str:
        """1.5.4."""
        return decode_utf8(self.binary())

    def packet_id(self) -> int:
        """Two bytes (2.2.1), not zero."""
        packet_id = self.u16()
        if not packet_id:
            # [MQTT-2.2.1-3] (3.1.1: [MQTT-2.3.1-1]) A packet identifier is not zero.
            raise protocol_error("the packet identifier is zero")
        return packet_id

    def sub_reader(self, length: int) -> "Reader":
        """A reader of the next ``length`` bytes, which this reader skips."""
        start = self._pos
        if start + length > self._end:
            raise malformed("a length leads past the end of the packet")
        self._pos = start + length
        return Reader(self._data, start, start + length, from_client=self.from_client)

    def finish(self) -> None:
        """Checks that the whole body was parsed."""
        if self._pos != self._end:
            raise malformed("the packet is longer than its fields")


def decode_utf8(data: bytes) -> str:
    """A UTF-8 encoded string (1.5.4)."""
    try:
        # [MQTT-1.5.4-1] No encodings of surrogates: Python's strict decoder refuses them.
        # [MQTT-1.5.4-3] A leading U+FEFF is kept: "utf-8" does not strip it.
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise malformed("a string is not valid UTF-8") from None
    if "\0" in text:
        # [MQTT-1.5.4-2] No null character.
        raise malformed("a string contains U+0000")
    return text


def variable_byte_integer(value: int) -> bytes:
    """1.5.5; ``value`` is 0 to 268,435,455."""
    if value < 0x80:
        return value.to_bytes(1, "big")
    if value > MAX_VARIABLE_BYTE_INTEGER:
        raise ValueError(f"{value} does not fit in a variable byte integer")
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def binary(data: bytes) -> bytes:
    """1.5.6; up to 65,535 bytes."""
    if len(data) > 0xFFFF:
        raise ValueError("binary data longer than 65,535 bytes")
    return len(data).to_bytes(2, "big") + data


def utf8(text: str) -> bytes:
    """1.5.4."""
    return binary(text.encode())


def packet(first_byte: int, body: bytes) -> bytes:
    """A whole control packet: fixed header (2.1) and body."""
    return bytes((first_byte,)) + variable_byte_integer(len(body)) + body
