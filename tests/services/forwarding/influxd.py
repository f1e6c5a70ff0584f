"""An InfluxDB 1.x, on a free port, with a folder of its own."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.services.outbound.brokers import free_port

TIMEOUT_S = 30
CONFIGURATION = """
reporting-disabled = true
bind-address = "127.0.0.1:{backup}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = false
"""


class Influxd:
    """Asks a server."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def query(self, text: str, database: str = "") -> list[dict[str, Any]]:
        """The series of the answer."""
        asked = urlencode({"q": text, "db": database, "epoch": "ns"}).encode()
        with urllib.request.urlopen(f"{self.url}/query", asked, timeout=TIMEOUT_S) as answer:
            [result] = json.load(answer)["results"]
        series: list[dict[str, Any]] = result.get("series", [])
        return series


@contextmanager
def influxd(folder: Path) -> Iterator[Influxd]:
    """A server that answers."""
    port = free_port()
    configuration = folder / "influxd.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, backup=free_port()))
    with (folder / "influxd.log").open("wb") as log:
        process = subprocess.Popen(["influxd", "-config", str(configuration)], stdout=log, stderr=log)
    try:
        ends = time.monotonic() + TIMEOUT_S
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1).close()
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, (folder / "influxd.log").read_text()
                assert time.monotonic() < ends
                time.sleep(0.02)  # the server has no other way to tell
        yield Influxd(port)
    finally:
        process.kill()
        process.wait(timeout=TIMEOUT_S)
