"""A node whose network is cut by the kernel, where nobody hears that packets are lost."""

import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.postgres_server import PostgresServer
from tests.server_process import PROGRAM, ServerProcess

LEASE_S = 2
TIMEOUT_S = 60.0
_numbers = itertools.count()


class Cut(NamedTuple):
    """A network name space with a cable to this one."""

    name: str
    here: str  # address of this end
    there: str
    cable: str  # its ends are called so, and ``a`` here, ``b`` there

    def run(self, command: str, *, within: bool = False) -> None:
        """Runs ``ip`` with these arguments. Raises OSError if it fails."""
        prefix = ["ip", "netns", "exec", self.name] if within else []
        done = subprocess.run([*prefix, "ip", *command.split()], capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"ip {command}: {done.stderr.strip()}")


@pytest.fixture
def cable() -> Iterator[Cut]:
    """Made by the test; needs the rights of root."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("name spaces of networks need root and iproute2")
    number = f"{os.getpid()}x{next(_numbers)}"
    network = (os.getpid() + next(_numbers)) % 250
    cut = Cut(f"thingstead{number}", f"10.231.{network}.1", f"10.231.{network}.2", f"ts{number}")
    try:
        try:
            cut.run(f"netns add {cut.name}")
            cut.run(f"link add {cut.cable}a type veth peer name {cut.cable}b netns {cut.name}")
            cut.run(f"addr add {cut.here}/24 dev {cut.cable}a")
            cut.run(f"link set {cut.cable}a up")
            for command in (f"addr add {cut.there}/24 dev {cut.cable}b", f"link set {cut.cable}b up", "link set lo up"):
                cut.run(command, within=True)
        except OSError as exc:
            pytest.skip(f"no name space of networks can be made here: {exc}")
        yield cut
    finally:
        subprocess.run(["ip", "netns", "del", cut.name], check=False, capture_output=True)


@pytest.fixture
def server(postgres_server: PostgresServer, cable: Cut) -> Iterator[PostgresServer]:
    """A PostgreSQL server that listens at this end of the cable, too."""
    server = PostgresServer(postgres_server.programs, {"listen_addresses": f"127.0.0.1,{cable.here}"}).start()
    with (server.data / "pg_hba.conf").open("a") as file:
        file.write(f"host all all {cable.there}/32 trust\n")
    with server.connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
    yield server
    server.close()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def node(name: str, folder: Path, database: str, cable: Cut | None) -> ServerProcess:
    prefix = () if cable is None else ("ip", "netns", "exec", cable.name)
    lease = {"THINGSTEAD_CLUSTER_NODE_NAME": name, "THINGSTEAD_CLUSTER_LEASE_S": str(LEASE_S)}
    return ServerProcess(folder / name, "--database", database, program=(*prefix, *PROGRAM), **lease)


@pytest.mark.skipif(sys.platform != "linux", reason="name spaces of networks are Linux's")
@pytest.mark.parametrize("lost", ["all packets", "answers of the database"])
def test_another_node_serves_when_the_network_of_the_active_one_loses(
    tmp_path: Path, server: PostgresServer, cable: Cut, lost: str
) -> None:
    database = server.new_database(empty=True)
    far = node("far", tmp_path, database.replace("127.0.0.1", cable.here), cable)
    near = None
    try:
        far.wait_until_serving()
        near = node("near", tmp_path, database, None)
        until(lambda: bool(near.logged("joined")), "the second node stands by")
        if lost == "all packets":
            cable.run(f"link set {cable.cable}a down")
        else:
            cable.run(f"route add blackhole {cable.there}/32")
        until(lambda: bool(near.logged("serving")), "the node with a network serves")
        until(lambda: bool(far.logged("not active any more")), "the other one has stopped")
        if lost != "all packets":
            cable.run(f"route del blackhole {cable.there}/32")
            until(lambda: bool(far.logged("the database answers again")), "it stands by again")
            assert len(far.logged("serving")) == 1
        near.stop()
        assert len(near.logged("not active any more")) == 0
    finally:
        for process in (far, near):
            if process is not None and process.process.poll() is None:
                process.kill()
