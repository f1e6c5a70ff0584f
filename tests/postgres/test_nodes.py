"""Nodes of one database: joining, leases, claims, and the fence of what an activity writes."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from tests.postgres_server import PostgresServer
from thingstead.clock import boot_s
from thingstead.errors import ConfigError, Unavailable
from thingstead.storage.postgres.nodes.conninfo import database_conninfo, described
from thingstead.storage.postgres.nodes.lease import Activity
from thingstead.storage.postgres.nodes.membership import Identity, Membership

TIMEOUT_S = 30
LEASE_S = 1.0


class Nodes:
    """Memberships on one database, with a short lease."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._made: list[Membership] = []

    def node(self, name: str, lease_s: float = LEASE_S) -> Membership:
        node = Membership(database_conninfo(self.url), Identity(name, f"{name}.example.com", "1.0"), lease_s, boot_s)
        self._made.append(node)
        return node

    async def active(self, name: str, lease_s: float = LEASE_S) -> tuple[Membership, int]:
        """A node that became active, and its stream."""
        node = self.node(name, lease_s)
        async with asyncio.timeout(TIMEOUT_S):
            return node, await node.stand_by()

    def connect(self, stream: int | None = None) -> psycopg.Connection:
        """A connection of an activity; None: of somebody else."""
        name = "test" if stream is None else f"thingstead/{stream}"
        return psycopg.connect(self.url, application_name=name)

    async def close(self) -> None:
        for node in self._made:
            await node.close()


@pytest.fixture
async def nodes(postgres_url: str) -> AsyncIterator[Nodes]:
    nodes = Nodes(postgres_url)
    yield nodes
    await nodes.close()


def write(connection: psycopg.Connection, stream: int) -> None:
    """Begins a write of a stream."""
    connection.execute("SELECT fence(%s)", (stream,))


async def test_the_first_node_of_a_database_becomes_active_at_once(nodes: Nodes) -> None:
    node, stream = await nodes.active("a", lease_s=60)
    assert node.lease.held()
    [row] = await node.list_nodes()
    assert (row.name, row.address, row.version, row.active) == ("a", "a.example.com", "1.0", True)
    with nodes.connect(stream) as connection:
        write(connection, stream)


async def test_nodes_that_join_an_empty_database_at_the_same_time_all_join_and_one_is_active(nodes: Nodes) -> None:
    several = [nodes.node(str(number), lease_s=60) for number in range(4)]
    async with asyncio.timeout(TIMEOUT_S):
        for node in several:
            await node.join()
        streams = await asyncio.gather(*(node.try_once() for node in several))
    assert sum(stream is not None for stream in streams) == 1
    assert [row.active for row in await several[0].list_nodes()] == [True, False, False, False]


async def test_while_a_node_renews_its_lease_no_other_becomes_active(nodes: Nodes) -> None:
    lease_s = 3  # a busy machine stops for a while
    active, _ = await nodes.active("a", lease_s)
    keeping = asyncio.create_task(active.keep())
    standing_by = asyncio.create_task(nodes.node("b", lease_s).stand_by())
    done, _ = await asyncio.wait([keeping, standing_by], timeout=1.5 * lease_s)
    assert not done
    assert active.lease.held()
    keeping.cancel()
    async with asyncio.timeout(TIMEOUT_S):
        await standing_by
    assert not active.lease.held()


async def test_a_node_that_was_declared_dead_learns_it_with_its_next_renewal_and_can_stand_by(nodes: Nodes) -> None:
    silent, stream = await nodes.active("a", lease_s=60)
    other = nodes.node("b")
    await other.join()
    assert await other.table.claim(other.node, (await other.table.look()).activity) is not None
    async with asyncio.timeout(TIMEOUT_S):
        assert await silent.keep() == "another node took over"
    assert not silent.lease.held()
    with nodes.connect() as connection, pytest.raises(psycopg.Error, match="is closed") as refused:
        write(connection, stream)
    assert refused.value.sqlstate == "TS001"
    waiting = asyncio.create_task(silent.stand_by())
    await other.leave()
    async with asyncio.timeout(TIMEOUT_S):
        assert await waiting > stream


