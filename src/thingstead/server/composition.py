"""The composition root: builds the parts, starts them in order, stops them in reverse.

Nothing below knows how it is put together. Parts start from the store up to the ports and stop the other way round:
first the ports stop accepting, so that what comes after has less to do; requests under way end while devices are still
connected; then devices are told; then what was accepted is committed; last the folder is free again.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from types import ModuleType

import structlog

from thingstead import __version__
from thingstead.bus.local import LocalBus
from thingstead.clock import Clock, SystemClock
from thingstead.config import Config
from thingstead.errors import ConfigError, Conflict, Unavailable
from thingstead.server.backups import back_up_before_migration
from thingstead.server.buffers import shared_buffers
from thingstead.server.folder import DataFolder
from thingstead.server.http import HttpListener
from thingstead.server.listeners import Listeners
from thingstead.server.local.calls import answer
from thingstead.server.local.listener import LocalListener
from thingstead.server.platforms import build_platform, close_services, create_first_project, within
from thingstead.server.running import open_running
from thingstead.services.platform import Platform
from thingstead.services.registry.projects import Credentials
from thingstead.storage.sqlite.store import SqliteStore

log = structlog.get_logger("thingstead.server")


def opening() -> ModuleType:
    """What opens databases. Raises ConfigError if the extra for it is not installed."""
    return _with_extra("opening")


def database_backups() -> ModuleType:
    """Backups of databases. Raises ConfigError if the extra for it is not installed."""
    return _with_extra("backups")


def store_migration() -> ModuleType:
    """Moves of a store into a database, or back. Raises ConfigError if the extra for it is not installed."""
    return _with_extra("migrating")


def _with_extra(module: str) -> ModuleType:
    """A module about databases: imported when a database is configured, since it needs an extra."""
    try:
        return importlib.import_module(f"thingstead.server.cluster.{module}")
    except ModuleNotFoundError as exc:
        if exc.name is None or not exc.name.startswith("psycopg"):
            raise
        raise ConfigError("database: PostgreSQL needs an extra: pip install 'thingstead[postgres]'") from exc


@asynccontextmanager
async def _open_store(folder: DataFolder, clock: Clock, config: Config) -> AsyncIterator[SqliteStore]:
    if config.storage.backup_before_migration:
        await asyncio.to_thread(back_up_before_migration, folder, clock)
    store = await SqliteStore.open(folder.database, clock, config.storage)
    try:
        if not await store.projects.list_all():
            raise ConfigError(f"{folder.database} holds no project: restore it from a backup, or remove it")
        yield store
    finally:
        await within("store", store.close)


async def initialize(config: Config, clock: Clock | None = None) -> Credentials:
    """Creates the data folder, or the tables of the database, with its first project.

    Raises:
        Conflict: it is initialized already, or in use; nothing was changed.
        ConfigError: the folder cannot be used, or has other contents.
    """
    if config.database:
        created: Credentials = await opening().initialize_database(config, clock)
        return created
    folder = DataFolder(config.data_path)
    if not folder.initialized:
        folder.create()
        with folder.lock():
            if not folder.initialized:
                return await _initialize(folder, config, clock or SystemClock())
    raise Conflict("not_done", detail=f"the data folder {folder.path} is initialized already; nothing was changed")


async def _initialize(folder: DataFolder, config: Config, clock: Clock) -> Credentials:
    """Creates the first project in a temporary database, which becomes the folder's database when it is complete and on
    disk."""
    store = await SqliteStore.open(folder.begin_database(), clock, config.storage)
    try:
        credentials = await create_first_project(store, config, clock)
    finally:
        await store.close()
    folder.finish_database()
    return credentials


@asynccontextmanager
async def open_platform(config: Config, clock: Clock | None = None) -> AsyncIterator[Platform]:
    """Opens the services over an initialized data folder or database without any port: for commands that run while the
    server is stopped.

    Raises:
        FolderInUse: a server is running on the folder.
        Conflict: a node is active on the database.
        ConfigError: it is not initialized, or cannot be used.
    """
    if config.database:
        async with opening().open_database_platform(config, clock) as platform:
            yield platform
        return
    folder = DataFolder(config.data_path)
    if not folder.initialized:
        raise ConfigError(f"{folder.path} is not a data folder yet; thingstead init creates one")
    async with AsyncExitStack() as stack:
        stack.enter_context(folder.lock())
        clock = clock or SystemClock()
        store = await stack.enter_async_context(_open_store(folder, clock, config))
        bus = LocalBus()
        stack.push_async_callback(bus.close)
        platform = build_platform(store, bus, clock, config)
        stack.push_async_callback(close_services, platform)
        yield platform


class Server:
    """A running server.

    Attributes:
        platform: its services, for programs and tests that run the server in their own process.
        credentials: of the first project if this start initialized the data folder; otherwise None.
        ports: open TCP ports by the name of their setting.
    """

    def __init__(
        self, platform: Platform, credentials: Credentials | None, http: HttpListener, listeners: Listeners
    ) -> None:
        self.platform = platform
        self.credentials = credentials
        self._http = http
        self._listeners = listeners
        self.ports = listeners.numbers
        self.http_port = self.ports["http_port"]
        self.mqtt_port = self.ports["mqtt_port"]

    def reload_certificates(self) -> None:
        """Reads the TLS certificates again; new connections use them."""
        self._listeners.reload_certificates()

    async def run_until(self, stop: asyncio.Event) -> None:
        """Returns when ``stop`` is set.

        Raises:
            Unavailable: a port was closed unexpectedly.
        """
        stopping = asyncio.ensure_future(stop.wait())
        ended = asyncio.ensure_future(self._http.ended())
        try:
            await asyncio.wait((stopping, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            ended.cancel()
            await asyncio.gather(stopping, ended, return_exceptions=True)
        if not stop.is_set():
            raise Unavailable("not_done", detail="the HTTP port was closed")


@asynccontextmanager
async def open_server(
    config: Config, clock: Clock | None = None, hand_over: Callable[[Credentials], None] = lambda _: None
) -> AsyncIterator[Server]:
    """Runs a server with all ports open inside the block, and stops it at the end of the block. Over a database, it
    waits until this node is the active one.

    A missing or empty data folder is initialized. If the start fails after that, the folder is emptied again, because
    nobody has seen the credentials.

    Args:
        hand_over: called with the credentials of a newly initialized folder; if it fails, the start fails.

    Raises:
        Conflict: a port is in use, or another server uses the folder.
        ConfigError: the configuration or the data folder cannot be used.
    """
    clock = clock or SystemClock()
    if config.database:
        async with opening().open_database_node(config, clock, hand_over) as node:
            await opening().wait_until_active(node)
            yield Server(node.platform, node.credentials, node.http, node.listeners)
        return
    begun_s = clock.monotonic_s()
    folder = DataFolder(config.data_path)
    async with AsyncExitStack() as stack:
        listeners = Listeners(config, clock)
        stack.callback(listeners.close)
        credentials, undo = None, ExitStack()
        if not folder.initialized:
            folder.create()
        stack.enter_context(folder.lock())
        if not folder.initialized:
            credentials = await _initialize(folder, config, clock)
            undo = stack.enter_context(ExitStack())
            undo.callback(folder.discard_database)
        store = await stack.enter_async_context(_open_store(folder, clock, config))
        buffers = shared_buffers(config)
        running = await stack.enter_async_context(open_running(store, config, clock, listeners, buffers))
        gateway = running.gateway
        # Last: GET /healthz answers when everything else is running.
        ports = listeners.of("http", "https")
        http = HttpListener(running.site, ports, config.http, gateway.websocket, gateway.arrivals, buffers)
        stack.push_async_callback(within, "http", http.stop)
        await http.start()
        local = LocalListener(folder.path, partial(answer, running.api, running.platform))
        stack.push_async_callback(within, "local", local.stop)
        await local.start()
        server = Server(running.platform, credentials, http, listeners)
        if credentials is not None:
            hand_over(credentials)
        undo.pop_all()
        took_ms = round((clock.monotonic_s() - begun_s) * 1000)
        log.info(
            "serving",
            version=__version__,
            host=config.host,
            **server.ports,
            data_dir=str(folder.path),
            took_ms=took_ms,
        )
        yield server
        log.info("stopping")
    log.info("stopped")
