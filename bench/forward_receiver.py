"""A receiver of forwarded messages that does nothing but answer 200 and count, so that it takes little of the machine.

``GET`` answers how many messages came.
"""

import select
import socket
import sys

RECEIVE_BYTES = 1 << 20
WAIT_S = 0.2
MARK = b'"ts_ms":'  # once in each message of a list
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Receiver:
    """One epoll loop over all connections."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self._poll = select.epoll()
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        self._sockets: dict[int, socket.socket] = {}
        self._received: dict[int, bytearray] = {}
        self.messages = 0

    def serve(self) -> None:
        """Serves until the process ends."""
        while True:
            for descriptor, _ in self._poll.poll(WAIT_S):
                if descriptor == self._listener.fileno():
                    sock, _ = self._listener.accept()
                    self._sockets[sock.fileno()] = sock
                    self._received[sock.fileno()] = bytearray()
                    self._poll.register(sock.fileno(), select.EPOLLIN)
                else:
                    self._receive(descriptor)

    def _receive(self, descriptor: int) -> None:
        sock, received = self._sockets[descriptor], self._received[descriptor]
        data = sock.recv(RECEIVE_BYTES)
        if not data:
            self._poll.unregister(descriptor)
            sock.close()
            del self._sockets[descriptor], self._received[descriptor]
            return
        received += data
        while (end := received.find(b"\r\n\r\n")) >= 0:
            head = bytes(received[:end])
            if head.startswith(b"GET"):
                body = b"%d" % self.messages
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                del received[: end + 4]
                continue
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            if len(received) < end + 4 + length:
                return
            self.messages += received.count(MARK, end + 4, end + 4 + length)
            del received[: end + 4 + length]
            sock.sendall(ANSWER)


if __name__ == "__main__":
    Receiver(int(sys.argv[1])).serve()