async def test_a_claim_fails_if_the_active_node_has_renewed_meanwhile(nodes: Nodes) -> None:
    active, _ = await nodes.active("a", lease_s=60)
    other = nodes.node("b")
    await other.join()
    seen = (await other.table.look()).activity
    assert await active.table.renew(active.node, active=True)
    assert await other.table.claim(other.node, seen) is None
    assert await other.table.claim(other.node, Activity(4711, 1)) is None
    assert await other.table.claim(other.node, None) is None


async def test_of_several_claims_at_the_same_time_one_succeeds(nodes: Nodes) -> None:
    await nodes.active("a", lease_s=60)
    others = [nodes.node(str(number)) for number in range(4)]
    for other in others:
        await other.join()
    seen = (await others[0].table.look()).activity
    streams = await asyncio.gather(*(other.table.claim(other.node, seen) for other in others))
    assert sum(stream is not None for stream in streams) == 1


async def test_a_claim_waits_for_a_commit_in_flight_and_later_writes_of_the_old_stream_fail(nodes: Nodes) -> None:
    _, stream = await nodes.active("a", lease_s=60)
    other = nodes.node("b", lease_s=60)
    await other.join()
    seen = (await other.table.look()).activity
    with nodes.connect() as connection:  # not by its name: it is not ended
        write(connection, stream)
        claim = asyncio.create_task(other.table.claim(other.node, seen))
        done, _ = await asyncio.wait([claim], timeout=0.3)
        assert not done
        connection.execute("CREATE TABLE written ()")
        connection.commit()
        async with asyncio.timeout(TIMEOUT_S):
            assert await claim is not None
        connection.execute("TABLE written")
        with pytest.raises(psycopg.Error, match="is closed"):
            write(connection, stream)


async def test_a_claim_ends_the_connections_of_the_activity_before(nodes: Nodes) -> None:
    """A node that was stopped within a transaction holds nobody up."""
    _, stream = await nodes.active("a", lease_s=60)
    other = nodes.node("b", lease_s=60)
    await other.join()
    seen = (await other.table.look()).activity
    connection = nodes.connect(stream)
    write(connection, stream)
    async with asyncio.timeout(TIMEOUT_S):
        assert await other.table.claim(other.node, seen) is not None
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()


async def test_a_node_that_leaves_is_followed_at_once(nodes: Nodes) -> None:
    active, stream = await nodes.active("a", lease_s=60)
    standing_by = asyncio.create_task(nodes.node("b", lease_s=60).stand_by())
    await asyncio.wait([standing_by], timeout=0.3)
    assert not standing_by.done()
    await active.leave()
    async with asyncio.timeout(TIMEOUT_S):
        assert await standing_by > stream
    assert not active.lease.held()


async def test_a_lease_ends_while_the_database_is_stopped_and_the_node_can_be_active_again(
    postgres_server: PostgresServer,
) -> None:
    server = PostgresServer(postgres_server.programs).start()
    nodes = Nodes(server.new_database())
    try:
        node, stream = await nodes.active("a")
        server.kill()
        async with asyncio.timeout(TIMEOUT_S):
            assert await node.keep() == f"the lease could not be renewed for {LEASE_S:g} s"
        assert "database 127.0.0.1" in node.trouble
        waiting = asyncio.create_task(node.stand_by())
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(TIMEOUT_S):
            assert await waiting > stream
        assert node.trouble == ""
    finally:
        await nodes.close()
        server.close()


async def test_a_restart_of_the_database_within_the_lease_takes_it_from_nobody(postgres_server: PostgresServer) -> None:
    server = PostgresServer(postgres_server.programs).start()
    nodes = Nodes(server.new_database())
    try:
        active, _ = await nodes.active("a", lease_s=10)
        keeping = asyncio.create_task(active.keep())
        standing_by = asyncio.create_task(nodes.node("b", lease_s=10).stand_by())
        await asyncio.sleep(0)
        server.kill()
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                try:
                    await active.list_nodes()
                    break
                except Unavailable:
                    continue
        done, _ = await asyncio.wait([keeping, standing_by], timeout=0.5)
        assert not done
        for task in (keeping, standing_by):
            task.cancel()
        await asyncio.gather(keeping, standing_by, return_exceptions=True)
    finally:
        await nodes.close()
        server.close()


