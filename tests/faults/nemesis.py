"""Faults, drawn from a seed, one after the other; a schedule can be printed and played again."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.faults.nodes import Cluster, NodeOfRun
from tests.postgres_server import PostgresServer

QUIET_S = (1.0, 4.0)  # between two faults
# Until a node is active again, once it can be: what is promised, and on a machine that other tests keep busy.
PROMISED_S, BUSY_S = 12.0, 45.0
SLOW_COMMIT_US = 100_000
SKEWS_MS = (-300_000, 120_000)


class Fault(NamedTuple):
    """One fault; ``on_active``: of the node that is active at that moment, otherwise of another."""

    kind: str
    on_active: bool
    lasts_s: float
    quiet_s: float  # after it


# Kind: how often, and how long it lasts.
KINDS: dict[str, tuple[int, tuple[float, float]]] = {
    "node killed": (4, (0.0, 3.0)),
    "node stopped": (4, (1.0, 14.0)),
    "node ended": (2, (0.0, 2.0)),
    "database killed": (3, (0.0, 3.0)),
    "database stopped": (2, (0.5, 11.0)),
    "database cut off": (3, (1.0, 14.0)),
    "requests to the database lost": (2, (1.0, 14.0)),
    "answers of the database lost": (2, (1.0, 14.0)),
    "connections to the database broken": (2, (0.0, 0.0)),
    "database slow": (2, (2.0, 8.0)),
    "clock skewed": (1, (0.0, 1.0)),
    "disk full": (1, (0.5, 3.0)),
}


def draw(seed: int, seconds: float) -> list[Fault]:
    """The schedule of a seed: at least one fault, then as many as begin within the time."""
    chance = random.Random(seed)
    faults: list[Fault] = []
    at_s = 0.0
    while at_s < seconds:
        kind = chance.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
        fault = Fault(
            kind, chance.random() < 0.8, round(chance.uniform(*KINDS[kind][1]), 1), round(chance.uniform(*QUIET_S), 1)
        )
        faults.append(fault)
        at_s += fault.lasts_s + fault.quiet_s + 2
    return faults


class Nemesis:
    """Brings faults over a cluster.

    Attributes:
        database_away: whether the nodes cannot reach the database now.
        takeovers_s: how long no node was active after each fault.
        skipped: why a kind of fault was left out.
        problems: nodes that did not become active in time.
    """

    def __init__(
        self,
        cluster: Cluster,
        disk: "SmallDisk | None" = None,
        *,
        recovery_s: float = PROMISED_S,
        log: Callable[[str], None] = print,
    ) -> None:
        self._cluster = cluster
        self._recovery_s = recovery_s
        self._disk = disk
        self._log = log
        self.database_away = False
        self.takeovers_s: list[tuple[str, float]] = []
        self.skipped: dict[str, str] = {}
        self.problems: list[str] = []

    async def play(self, faults: list[Fault], seconds: float) -> None:
        """Plays a schedule, until the time is up."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + seconds
        for number, fault in enumerate(faults):
            if loop.time() >= end_s:
                break
            self._log(f"{loop.time():.3f} fault {number}: {fault}")
            begun_s = loop.time()
            await self._bring(fault)
            await self._wait_active(fault, begun_s)
            await asyncio.sleep(min(fault.quiet_s, max(0.0, end_s - loop.time())))

    async def _wait_active(self, fault: Fault, begun_s: float) -> None:
        loop = asyncio.get_running_loop()
        healed_s = loop.time()
        try:
            node = await self._cluster.wait_active(120)
        except TimeoutError:
            self.problems.append(f"after {fault} no node became active")
            return
        took_s = loop.time() - healed_s
        self.takeovers_s.append((fault.kind, loop.time() - begun_s))
        self._log(f"  {node.name} active {loop.time() - begun_s:.1f} s after its begin, {took_s:.1f} s after its end")
        if took_s > self._recovery_s:
            self.problems.append(f"after {fault} nobody was active for {took_s:.1f} s")

    async def _bring(self, fault: Fault) -> None:
        bring = _FAULTS[fault.kind]
        node = await self._target(fault)
        async with bring(self, node):
            await asyncio.sleep(fault.lasts_s)

    async def _target(self, fault: Fault) -> NodeOfRun:
        active = await self._cluster.wait_active()
        others = [node for node in self._cluster.nodes if node is not active]
        return active if fault.on_active or not others else others[0]

    @asynccontextmanager
    async def node_killed(self, node: NodeOfRun) -> AsyncIterator[None]:
        await node.kill()
        yield
        node.start()

    @asynccontextmanager
    async def node_ended(self, node: NodeOfRun) -> AsyncIterator[None]:
        await node.end()
        yield
        node.start()

    @asynccontextmanager
    async def node_stopped(self, node: NodeOfRun) -> AsyncIterator[None]:
        node.stop()
        yield
        node.go_on()

    @asynccontextmanager
    async def clock_skewed(self, node: NodeOfRun) -> AsyncIterator[None]:
        """The node goes on with a clock that is wrong; the next time with a right one."""
        await node.kill()
        yield
        node.skew_ms = 0 if node.skew_ms else SKEWS_MS[len(self.takeovers_s) % len(SKEWS_MS)]
        node.start()

    @asynccontextmanager
    async def database_killed(self, _: NodeOfRun) -> AsyncIterator[None]:
        self.database_away = True
        await asyncio.to_thread(self._cluster.server.kill)
        yield
        await asyncio.to_thread(self._cluster.server.start)
        self.database_away = False

    @asynccontextmanager
    async def database_stopped(self, _: NodeOfRun) -> AsyncIterator[None]:
        self.database_away = True
        processes = _family(self._cluster.server)
        for process in processes:
            _signal(process, signal.SIGSTOP)
        yield
        for process in processes:
            _signal(process, signal.SIGCONT)
        self.database_away = False

    @asynccontextmanager
    async def cut_off(self, node: NodeOfRun) -> AsyncIterator[None]:
        node.proxy.cut("up", "down")
        yield
        node.proxy.heal()

    @asynccontextmanager
    async def requests_lost(self, node: NodeOfRun) -> AsyncIterator[None]:
        node.proxy.cut("up")
        yield
        node.proxy.heal()

    @asynccontextmanager
    async def answers_lost(self, node: NodeOfRun) -> AsyncIterator[None]:
        node.proxy.cut("down")
        yield
        node.proxy.heal()

    @asynccontextmanager
    async def broken(self, node: NodeOfRun) -> AsyncIterator[None]:
        node.proxy.reset()
        yield

    @asynccontextmanager
    async def database_slow(self, _: NodeOfRun) -> AsyncIterator[None]:
        """Each commit takes as long as on a slow disk."""
        await asyncio.to_thread(self._set_commit_delay, SLOW_COMMIT_US)
        yield
        await asyncio.to_thread(self._set_commit_delay, 0)

    def _set_commit_delay(self, delay_us: int) -> None:
        with self._cluster.server.connect() as connection:
            for name, value in (("commit_siblings", 0), ("commit_delay", delay_us)):
                connection.execute(f"ALTER SYSTEM SET {name} = {value:d}".encode())
            connection.execute("SELECT pg_reload_conf()")

    @asynccontextmanager
    async def disk_full(self, _: NodeOfRun) -> AsyncIterator[None]:
        if self._disk is None:
            self.skipped["disk full"] = "no file system of its own can be mounted here"
            yield
            return
        self.database_away = True
        self._disk.fill()
        yield
        self._disk.empty()
        server = self._cluster.server
        assert server.process is not None
        if server.process.poll() is not None:  # a full disk of the log ends PostgreSQL
            await asyncio.to_thread(server.start)
        self.database_away = False


