"""Servers under test: started on free ports, waited for, stopped."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # of the repository: where `-m bench…` is found
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0
POLL_INTERVAL_S = 0.005
LOG_TAIL_BYTES = 2_000


class NotStarted(Exception):
    """A server ended, or did not answer in time; says what it printed."""


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(command: Sequence[str | Path], ready: Callable[[], bool]) -> Iterator[int]:
    """Runs a server for the length of the block; yields its process id once ``ready()`` is true.

    It ends with SIGTERM. What it prints goes to a temporary file and is shown when it does not start. Settings of
    the platform in our own environment do not reach it.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("THINGSTEAD_")}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
        )
        try:
            _wait_until(ready, process)
            yield process.pid
        except NotStarted as exc:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_TAIL_BYTES))
            raise NotStarted(f"{exc}\n{log.read().decode(errors='replace')}") from None
        finally:
            _stop(process)


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if process.poll() is not None:
            raise NotStarted(f"{process.args!r} ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise NotStarted(f"{process.args!r} was not ready in {START_TIMEOUT_S:.0f} s")
        time.sleep(POLL_INTERVAL_S)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def listens(port: int) -> Callable[[], bool]:
    """A readiness check: the port of the loopback accepts a connection."""

    def check() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    return check


def answers_200(port: int, path: str) -> Callable[[], bool]:
    """A readiness check: GET of the path answers 200."""

    def check() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    return check
