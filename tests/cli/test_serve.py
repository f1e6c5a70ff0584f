"""The process around the server: what it sets of Python."""

import subprocess
import sys
from pathlib import Path

from tests.server_process import init

SERVE = """
import sys
from thingstead.cli import main
from thingstead.server import Server

async def noted(server, stop):
    print("interval", sys.getswitchinterval(), flush=True)

Server.run_until = noted
main()
"""


def test_a_thread_gets_the_interpreter_soon_while_the_loop_of_a_server_computes(tmp_path: Path) -> None:
    init(tmp_path / "data")
    ports = [f"--{name}-port=0" for name in ("http", "mqtt", "tcp")]
    command = [sys.executable, "-c", SERVE, "serve", "--data-dir", str(tmp_path / "data"), "--host=127.0.0.1", *ports]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "interval 0.0005" in done.stdout