Bring = Callable[[Nemesis, NodeOfRun], contextlib.AbstractAsyncContextManager[None]]
_FAULTS: dict[str, Bring] = {
    "node killed": Nemesis.node_killed,
    "node stopped": Nemesis.node_stopped,
    "node ended": Nemesis.node_ended,
    "database killed": Nemesis.database_killed,
    "database stopped": Nemesis.database_stopped,
    "database cut off": Nemesis.cut_off,
    "requests to the database lost": Nemesis.requests_lost,
    "answers of the database lost": Nemesis.answers_lost,
    "connections to the database broken": Nemesis.broken,
    "database slow": Nemesis.database_slow,
    "clock skewed": Nemesis.clock_skewed,
    "disk full": Nemesis.disk_full,
}


class SmallDisk:
    """A file system in memory, mounted for a run; needs the rights of root.

    Raises:
        OSError: it cannot be mounted here.
    """

    def __init__(self, size_bytes: int) -> None:
        self.path = path = Path(tempfile.mkdtemp(prefix="thingstead-faults-"))
        self._filler = path / "filler"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "thingstead-faults", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode:
            path.rmdir()
            raise OSError(mounted.stderr.strip())

    def fill(self) -> None:
        """Leaves no free space."""
        with contextlib.suppress(OSError), self._filler.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 20)):
                pass

    def empty(self) -> None:
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.path)], check=False, capture_output=True)
        self.path.rmdir()


def _family(server: PostgresServer) -> list[int]:
    process = server.process
    assert process is not None
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [process.pid, *map(int, children)]


def _signal(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)
