"""The MQTT servers that are measured beside the platform, each on a free port with its own configuration."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.process import ROOT, free_port, listens, running

AMQTT = ROOT / ".venv-bench" / "bin" / "amqtt"

MOSQUITTO_CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
log_dest none
"""

AMQTT_CONFIGURATION = """\
listeners:
  default:
    type: tcp
    bind: 127.0.0.1:{port}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin:
    allow_anonymous: true
"""


class Running(NamedTuple):
    """A server that is ready."""

    pid: int
    port: int


@contextlib.contextmanager
def mosquitto() -> Iterator[Running]:
    """mosquitto: everyone is admitted, nothing is stored, nobody subscribes."""
    program = _mosquitto_program()
    assert program is not None, "mosquitto_missing() is asked first"
    with _configured(MOSQUITTO_CONFIGURATION) as (path, port), running([program, "-c", path], listens(port)) as pid:
        yield Running(pid, port)


def mosquitto_missing() -> str | None:
    """Why mosquitto cannot be measured, or None."""
    return None if _mosquitto_program() else "mosquitto is not installed"


def _mosquitto_program() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def amqtt() -> Iterator[Running]:
    """amqtt: the same."""
    with _configured(AMQTT_CONFIGURATION) as (path, port), running([AMQTT, "-c", path], listens(port)) as pid:
        yield Running(pid, port)


def amqtt_missing() -> str | None:
    """Why amqtt cannot be measured, or None."""
    return None if AMQTT.exists() else "amqtt is not in .venv-bench"


@contextlib.contextmanager
def ack_only(window: int) -> Iterator[Running]:
    """A server that only acknowledges: what the generator itself can do."""
    port = free_port()
    command = [sys.executable, "-m", "bench.ack_server", str(port), str(window)]
    with running(command, listens(port)) as pid:
        yield Running(pid, port)


@contextlib.contextmanager
def _configured(template: str) -> Iterator[tuple[Path, int]]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="thingstead-bench-") as folder:
        path = Path(folder) / "configuration"
        path.write_text(template.format(port=port), encoding="utf-8")
        yield path, port
