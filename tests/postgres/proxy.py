"""A connection to PostgreSQL that breaks where a test wants it: a proxy on a port of its own."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit


class BreakingProxy:
    """Forwards connections to the server of a URL.

    Attributes:
        break_at: bytes of the client at which its connection is cut, once.
        refuses: whether new connections are closed at once.
        after: whether these reach the server before: it then carries them out, and its answer is lost.
        meanwhile: what happens before the client notices.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._server = (parts.hostname, parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        address = f"{parts.username}@127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = urlunsplit(parts._replace(netloc=address))
        self.break_at = b""
        self.after = True
        self.meanwhile: Callable[[], None] = lambda: None
        self.broken = 0
        self.refuses = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accepts no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.refuses:
                    client.close()
                    continue
                try:
                    server = socket.create_connection(self._server)
                except OSError:  # it does not run
                    client.close()
                    continue
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()
                threading.Thread(target=self._down, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), client, server:
            while data := client.recv(1 << 16):
                if self.break_at and self.break_at in data:
                    self.break_at = b""
                    self.broken += 1
                    self.meanwhile()
                    client.shutdown(socket.SHUT_RDWR)
                    if self.after:
                        server.sendall(data)
                        server.recv(1 << 16)  # it has been carried out
                    return
                server.sendall(data)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