async def test_a_node_does_not_wait_for_ever_for_a_database_that_answers_nothing() -> None:
    accepted = []

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)

    silent = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    node = Nodes(f"postgresql://nobody@127.0.0.1:{port}/nothing").node("a")
    with pytest.raises(Unavailable, match="did not answer in time"):
        await node.join()
    await node.close()
    for writer in accepted:
        writer.close()
    silent.close()


async def test_a_locked_table_of_nodes_is_told_in_time_and_nothing_waits_for_it_afterwards(nodes: Nodes) -> None:
    node, _ = await nodes.active("a")
    with nodes.connect() as somebody:
        somebody.execute("LOCK TABLE nodes IN ACCESS EXCLUSIVE MODE")
        for _ in range(3):
            with pytest.raises(Unavailable, match="did not answer in time"):
                await node.table.look()
        async with asyncio.timeout(TIMEOUT_S):
            while waiting(somebody):  # noqa: ASYNC110 - the server does not tell
                await asyncio.sleep(0)


def waiting(connection: psycopg.Connection) -> int:
    """How many connections to this database wait for a lock."""
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_database_that_does_not_exist_is_refused_and_a_password_shown_nowhere(nodes: Nodes) -> None:
    url = nodes.url.rpartition("/")[0].replace("thingstead@", "thingstead:secret@") + "/missing"
    node = Nodes(url).node("a")
    with pytest.raises(ConfigError, match='database "missing" does not exist') as refused:
        await node.stand_by()
    assert "secret" not in refused.value.message
    assert "secret" not in described(database_conninfo(url))


@pytest.mark.parametrize(
    ("database", "problem"),
    [
        ("postgresql://[::1", "must be an address of PostgreSQL"),
        ("thingstead.example.com", "must be an address of PostgreSQL"),
        ("postgresql://user@host/name?sslmod=require", 'parameter: "sslmod"'),
        ("postgresql://user@host", "must name the database"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(database: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        database_conninfo(database)


@pytest.mark.parametrize(
    "password", ["se@cret", "se/cret", "se/cr@et", "se?cret", "se%zzcret", "se#cr/et", "@cret", "se@cr@et"]
)
@pytest.mark.parametrize("form", ["postgresql://user:{}@host/name", "mysql://user:{}@host/name", "host=h password {}"])
def test_a_password_that_is_not_encoded_is_refused_and_no_part_of_it_shown(form: str, password: str) -> None:
    with pytest.raises(ConfigError, match="must be percent-encoded") as refused:
        database_conninfo(form.format(password))
    assert "cr" not in refused.value.message.replace("percent-encoded", "")


@pytest.mark.parametrize(
    ("database", "description"),
    [
        ("postgresql://u:p%40ss%2F@[::1]:5433/name", "[::1]:5433/name"),
        ("postgresql://u@%2Frun%2Fpostgresql/name", "/run/postgresql:5432/name"),
        ("postgresql:///name?host=/run/postgresql&user=u", "/run/postgresql:5432/name"),
        ("host=a,b dbname=name password='p@ss/w:rd#1'", "a,b:5432/name"),
    ],
)
def test_a_database_is_described_without_user_and_password(database: str, description: str) -> None:
    assert described(database_conninfo(database)) == description


async def test_a_claim_succeeds_where_it_may_not_end_the_connections_of_the_node_before(
    nodes: Nodes, postgres_server: PostgresServer
) -> None:
    """Of another role; here of a superuser, as the role of the test is."""
    _, stream = await nodes.active("a", lease_s=60)
    name = nodes.url.rpartition("/")[2]
    with postgres_server.connect(name) as connection:
        connection.execute("CREATE ROLE modest LOGIN")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO modest")
    try:
        other = Nodes(nodes.url.replace("thingstead@", "modest@")).node("b", lease_s=60)
        await other.join()
        with nodes.connect(stream) as connection:
            async with asyncio.timeout(TIMEOUT_S):
                assert await other.table.claim(other.node, (await other.table.look()).activity) is not None
            connection.execute("SELECT 1")
        await other.close()
    finally:
        with postgres_server.connect(name) as connection:
            connection.execute("DROP OWNED BY modest")
            connection.execute("DROP ROLE modest")
