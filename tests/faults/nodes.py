"""Nodes as processes of their own over a PostgreSQL server of the run, each behind a proxy to the database."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from tests.faults.proxy import Balancer, Proxy, is_ready
from tests.postgres_server import PostgresServer
from tests.server_process import ServerProcess, thingstead

LEASE_S = 8.0  # as delivered
STARTED_S = 90
# A node whose wall clock is wrong by some milliseconds.
SKEWED = """
import sys, time
ahead_ns = int(sys.argv.pop(1)) * 1_000_000
right = time.time_ns
time.time_ns = lambda: right() + ahead_ns
from thingstead.cli import main
main()
"""


class NodeOfRun:
    """One node: started, stopped and killed again and again, on the same ports and data folder."""

    def __init__(self, name: str, folder: Path, database: str, proxy: Proxy, lease_s: float = LEASE_S) -> None:
        self.name = name
        self.proxy = proxy
        self.http_port, self.mqtt_port = free_port(), free_port()
        self.skew_ms = 0
        self.runs: list[ServerProcess] = []
        self._folder = folder
        self._database = database
        self._lease_s = lease_s
        self._stopped = False

    def start(self) -> None:
        """Starts the process; it stands by, or becomes active."""
        program = [sys.executable, "-c", SKEWED, str(self.skew_ms)] if self.skew_ms else None
        flags = ["--database", self._database, "--http-port", str(self.http_port), "--mqtt-port", str(self.mqtt_port)]
        environ = {
            "THINGSTEAD_TCP_PORT": "off",
            "THINGSTEAD_CLUSTER_NODE_NAME": self.name,
            "THINGSTEAD_CLUSTER_LEASE_S": f"{self._lease_s:g}",
            "THINGSTEAD_HTTP_ACCESS_LOG": "false",
        }
        more = {} if program is None else {"program": program}
        self.runs.append(ServerProcess(self._folder, *flags, "--tcp-port", "off", **more, **environ))  # type: ignore[arg-type]
        self._stopped = False

    @property
    def pid(self) -> int:
        return self.runs[-1].process.pid

    @property
    def running(self) -> bool:
        return bool(self.runs) and self.runs[-1].process.poll() is None

    async def kill(self) -> None:
        """SIGKILL."""
        if self.running:
            await asyncio.to_thread(self.runs[-1].kill)

    async def end(self) -> None:
        """SIGTERM, and waits for the end."""
        if self.running:
            self.go_on()
            await asyncio.to_thread(self.runs[-1].stop)

    def stop(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)
        self._stopped = True

    def go_on(self) -> None:
        """SIGCONT."""
        if self._stopped and self.running:
            os.kill(self.pid, signal.SIGCONT)
        self._stopped = False

    def memory_bytes(self) -> int | None:
        """Resident memory; None: it does not run."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError, ValueError):
            return None

    async def is_active(self) -> bool:
        return await is_ready(self.http_port, 0.8)


class Cluster:
    """A database, nodes, and a balancer for each kind of port."""

    def __init__(self, folder: Path, server: PostgresServer, count: int = 2) -> None:
        self.server = server
        self._folder = folder
        self._count = count
        self.nodes: list[NodeOfRun] = []
        self.credentials_json = ""

    async def start(self) -> "Cluster":
        database = await asyncio.to_thread(self.server.new_database, empty=True)
        name = database.rpartition("/")[2]
        done = await asyncio.to_thread(thingstead, "init", "--database", database, "--json")
        assert done.returncode == 0, done.stderr
        self.credentials_json = done.stdout
        for number in range(self._count):
            proxy = await Proxy(self.server.port).start()
            url = f"postgresql://thingstead@127.0.0.1:{proxy.port}/{name}"
            node = NodeOfRun(f"node{number}", self._folder / f"node{number}", url, proxy)
            self.nodes.append(node)
            node.start()
        self.http = await Balancer([(node.http_port, node.http_port) for node in self.nodes]).start()
        self.mqtt = await Balancer([(node.http_port, node.mqtt_port) for node in self.nodes]).start()
        await self.wait_active()
        await self.http.wait_ready()
        await self.mqtt.wait_ready()
        return self

    async def wait_active(self, timeout_s: float = STARTED_S) -> NodeOfRun:
        """The node that is active, once there is one."""
        async with asyncio.timeout(timeout_s):
            while True:
                for node in self.nodes:
                    if await node.is_active():
                        return node
                await asyncio.sleep(0.1)

    async def close(self) -> None:
        await self.http.close()
        await self.mqtt.close()
        for node in self.nodes:
            node.go_on()
            await node.kill()
            await node.proxy.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
