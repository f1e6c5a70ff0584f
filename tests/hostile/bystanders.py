"""Who behaves well beside an attack: a device that reports and a reader that asks, at a steady pace."""

import contextlib
import http.client
import json
import threading
import time
from abc import ABC, abstractmethod

from tests.project_api import Certificate
from tests.raw_device import RawDevice, publish_packet

INTERVAL_S = 0.02  # between two requests that are due
IO_TIMEOUT_S = 60  # after which a wait counts as for ever
PACKET_IDS = 65_535


class Bystander(ABC):
    """Does one thing again and again in a thread of its own, between ``start`` and ``finish``.

    A wait is counted from the instant at which the request was due. An answer that takes long delays the requests due
    meanwhile; their waits count too, as they do for many clients that each come at their own time.
    """

    def __init__(self) -> None:
        self.waits_s: list[float] = []
        self.failures: list[str] = []  # what was not answered as it must be
        self._ended = threading.Event()
        self._answered = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Returns when the first request is answered."""
        self._thread.start()
        assert self._answered.wait(IO_TIMEOUT_S), f"{type(self).__name__} was never answered: {self.failures}"

    def finish(self) -> None:
        """Returns when the request under way is answered."""
        self._ended.set()
        self._thread.join()

    @property
    def p99_ms(self) -> float:
        """The wait that one in a hundred requests exceeds; that of the first request does not count."""
        waits_s = sorted(self.waits_s[1:] or self.waits_s)
        return waits_s[len(waits_s) * 99 // 100] * 1000

    @abstractmethod
    def ask(self) -> None:
        """Sends one request and waits for its answer; raises OSError or AssertionError where there is none, or it is a
        refusal."""

    @abstractmethod
    def close(self) -> None:
        """Ends the connection; the next request opens one."""

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            try:
                self.ask()
            except (OSError, AssertionError, http.client.HTTPException) as exc:
                self.failures.append(repr(exc))
                self.close()
            self._answered.set()
            now = time.monotonic()
            while due <= now:
                self.waits_s.append(now - due)
                due += INTERVAL_S
            self._ended.wait(due - now)
        self.close()


class BystandingDevice(Bystander):
    """Reports ``n`` = 1, 2, 3 … with QoS 1, each when the one before is acknowledged."""

    def __init__(self, mqtt_port: int, certificate: Certificate) -> None:
        super().__init__()
        self.acknowledged: list[int] = []
        self._port = mqtt_port
        self._certificate = certificate
        self._number = 0
        self._device: RawDevice | None = None

    def ask(self) -> None:
        if self._device is None:
            self._device = RawDevice(self._port, self._certificate)
            self._device.__enter__()
        self._number += 1
        packet_id = self._number % PACKET_IDS or 1
        self._device.send(publish_packet(packet_id, json.dumps({"n": self._number}).encode()))
        answer = self._device.receive_packet()
        assert answer == b"\x40\x02" + packet_id.to_bytes(2, "big"), answer
        self.acknowledged.append(self._number)

    def close(self) -> None:
        if self._device is not None:
            self._device.__exit__()
        self._device = None


class BystandingReader(Bystander):
    """Asks for the current values of a device over one connection."""

    def __init__(self, http_port: int, token: str, device_id: str) -> None:
        super().__init__()
        self._connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=IO_TIMEOUT_S)
        self._path = f"/api/v1/device/{device_id}/attributes"
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self) -> None:
        self._connection.request("GET", self._path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (answer.status, body[:200])

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.close()
