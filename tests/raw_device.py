"""A device on MQTT 3.1.1, byte by byte: for what a well-behaved client library does not let a test do or see."""

import contextlib
import socket

from tests.project_api import Certificate

TIMEOUT_S = 30
PINGREQ = b"\xc0\x00"
PINGRESP = b"\xd0\x00"
CONNACK_ACCEPTED = b"\x20\x02\x00\x00"


def string(text: str) -> bytes:
    """A UTF-8 encoded string with its length in front."""
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def packet(first_byte: int, body: bytes) -> bytes:
    """A packet with its remaining length, which must fit into two bytes here."""
    length = len(body)
    remaining = bytes([length]) if length < 128 else bytes([length % 128 | 128, length // 128])
    return bytes([first_byte]) + remaining + body


def publish_packet(packet_id: int, payload: bytes, topic: str = "attributes") -> bytes:
    """A PUBLISH at QoS 1."""
    return packet(0x32, string(topic) + packet_id.to_bytes(2, "big") + payload)


def publish_2_packet(packet_id: int, payload: bytes, topic: str = "attributes") -> bytes:
    """A PUBLISH at QoS 2."""
    return packet(0x34, string(topic) + packet_id.to_bytes(2, "big") + payload)


def connect_packet(certificate: Certificate, keep_alive_s: int = 0, client_id: str = "") -> bytes:
    """A CONNECT with a clean session."""
    credentials = string(client_id) + string(certificate.access_token) + string(certificate.project_key)
    return packet(0x10, string("MQTT") + b"\x04\xc2" + keep_alive_s.to_bytes(2, "big") + credentials)


def puback_packet(packet_id: int) -> bytes:
    return b"\x40\x02" + packet_id.to_bytes(2, "big")


class RawDevice:
    """Logged in inside a ``with`` block."""

    def __init__(self, port: int, certificate: Certificate, *, keep_alive_s: int = 0, client_id: str = "") -> None:
        self._connect = connect_packet(certificate, keep_alive_s, client_id)
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)

    def __enter__(self) -> "RawDevice":
        self.send(self._connect)
        assert self.receive(4) == CONNACK_ACCEPTED
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def close(self) -> None:
        """Ends the connection in both directions; who waits for bytes gets none."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive_packet(self) -> bytes:
        """The next packet; ConnectionResetError where the connection ends before it is complete."""
        head = self.receive(2)
        remaining = head[1] if len(head) == 2 else -1
        if remaining > 127:
            head += self.receive(1)
            remaining += (head[-1] - 1) * 128
        body = self.receive(remaining) if remaining > 0 else b""
        if remaining < 0 or len(body) < remaining:
            raise ConnectionResetError("the connection ended")
        return head + body

    def receive(self, count: int) -> bytes:
        """The next ``count`` bytes; fewer where the connection ends before."""
        received = b""
        while len(received) < count:
            try:
                more = self._socket.recv(count - len(received))
            except ConnectionResetError:
                break
            if not more:
                break
            received += more
        return received
