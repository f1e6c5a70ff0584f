"""What a server tells the service manager that started it, over the socket of sd_notify(3)."""

import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server_process import StartServer

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
WATCHDOG_USEC = "200000"


class Manager:
    """The manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(30)
        self._socket.bind(address)
        self.heard: list[str] = []

    def wait_for(self, assignment: str) -> list[str]:
        """The message with this assignment, the next one of all that come; its lines."""
        while True:
            lines = self._socket.recv(4096).decode().split("\n")
            self.heard.extend(lines)
            if assignment in lines:
                return lines

    def drain(self, silence_s: float) -> None:
        """Returns when nothing has come for so long."""
        self._socket.settimeout(silence_s)
        try:
            while self._socket.recv(4096):
                pass
        except TimeoutError:
            self._socket.settimeout(30)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:  # a short path: the name of a socket has 107 bytes
        yield f"@{folder}/notify" if request.param == "abstract" else f"{folder}/notify"


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    manager = Manager(address.replace("@", "\0", 1))
    yield manager
    manager.close()


def test_the_manager_is_told_when_ports_are_open_and_when_the_server_stops(
    tmp_path: Path, start_server: StartServer, address: str, manager: Manager
) -> None:
    server = start_server(tmp_path / "data", NOTIFY_SOCKET=address)
    assert manager.wait_for("READY=1")[1] == f"STATUS=Console: {server.url}/console/"
    server.process.send_signal(signal.SIGHUP)
    assert manager.wait_for("RELOADING=1")[1].startswith("MONOTONIC_USEC=")
    assert manager.wait_for("READY=1") == ["READY=1"]
    assert server.stop() == 0
    manager.wait_for("STOPPING=1")
    assert "WATCHDOG=1" not in manager.heard
    assert server.stray == []


def test_the_watchdog_is_fed_by_a_server_that_runs_and_not_by_one_that_hangs(
    tmp_path: Path, start_server: StartServer, address: str, manager: Manager
) -> None:
    server = start_server(tmp_path / "data", NOTIFY_SOCKET=address, WATCHDOG_USEC=WATCHDOG_USEC)
    for _ in range(3):
        manager.wait_for("WATCHDOG=1")
    server.process.send_signal(signal.SIGSTOP)
    manager.drain(silence_s=1)  # five times as long as the watchdog waits
    server.process.send_signal(signal.SIGCONT)
    manager.wait_for("WATCHDOG=1")
    assert server.stop() == 0


@pytest.mark.parametrize("environ", [{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}])
def test_a_watchdog_of_another_process_is_not_fed(
    tmp_path: Path, start_server: StartServer, address: str, manager: Manager, environ: dict[str, str]
) -> None:
    server = start_server(tmp_path / "data", **{"NOTIFY_SOCKET": address, "WATCHDOG_USEC": WATCHDOG_USEC, **environ})
    manager.wait_for("READY=1")
    assert server.stop() == 0
    manager.wait_for("STOPPING=1")
    assert "WATCHDOG=1" not in manager.heard


def test_a_manager_that_is_gone_stops_no_server(tmp_path: Path, start_server: StartServer) -> None:
    server = start_server(tmp_path / "data", NOTIFY_SOCKET=str(tmp_path / "gone"))
    assert server.stop() == 0
    assert len(server.logged("the service manager cannot be notified")) == 2


@pytest.mark.external("systemd-analyze")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for unit in sorted((DEPLOY / "systemd").iterdir()):
        text = unit.read_text(encoding="utf-8").replace("/opt/thingstead/bin/thingstead", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    units = sorted(map(str, tmp_path.iterdir()))
    assert units
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if any(unit in line for unit in units)]
    assert (done.returncode, said) == (0, []), done.stderr
