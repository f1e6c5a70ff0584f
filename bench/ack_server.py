"""A server that does nothing but acknowledge, to find the load generator's own ceiling.

It knows the size of a packet, so it counts bytes instead of parsing, and cuts its PUBACKs from a prepared buffer.
"""

import select
import socket
import sys

from bench.mqtt_load import CONNACK_ACCEPTED
from bench.traffic import Ring

RECEIVE_BYTES = 65_536
WAIT_S = 0.2


class AckServer:
    """One epoll loop over all connections; the first bytes of each are taken for its CONNECT."""

    def __init__(self, port: int, window: int) -> None:
        self._ring = Ring(window)
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._poll = select.epoll()
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        self._sockets: dict[int, socket.socket] = {}
        self._received: dict[int, int] = {}

    def serve(self) -> None:
        """Serves until the process ends."""
        while True:
            for descriptor, _ in self._poll.poll(WAIT_S):
                if descriptor == self._listener.fileno():
                    self._accept()
                else:
                    self._receive(descriptor)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets[sock.fileno()] = sock
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def _receive(self, descriptor: int) -> None:
        sock = self._sockets[descriptor]
        data = sock.recv(RECEIVE_BYTES)
        before = self._received.get(descriptor)
        if not data or data == b"\xe0\x00":
            self._poll.unregister(descriptor)
            sock.close()
            del self._sockets[descriptor]
            self._received.pop(descriptor, None)
        elif before is None:
            self._received[descriptor] = 0
            sock.send(CONNACK_ACCEPTED)
        else:
            after = self._received[descriptor] = before + len(data)
            first, last = before // self._ring.packet_bytes, after // self._ring.packet_bytes
            if last > first:
                sock.send(self._ring.acknowledgements(4 * first, 4 * (last - first)))


if __name__ == "__main__":
    AckServer(int(sys.argv[1]), int(sys.argv[2])).serve()
