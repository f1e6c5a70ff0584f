"""A server of its own process, a device and a reader beside whom it is attacked, and what must hold meanwhile."""

import contextlib
import os
import resource
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.machine import rss_bytes
from tests.hostile.attacker import Attack, Attacker, Target
from tests.hostile.bystanders import Bystander, BystandingDevice, BystandingReader
from tests.project_api import ProjectApi
from tests.server_process import ServerProcess
from thingstead.services.registry.projects import Credentials

SECONDS = float(os.environ.get("HOSTILE_SECONDS", "2"))
P99_LIMIT_MS = float(os.environ.get("HOSTILE_P99_MS", "2000"))  # on a machine with other work; script/hostile: 250
RSS_LIMIT_BYTES = 400_000_000
# The system refuses memory beyond this, so that an attack that succeeds does not take the machine along.
MEMORY_LIMIT_BYTES = 2 << 30
SAMPLE_INTERVAL_S = 0.02


class MemorySampler:
    """The greatest resident memory of a process and its children, between ``start`` and ``finish``."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(SAMPLE_INTERVAL_S):
            self.peak_bytes = max(self.peak_bytes, self._sample())

    def _sample(self) -> int:
        total = 0
        for pid in [self._pid, *self._children()]:
            with contextlib.suppress(OSError, LookupError):  # it has ended
                total += rss_bytes(pid)
        return total

    def _children(self) -> list[int]:
        with contextlib.suppress(OSError):
            tasks = list(Path(f"/proc/{self._pid}/task").iterdir())
            return [int(pid) for task in tasks for pid in (task / "children").read_text(encoding="utf-8").split()]
        return []


class Outcome(NamedTuple):
    """What an attack came to."""

    attack: list[Any]  # what each process of the attack returned
    device_p99_ms: float
    reader_p99_ms: float
    peak_rss_bytes: int
    failures: list[str]  # requests of the bystanders that were not answered as they must be
    lost: list[int]  # acknowledged reports that history does not have

    @property
    def figures(self) -> str:
        """The measurements in one line."""
        waits = f"p99 device {self.device_p99_ms} ms, reader {self.reader_p99_ms} ms"
        return f"{waits}, RSS {self.peak_rss_bytes / 1e6:.0f} MB, attack {self.attack}"

    def check(self, *, p99_limit_ms: float = P99_LIMIT_MS, rss_limit_bytes: int = RSS_LIMIT_BYTES) -> None:
        """Fails where the bystanders were refused or kept waiting, memory grew, or what was acknowledged is lost."""
        assert self.lost == [], self
        assert self.failures == [], self
        assert self.peak_rss_bytes <= rss_limit_bytes, self
        assert max(self.device_p99_ms, self.reader_p99_ms) <= p99_limit_ms, self


class Stand:
    """A server that is ready to be attacked."""

    def __init__(
        self, server: ServerProcess, credentials: Credentials, api: ProjectApi, record: Callable[[str], None]
    ) -> None:
        self._record = record
        self.server = server
        self.credentials = credentials
        self.api = api
        self.certificate = api.create_device(name="bystander")
        self.hostile = api.create_device(name="hostile")
        limit = (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES)
        resource.prlimit(server.process.pid, resource.RLIMIT_DATA, limit)

    def target(self, seconds: float = SECONDS) -> Target:
        """What an attacker is told."""
        device, application = self.hostile, self.credentials
        return Target(
            self.server.http_port,
            self.server.mqtt_port,
            self.server.ports,
            (device.device_id, device.access_token, device.project_key),
            self.token(),
            (application.app_id, application.access_key, application.secret_key),
            self.server.process.pid,
            seconds,
        )

    def token(self) -> str:
        """A new token of the project's application."""
        keys = {name: getattr(self.credentials, name) for name in ("app_id", "access_key", "secret_key")}
        token: str = self.api.call("POST", "/access_token", json=keys)["access_token"]
        return token

    def withstand(self, *attacks: Attack, seconds: float = SECONDS) -> Outcome:
        """Runs attacks at the same time, each in a process of its own, with the bystanders before, beside and after
        them. An attack is a function at the top of its module that takes a :class:`Target`."""
        target = self.target(seconds)
        device = BystandingDevice(self.server.mqtt_port, self.certificate)
        reader = BystandingReader(self.server.http_port, target.token, self.certificate.device_id)
        memory = MemorySampler(self.server.process.pid)
        bystanders: list[Bystander] = [device, reader]
        with contextlib.ExitStack() as stack:
            for bystander in bystanders:
                bystander.start()
                stack.callback(bystander.finish)
            memory.start()
            stack.callback(memory.finish)
            attackers = [Attacker(attack, target) for attack in attacks]
            results = [attacker.result() for attacker in attackers]
        assert self.server.process.poll() is None, self.server.records[-3:]
        kept = set(self.api.series(self.certificate.device_id, "n"))
        outcome = Outcome(
            results,
            round(device.p99_ms, 1),
            round(reader.p99_ms, 1),
            memory.peak_bytes,
            device.failures + reader.failures,
            [number for number in device.acknowledged if number not in kept],
        )
        self._record(outcome.figures)
        return outcome
