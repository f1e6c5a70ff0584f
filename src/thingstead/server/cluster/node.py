"""One node of several: its HTTP ports always answer; everything else runs while it is the active one.

standby → active: the place is free, the claim is committed; the store is opened, MQTT and TCP ports listen, and last
the HTTP ports answer with the site. active → standby: the lease was lost, or the store met a closed stream; nothing is
answered from that moment on, connections are aborted, and every part is closed and built anew at the next activity.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar

import structlog

from thingstead import __version__
from thingstead.api.standby import OUTCOME_UNKNOWN, create_standby_app
from thingstead.broker.net.admission import Arrivals
from thingstead.clock import Clock
from thingstead.config import Config
from thingstead.errors import ConfigError, Conflict, ThingsteadError, Unavailable
from thingstead.metrics import Metrics
from thingstead.model.health import HealthWarning, health_warning
from thingstead.server.buffers import shared_buffers
from thingstead.server.cluster.front import Front
from thingstead.server.folder import DataFolder
from thingstead.server.http import HttpListener
from thingstead.server.listeners import Listeners
from thingstead.server.local.calls import LocalAnswer, LocalCall, NodeState, answer, answered, refused
from thingstead.server.local.listener import LocalListener
from thingstead.server.platforms import create_first_project, within
from thingstead.server.running import WorkingServer, open_running
from thingstead.services.platform import Platform
from thingstead.services.registry.projects import Credentials
from thingstead.storage.base import Store
from thingstead.storage.postgres.nodes.membership import Membership
from thingstead.storage.postgres.nodes.node_table import Seen

log = structlog.get_logger("thingstead.cluster")
T = TypeVar("T")

ACTIVE_KINDS = ("mqtt", "mqtts", "open", "tcp", "tcps")  # of ports that listen on the active node alone
HANDOVER_TIMEOUT_S = 0.3  # at the end of an activity: for answers under way, and for clients to read their last packets
SETTLE_TIMEOUT_S = 10.0  # before a hand-over, while it still serves: for packing what the next node would have to read
RETRY_S, RETRIES_S = 1.0, 5.0  # after an activity that could not begin: at first, and at most


class NodeStore(Store, Protocol):
    """A store that several nodes share."""

    def abandon(self, why: str) -> None:
        """Fails whatever waits and whatever is asked for later with Unavailable, at once; the node is not active any
        more."""
        ...

    async def settle_log(self, timeout_s: float) -> None:
        """Packs what is in the log, so that the node that follows has little to read; for at most so long."""
        ...


Fenced = Callable[[str], None]  # called by a store, with the reason, when its stream is closed or an outcome not known
OpenStore = Callable[[int, Fenced], AbstractAsyncContextManager[NodeStore]]  # of a stream


class Node:
    """A node that runs.

    Attributes:
        ports: TCP ports by the name of their setting; those of MQTT and TCP listen while the node is active.
        active: set while it is active and all its ports listen.
        credentials: of the first project if this node initialized the database; otherwise None.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        listeners: Listeners,
        membership: Membership,
        open_store: OpenStore,
        hand_over: Callable[[Credentials], None],
    ) -> None:
        self._config = config
        self._clock = clock
        self.listeners = listeners
        self.credentials: Credentials | None = None
        self._membership = membership
        self._open_store = open_store
        self._hand_over = hand_over
        self._activities = 0  # begun so far
        self._pause_s = RETRY_S
        self._buffers = shared_buffers(config)
        self._arrivals = Arrivals(clock, held=membership.lease.held)
        metrics = Metrics()
        metrics.read("thingstead_build_info", lambda: {(__version__,): 1})
        metrics.read("thingstead_node_active", lambda: 0)
        standby = create_standby_app(config.http, metrics, self._warnings)
        self.front = Front(standby, membership.lease.held, OUTCOME_UNKNOWN)
        self.http = HttpListener(
            self.front, listeners.of("http", "https"), config.http, None, self._arrivals, self._buffers
        )
        self.ports = listeners.numbers
        self.http_port, self.mqtt_port = self.ports["http_port"], self.ports["mqtt_port"]
        self.active = asyncio.Event()
        self._running: WorkingServer | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def platform(self) -> Platform:
        """The services. Raises Unavailable while the node stands by."""
        if self._running is None:
            raise Unavailable("standby")
        return self._running.platform

    def reload_certificates(self) -> None:
        """Reads the TLS certificates again; new connections use them."""
        self.listeners.reload_certificates()

    def start(self) -> None:
        """Begins to stand by."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="node")

    async def stop(self) -> None:
        """Ends the activity in order, and gives the lease up last, so that another node takes over at once."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def run_until(self, stop: asyncio.Event) -> None:
        """Returns when ``stop`` is set.

        Raises:
            ThingsteadError: the node cannot go on.
        """
        assert self._task is not None  # it was started
        stopping = asyncio.ensure_future(stop.wait())
        ended = asyncio.ensure_future(self.http.ended())
        try:
            await asyncio.wait((stopping, ended, self._task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancelled(stopping, ended)
        if self._task.done():
            self._task.result()  # raises why
        elif not stop.is_set():
            raise Unavailable("not_done", detail="the HTTP port was closed")

    async def answer(self, call: LocalCall) -> LocalAnswer:
        """Answers a command on this machine."""
        if call.operation == "node":
            return await answered(self._state())
        if self._running is None:
            return refused(Conflict("not_done", detail=elsewhere(self._membership.seen)))
        found = await answer(self._running.api, self._running.platform, call)
        if not self._membership.lease.held():
            return refused(Unavailable("outcome_unknown"))
        return found

    async def _state(self) -> NodeState:
        state = "active" if self.front.serving else "standby"
        return NodeState(name=self._membership.identity.name, state=state, trouble=self._membership.trouble)

    def _warnings(self) -> list[HealthWarning]:
        found = [health_warning("database_not_reached")] if self._membership.trouble else []
        return [*found, *self._arrivals.warnings(), *self.listeners.warnings()]

    async def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                stream = await self._first(self._membership.stand_by())
                if stream is not None:
                    await self._be_active(stream)
        finally:
            await self._membership.leave()

    async def _first(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What the work returns; None if the node is to stop before."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            await _cancelled(working, stopping)

    async def _be_active(self, stream: int) -> None:
        """One activity, until it ends for any reason. Then the lease is given up."""
        activity = _Activity()
        loop = asyncio.get_running_loop()
        keeping = loop.create_task(self._membership.keep(), name="lease")
        running = loop.create_task(self._serve(stream, activity), name="activity")
        stopping = loop.create_task(self._stopping.wait())
        try:
            watched = (keeping, running, stopping, activity.fenced)
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done() and self.active.is_set():
                await self._settle_log(activity, keeping, running)
            self.front.retire()
            self.http.make_websocket = None
            self.active.clear()
            if stopping.done() and not keeping.done() and not activity.fenced.done():
                log.info("handing over")
                await self.front.wait_idle(HANDOVER_TIMEOUT_S)
            elif not running.done():
                self._lose(activity, keeping)
            running.cancel()
            await asyncio.wait([running])
        finally:
            self._running = None
            await _cancelled(keeping, stopping, running, activity.fenced)
            await self._membership.leave()
        await self._settle(running)

    async def _settle_log(self, activity: "_Activity", *ends: "asyncio.Task[Any]") -> None:
        """Makes what the next node reads small, while everything is still served, unless the database is away."""
        store = activity.store
        if store is None or store.trouble() is not None:
            return
        settling = asyncio.ensure_future(store.settle_log(SETTLE_TIMEOUT_S))
        await asyncio.wait((settling, *ends, activity.fenced), return_when=asyncio.FIRST_COMPLETED)
        settling.cancel()

    def _lose(self, activity: "_Activity", keeping: "asyncio.Task[str]") -> None:
        """Stops answering at once, whatever is under way."""
        self._membership.lease.end()
        if activity.fenced.done():
            why = activity.fenced.result()
        else:
            error = keeping.exception()
            why = keeping.result() if error is None else f"{type(error).__name__}: {error}"
        log.error("not active any more", reason=why)
        if activity.store is not None:
            activity.store.abandon(why)

    async def _settle(self, running: "asyncio.Task[None]") -> None:
        """Raises what the node cannot go on with; after what may be over soon it waits a little."""
        error = None if running.cancelled() else running.exception()
        if error is None:
            return
        if isinstance(error, ConfigError) or not isinstance(error, ThingsteadError):
            raise error
        log.error("the node could not serve; another one may take over", error=error.message)
        await self._first(asyncio.sleep(self._pause_s))
        self._pause_s = min(2 * self._pause_s, RETRIES_S)

    async def _serve(self, stream: int, activity: "_Activity") -> None:
        """Opens every part, serves until it is cancelled, and closes every part."""
        begun_s = self._clock.monotonic_s()
        async with AsyncExitStack() as stack:
            if self._activities:
                self.listeners.bind_again(*ACTIVE_KINDS)
            self._activities += 1
            store = activity.store = await stack.enter_async_context(self._open_store(stream, activity.fence))
            await self._initialize(store)
            running = await stack.enter_async_context(
                open_running(
                    store,
                    self._config,
                    self._clock,
                    self.listeners,
                    self._buffers,
                    self._arrivals,
                    stop_timeout_s=HANDOVER_TIMEOUT_S,
                )
            )
            self._running = running
            self.http.make_websocket = running.gateway.websocket
            self.front.serve(running.site)
            self.active.set()
            self._pause_s = RETRY_S
            took_ms = round((self._clock.monotonic_s() - begun_s) * 1000)
            host = self._config.host
            log.info("serving", version=__version__, host=host, **self.ports, stream=stream, took_ms=took_ms)
            await asyncio.Event().wait()

    async def _initialize(self, store: Store) -> None:
        """Creates the first project of an empty database."""
        if not await store.projects.list_all():
            credentials = await create_first_project(store, self._config, self._clock)
            try:
                self._hand_over(credentials)
                self.credentials = credentials
            except ThingsteadError as exc:
                todo = "nobody has seen the credentials of the new project: empty the database, and start again"
                raise ConfigError(f"{exc.message}; {todo}") from exc


def elsewhere(seen: Seen | None) -> str:
    """Why this process cannot work on the database, and where a command can."""
    if seen is None or not seen.name:
        return "no node is active on this database now; try again"
    return f"node {seen.name} ({seen.address}) is active on this database: run the command there, on its data folder"


class _Activity:
    """What is shared between the parts of one activity."""

    def __init__(self) -> None:
        self.store: NodeStore | None = None  # once it is open
        self.fenced: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def fence(self, why: str) -> None:
        """Called by the store: it can commit nothing any more."""
        if not self.fenced.done():
            self.fenced.set_result(why)


async def _cancelled(*futures: "asyncio.Future[Any]") -> None:
    """Cancels what is not done, and waits until it is."""
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)


@asynccontextmanager
async def open_node(
    config: Config,
    clock: Clock,
    membership: Membership,
    open_store: OpenStore,
    hand_over: Callable[[Credentials], None] = lambda _: None,
) -> AsyncIterator[Node]:
    """Runs a node inside the block: its HTTP ports answer, and it stands by or is active. At the end of the block it
    hands over and stops.

    Args:
        hand_over: called with the credentials of a newly initialized database; if it fails, the node ends.

    Raises:
        Conflict: a port is in use, or another server uses the folder.
        ConfigError: the configuration, the folder or the database cannot be used.
    """
    folder = DataFolder(config.data_path)
    async with AsyncExitStack() as stack:
        if folder.initialized:
            raise ConfigError(
                f"{folder.path} holds the database of a single server: give a node another data_dir for its own files"
            )
        folder.create()
        stack.enter_context(folder.lock())
        listeners = Listeners(config, clock)
        stack.callback(listeners.close)
        with suppress(Unavailable):  # tried again while it stands by
            await membership.join()
        node = Node(config, clock, listeners, membership, open_store, hand_over)
        stack.push_async_callback(within, "http", node.http.stop)
        await node.http.start()
        local = LocalListener(folder.path, node.answer)
        stack.push_async_callback(within, "local", local.stop)
        await local.start()
        stack.push_async_callback(within, "node", node.stop)
        node.start()
        log.info("node started", version=__version__, host=config.host, **node.ports, data_dir=str(folder.path))
        yield node
        log.info("stopping")
    log.info("stopped")
