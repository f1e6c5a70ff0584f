"""Opens what stands in a PostgreSQL database: as a node, or for one command."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from thingstead import __version__
from thingstead.bus.local import LocalBus
from thingstead.clock import Clock, SystemClock, boot_s
from thingstead.config import Config
from thingstead.errors import ConfigError, Conflict, Unavailable
from thingstead.server.cluster.node import Fenced, Node, NodeStore, elsewhere, open_node
from thingstead.server.platforms import build_platform, close_services, create_first_project, within
from thingstead.services.platform import Platform
from thingstead.services.registry.projects import Credentials
from thingstead.storage.postgres.nodes.conninfo import database_conninfo, described
from thingstead.storage.postgres.nodes.membership import Identity, Membership
from thingstead.storage.postgres.nodes.node_table import NodeRow
from thingstead.storage.postgres.offline.archive import PostgresArchive
from thingstead.storage.postgres.store import PostgresStore


def database_membership(config: Config) -> Membership:
    """This process among the nodes of the configured database. Raises ConfigError if the setting is malformed."""
    name = config.cluster.node_name or socket.gethostname()
    address = config.cluster.node_address or f"{socket.gethostname()}:{config.http_port}"
    conninfo = database_conninfo(config.database, config.database_password_file)
    return Membership(conninfo, Identity(name, address, __version__), config.cluster.lease_s, boot_s)


@asynccontextmanager
async def _open_store(config: Config, clock: Clock, stream: int, fenced: Fenced) -> AsyncIterator[NodeStore]:
    conninfo = database_conninfo(config.database, config.database_password_file)
    store = await PostgresStore.open(conninfo, clock, config.storage, stream=stream, fenced=fenced)
    try:
        yield store
    finally:
        await within("store", store.close)


@asynccontextmanager
async def open_database_node(
    config: Config, clock: Clock | None = None, hand_over: Callable[[Credentials], None] = lambda _: None
) -> AsyncIterator[Node]:
    """Runs a node of the configured database inside the block; see :func:`.open_node`."""
    clock = clock or SystemClock()
    membership = database_membership(config)
    try:
        async with open_node(config, clock, membership, partial(_open_store, config, clock), hand_over) as node:
            yield node
    finally:
        await membership.close()


@asynccontextmanager
async def _active(config: Config, clock: Clock) -> AsyncIterator[NodeStore]:
    """The open store, while this process is the active node.

    Raises:
        Conflict: another node is active.
    """
    async with AsyncExitStack() as stack:
        membership = database_membership(config)
        stack.push_async_callback(membership.close)
        stack.push_async_callback(membership.leave)
        stream = await membership.try_once()
        if stream is None:
            raise Conflict("not_done", detail=elsewhere(membership.seen))
        fenced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        store = await stack.enter_async_context(_open_store(config, clock, stream, _noting(fenced)))
        watching = asyncio.create_task(_watch(membership, store, fenced))
        stack.callback(watching.cancel)
        yield store


def _noting(fenced: "asyncio.Future[str]") -> Fenced:
    return lambda why: None if fenced.done() else fenced.set_result(why)


async def _watch(membership: Membership, store: NodeStore, fenced: "asyncio.Future[str]") -> None:
    """Ends every call of the store once the lease is lost."""
    keeping = asyncio.ensure_future(membership.keep())
    try:
        done, _ = await asyncio.wait((keeping, fenced), return_when=asyncio.FIRST_COMPLETED)
        store.abandon(str(done.pop().result()))
    finally:
        keeping.cancel()


@asynccontextmanager
async def open_database_platform(config: Config, clock: Clock | None = None) -> AsyncIterator[Platform]:
    """Opens the services over an initialized database without any port: for commands that run while no node is active.

    Raises:
        Conflict: a node is active.
        ConfigError: the database is empty, or cannot be used.
        Unavailable: it cannot be reached.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(_active(config, clock))
        if not await store.projects.list_all():
            raise ConfigError(f"the database {_described(config)} is empty; thingstead init --database initializes it")
        bus = LocalBus()
        stack.push_async_callback(bus.close)
        platform = build_platform(store, bus, clock, config)
        stack.push_async_callback(close_services, platform)
        yield platform


async def initialize_database(config: Config, clock: Clock | None = None) -> Credentials:
    """Creates the tables and the first project in an empty database.

    Raises:
        Conflict: it is initialized already, or a node is active; nothing was changed.
        ConfigError: it cannot be used.
        Unavailable: it cannot be reached.
    """
    clock = clock or SystemClock()
    async with _active(config, clock) as store:
        if await store.projects.list_all():
            detail = f"the database {_described(config)} is initialized already; nothing was changed"
            raise Conflict("not_done", detail=detail)
        return await create_first_project(store, config, clock)


async def list_database_nodes(config: Config) -> list[NodeRow]:
    """The nodes of the configured database, the active one first.

    Raises:
        ConfigError: the database cannot be used.
        Unavailable: it cannot be reached.
    """
    membership = database_membership(config)
    try:
        return await membership.list_nodes()
    finally:
        await membership.close()


def open_database_archive(config: Config) -> PostgresArchive:
    """Opens the history in the configured database for reading. Raises ConfigError, or Unavailable."""
    return PostgresArchive(database_conninfo(config.database, config.database_password_file))


async def wait_until_active(node: Node) -> None:
    """Returns when a node is active. Raises what it ended with."""
    active, ended = asyncio.ensure_future(node.active.wait()), asyncio.ensure_future(node.run_until(asyncio.Event()))
    try:
        await asyncio.wait((active, ended), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            await ended
            raise Unavailable("standby")
    finally:
        for waiting in (active, ended):
            waiting.cancel()
        await asyncio.gather(active, ended, return_exceptions=True)


def _described(config: Config) -> str:
    return described(database_conninfo(config.database))
