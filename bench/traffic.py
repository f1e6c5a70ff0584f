"""The messages of the load: QoS 1 PUBLISH packets of MQTT 3.1.1, built once, and the PUBACKs they must get."""

import random

TOPIC = b"attributes"
RING_SIZE = 4_000  # messages until packet identifiers come round; at most 65,535
SENSOR_RING_SIZE = 20_000  # the same, of signals that repeat themselves as late as may be
MODES = ("auto", "cool", "heat", "idle")

# What the payload's five values are, as the Project API defines a device type's attributes.
ATTRIBUTE_DEFINITIONS = [
    {
        "identifier": "temperature",
        "name": "Temperature",
        "attr_type": "report",
        "data_type": "number",
        "data_options": {"unit": "°C", "precision": 2, "min": -40, "max": 125},
    },
    {
        "identifier": "humidity",
        "name": "Humidity",
        "attr_type": "report",
        "data_type": "number",
        "data_options": {"unit": "%", "precision": 2, "min": 0, "max": 100},
    },
    {
        "identifier": "pressure",
        "name": "Pressure",
        "attr_type": "report",
        "data_type": "number",
        "data_options": {"unit": "hPa", "precision": 2, "min": 300, "max": 1100},
    },
    {
        "identifier": "switch",
        "name": "Switch",
        "attr_type": "both",
        "data_type": "switch",
        "data_options": {"on": "on", "off": "off"},
    },
    {
        "identifier": "mode",
        "name": "Mode",
        "attr_type": "both",
        "data_type": "enum",
        "data_options": {"items": [{"value": mode, "name": mode} for mode in MODES]},
    },
]


# The same for reports of sensors.
SENSOR_DEFINITIONS = [
    *(each for each in ATTRIBUTE_DEFINITIONS if each["identifier"] != "humidity"),
    {
        "identifier": "energy",
        "name": "Energy",
        "attr_type": "report",
        "data_type": "number",
        "data_options": {"unit": "Wh", "precision": 0, "min": 0, "max": 1_000_000_000},
    },
]


def temperature(number: int) -> float:
    """The temperature in report ``number`` (from 0) of a connection; neighbors never equal each other."""
    return round(20 + number % RING_SIZE % 1000 / 100, 2)


def payload(number: int, noise: random.Random) -> bytes:
    """One report of five values; the length is always the same."""
    humidity = noise.uniform(30, 60)
    pressure = noise.uniform(1000, 1030)
    return (
        f'{{"temperature":{temperature(number):.2f},"humidity":{humidity:05.2f},"pressure":{pressure:.2f},'
        f'"switch":{number // 50 % 2},"mode":"{MODES[number // 200 % 4]}"}}'
    ).encode()


def publish(packet_id: int, body: bytes, topic: bytes = TOPIC) -> bytes:
    """[MQTT-3.3] A PUBLISH with QoS 1."""
    variable = len(topic).to_bytes(2, "big") + topic + packet_id.to_bytes(2, "big")
    return b"\x32" + _variable_byte_integer(len(variable) + len(body)) + variable + body


def subscribe(packet_id: int, *topic_filters: str, qos: int = 0) -> bytes:
    """[MQTT-3.8] A SUBSCRIBE."""
    texts = [text.encode() for text in topic_filters]
    filters = b"".join(len(text).to_bytes(2, "big") + text + bytes((qos,)) for text in texts)
    body = packet_id.to_bytes(2, "big") + filters
    return b"\x82" + _variable_byte_integer(len(body)) + body


def connect(client_id: str, username: str, password: str, keep_alive_s: int = 60) -> bytes:
    """[MQTT-3.1] A CONNECT of MQTT 3.1.1 with a clean session."""
    texts = [text.encode() for text in (client_id, username, password)]
    fields = b"".join(len(text).to_bytes(2, "big") + text for text in texts)
    body = b"\x00\x04MQTT\x04\xc2" + keep_alive_s.to_bytes(2, "big") + fields
    return b"\x10" + _variable_byte_integer(len(body)) + body


def _variable_byte_integer(value: int) -> bytes:
    out = bytearray()
    while True:
        value, digit = divmod(value, 128)
        out.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(out)


def sensor_payloads() -> list[bytes]:
    """Reports as sensors make them: a walk of one decimal, noise of two, a meter, a switch, an enumeration. All have
    the same length; as many as go into a ring of their own."""
    noise = random.Random(2)
    level, meter, bodies = 20.0, 1_000_000, []
    for number in range(SENSOR_RING_SIZE):
        level = min(60.0, max(-20.0, level + noise.gauss(0, 0.1)))
        meter += noise.randrange(5)
        bodies.append(
            f'{{"temperature":{level:5.1f},"pressure":{noise.gauss(1013, 3):7.2f},"energy":{meter},'
            f'"switch":{number // 50 % 2},"mode":"{MODES[number // 120 % 4]}"}}'.encode()
        )
    return bodies


class Ring:
    """Reports with packet identifiers from 1 on, in one buffer that may be cut anywhere.

    The buffer holds the ring and then its first ``window`` reports again, so that no slice has to wrap. Packet
    identifiers come round long after their PUBACKs.
    """

    def __init__(self, window: int, payloads: list[bytes] | None = None) -> None:
        if payloads is None:
            noise = random.Random(1)
            payloads = [payload(number, noise) for number in range(RING_SIZE)]
        self.size = len(payloads)
        assert window < self.size, "the window is a small part of the ring"
        packets = [publish(number + 1, body) for number, body in enumerate(payloads)]
        self.payload_bytes = len(payloads[0])
        self.packet_bytes = len(packets[0])
        assert all(len(packet) == self.packet_bytes for packet in packets)
        self._packets = memoryview(b"".join(packets + packets[:window]))
        acknowledgements = b"".join(b"\x40\x02" + number.to_bytes(2, "big") for number in range(1, self.size + 1))
        self._acknowledgements = memoryview(acknowledgements * 2)

    def packets(self, first: int, count: int) -> memoryview:
        """``count`` packets from the ``first``-th (from 0) on."""
        start = first % self.size * self.packet_bytes
        return self._packets[start : start + count * self.packet_bytes]

    def acknowledgements(self, first_byte: int, count: int) -> memoryview:
        """The bytes that must come, if PUBACKs come in order [MQTT-4.6.0-2]."""
        start = first_byte % (4 * self.size)
        return self._acknowledgements[start : start + count]
