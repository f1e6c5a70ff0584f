"""Tells the service manager (systemd, ``Type=notify``) how the server is: sd_notify(3), sd_watchdog_enabled(3)."""

import asyncio
import os
import socket
import time
from collections.abc import Mapping

import structlog

log = structlog.get_logger("thingstead")

SEND_TIMEOUT_S = 1.0  # systemd reads at once; a socket that nobody reads must not block the server


class ServiceManager:
    """Notifies the service manager over the socket in the environment. Without a socket all methods do nothing.

    Args:
        environ: ``NOTIFY_SOCKET``: a path, or an abstract name that begins with ``@``. ``WATCHDOG_USEC``: microseconds
            without a message after which the manager ends the process; ``WATCHDOG_PID``: the process that it applies
            to.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._watchdog_s = _watchdog_s(environ) if self._address else 0.0
        self._task: asyncio.Task[None] | None = None

    def ready(self, status: str) -> None:
        """Reports that all ports are open. From now on the event loop sends watchdog messages, so that a blocked server
        is restarted."""
        self._send("READY=1", f"STATUS={status}")
        if self._watchdog_s:
            self._task = asyncio.get_running_loop().create_task(self._feed())

    def reloading(self) -> None:
        """Reports that a reload begins; :meth:`reloaded` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self) -> None:
        """Reports that the reload has ended."""
        self._send("READY=1")

    async def stopping(self) -> None:
        """Reports that the server is stopping, and ends the watchdog messages: the manager has a time-out for stops."""
        self._send("STOPPING=1", "STATUS=Stopping")
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _feed(self) -> None:
        while True:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_s / 2)

    def _send(self, *assignments: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
                notify.settimeout(SEND_TIMEOUT_S)
                notify.sendto("\n".join(assignments).encode(), address)
        except OSError as exc:
            log.warning("the service manager cannot be notified", socket=self._address, reason=str(exc))


def _watchdog_s(environ: Mapping[str, str]) -> float:
    """Watchdog time-out in s; 0: none, or that of another process."""
    try:
        meant = int(environ.get("WATCHDOG_PID", os.getpid())) == os.getpid()
        return int(environ.get("WATCHDOG_USEC", "0")) / 1e6 if meant else 0.0
    except ValueError:
        return 0.0
