"""A node among the nodes of a database: stands by, becomes active, keeps its lease, leaves."""

import asyncio
import math
from collections.abc import Callable
from typing import NamedTuple

import psycopg
import structlog

from thingstead.errors import ThingsteadError, Unavailable
from thingstead.storage.postgres.nodes.connection import NodeConnection
from thingstead.storage.postgres.nodes.lease import Lease, Observation
from thingstead.storage.postgres.nodes.node_table import NodeRow, NodeTable, Seen
from thingstead.storage.postgres.schema import check_server, too_few_rights, version_of

log = structlog.get_logger("thingstead.cluster")

POLL_S = 0.1  # between two looks at the active node
LEAVE_TIMEOUT_S = 2.0


class Identity(NamedTuple):
    """What people see of a node."""

    name: str
    address: str
    version: str


class Membership:
    """One node. Its methods are called by one task, one after the other.

    Attributes:
        lease: of this node; held while it may answer.
        node: id of this run in the table; 0: it has not joined.
        seen: the active node at the last look; None: never looked.
        trouble: why the database could not be asked last; empty: it was.
    """

    def __init__(self, conninfo: str, identity: Identity, lease_s: float, reading_s: Callable[[], float]) -> None:
        self.lease = Lease(lease_s, reading_s)
        self.identity = identity
        self.node = 0
        self.seen: Seen | None = None
        self.trouble = ""
        self._conninfo = conninfo
        self._connection = NodeConnection(conninfo, self.lease.renewal_s)
        self.table = NodeTable(self._connection)
        self._second = NodeConnection(conninfo, self.lease.renewal_s)  # for questions of people
        self._asking = asyncio.Lock()
        self._observation = Observation(lease_s)
        self._renewed_s = 0.0  # reading of the last renewal while standing by

    async def join(self) -> None:
        """Adds this node to the table.

        Raises:
            ConfigError: the database refuses this program.
            Unavailable: it cannot be reached now.
        """
        if not await self.table.exists():
            await asyncio.to_thread(_check, self._conninfo)
            await self.table.create()
        self.node = await self.table.join(*self.identity)
        self._renewed_s = self.lease.reading_s()
        log.info("joined", node=self.node, name=self.identity.name, database=self._connection.described)

    async def stand_by(self) -> int:
        """Returns the stream of this node when it has become active; :attr:`lease` is held then. Goes on while the
        database cannot be reached.

        Raises:
            ConfigError: the database refuses this program, and never answered it.
        """
        while True:
            try:
                stream = await self._try()
            except ThingsteadError as exc:
                if not isinstance(exc, Unavailable) and self.seen is None:
                    raise
                self._observation.fail()
                if not self.trouble:
                    log.warning("the database cannot be asked; trying again", error=exc.message)
                self.trouble = exc.message
            else:
                if self.trouble:
                    log.info("the database answers again")
                self.trouble = ""
                if stream is not None:
                    return stream
            await asyncio.sleep(POLL_S)

    async def try_once(self) -> int | None:
        """The stream of this node if nobody is active now and nothing must be waited for; otherwise None.

        Raises:
            Unavailable: the database cannot be reached now.
        """
        if not self.node:
            await self.join()
        self.seen = await self.table.look()
        return await self._claim(self.seen) if self.seen.activity is None else None

    async def _try(self) -> int | None:
        if not self.node:
            await self.join()
        now_s = self.lease.reading_s()
        if now_s - self._renewed_s >= self.lease.renewal_s:
            self._renewed_s = now_s
            if not await self.table.renew(self.node, active=False):
                await self._leave()  # forgotten by others, or active by a claim whose outcome was not known
                return None
        seen = self.seen = await self.table.look()
        free = self._observation.see(seen.activity, seen.server, self.lease.reading_s())
        return await self._claim(seen) if free else None

    async def _claim(self, seen: Seen) -> int | None:
        sent_s = self.lease.reading_s()
        stream = await self.table.claim(self.node, seen.activity)
        if stream is None:
            return None
        self.lease.begin(sent_s)
        if not self.lease.held():  # it took longer than the lease
            await self._leave()
            return None
        taken = seen.name if seen.activity is not None else ""
        log.info("active", node=self.node, stream=stream, **({"instead_of": taken} if taken else {}))
        return stream

    async def keep(self) -> str:
        """Renews the lease. Returns why it ended: nothing may be answered any more."""
        lease = self.lease
        self._renewed_s = -math.inf  # afterwards the first look renews, which shows what this node is by then
        while lease.held():
            sent_s = lease.reading_s()
            self._connection.timeout_s = max(POLL_S, min(lease.renewal_s, lease.left_s))
            try:
                renewed = await self.table.renew(self.node, active=True)
            except ThingsteadError as exc:
                if not self.trouble:
                    log.warning("the lease could not be renewed; trying again", error=exc.message, left_s=lease.left_s)
                self.trouble = exc.message
                await asyncio.sleep(min(POLL_S, lease.left_s))
                continue
            self.trouble = ""
            if not renewed:
                lease.end()
                self.node = 0  # its row was removed by the claim
                return "another node took over"
            lease.renew(sent_s)
            await asyncio.sleep(max(0.0, min(sent_s + lease.renewal_s - lease.reading_s(), lease.left_s)))
        return f"the lease could not be renewed for {lease.lease_s:g} s"

    async def leave(self) -> None:
        """Gives up what this node has, so that another may take over at once. If the database cannot be reached, others
        wait for the end of the lease."""
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._leave()
        except (ThingsteadError, TimeoutError) as exc:
            log.warning("the lease could not be given up; it ends by itself", error=str(exc) or "timed out")
        finally:
            self.lease.end()

    async def _leave(self) -> None:
        self.lease.end()
        self._connection.timeout_s = self.lease.renewal_s
        if self.node:
            await self.table.leave(self.node)
            self.node = 0

    async def list_nodes(self) -> list[NodeRow]:
        """Every node, the active one first. Raises Unavailable."""
        async with self._asking:
            return await NodeTable(self._second).list_all()

    async def close(self) -> None:
        """Closes the connections."""
        await self._connection.close()
        await self._second.close()


def _check(conninfo: str) -> None:
    """Checks a database before anything is created in it. Raises ConfigError or Unavailable."""
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            check_server(connection)
            version_of(connection)
    except psycopg.errors.InsufficientPrivilege as exc:
        raise too_few_rights(exc) from exc
    except psycopg.Error as exc:
        raise Unavailable("database_unusable", detail=" ".join(str(exc).split())) from exc
