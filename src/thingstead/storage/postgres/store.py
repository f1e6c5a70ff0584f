"""The store of several nodes, of which one is active: a PostgreSQL database."""

import asyncio
from collections.abc import Callable

import psycopg
import structlog

from thingstead.clock import Clock
from thingstead.config import StorageSettings
from thingstead.errors import ConfigError, Unavailable
from thingstead.model.health import HealthWarning
from thingstead.repeating import Repeating
from thingstead.storage.postgres import upkeep
from thingstead.storage.postgres.engine.connection import connect
from thingstead.storage.postgres.engine.database import CLOSE_TIMEOUT_S, WRITE_TIMEOUT_MS, PostgresDatabase
from thingstead.storage.postgres.nodes.conninfo import described
from thingstead.storage.postgres.schema import prepare
from thingstead.storage.sql.store import SqlStore

log = structlog.get_logger("thingstead.storage")

UPKEEP_INTERVAL_S = 60.0  # between two looks whether the database is cleaned up
PROBE_INTERVAL_S = 1.0  # between two looks whether a database that could not be written can be written again


class PostgresStore(SqlStore):
    """See :class:`~thingstead.storage.base.Store`. Use :meth:`open`; also an async context manager."""

    def __init__(self, database: PostgresDatabase, clock: Clock) -> None:
        super().__init__(database, clock)
        self._database = database
        self._watch = Repeating("the database", self._look, PROBE_INTERVAL_S)
        self._upkeep = upkeep.Upkeep()
        self._settling: asyncio.Future[None] | None = None
        self._upkeep_watch = Repeating("upkeep of the database", self._look_at_upkeep, UPKEEP_INTERVAL_S, at_start=True)

    @classmethod
    async def open(
        cls,
        conninfo: str,
        clock: Clock,
        settings: StorageSettings = StorageSettings(),  # noqa: B008 - frozen
        *,
        stream: int | None = None,
        fenced: Callable[[str], None] = lambda why: None,
    ) -> "PostgresStore":
        """Opens the database; creates or migrates its schema if needed.

        Args:
            conninfo: of libpq.
            stream: of the activity of this node: every write holds it open. None: no other node writes.
            fenced: called on the event loop, once, when the activity must end, with the reason: another node has
                become active, or the outcome of a commit cannot be known. The store then refuses everything.

        Raises:
            ConfigError: the database cannot be used: an old server, another encoding, a role without rights, tables of
                another program, or a schema of a newer release.
            Unavailable: it cannot be reached or written now.
        """
        begun_s = clock.monotonic_s()
        await asyncio.to_thread(_prepare, conninfo, clock.now_ms())
        store = cls(PostgresDatabase(conninfo, stream=stream, fenced=fenced, clock=clock), clock)
        try:
            await store.history.open()
            store._watch.start()
            store._upkeep_watch.start()
        except BaseException:
            await store._database.close()
            raise
        took_ms = round((clock.monotonic_s() - begun_s) * 1000)
        log.info("store opened", database=described(conninfo), took_ms=took_ms)
        return store

    def abandon(self, why: str) -> None:
        """Fails every waiting and later read and write at once: this node is not active any more."""
        self._database.abandon(why)

    async def settle_log(self, timeout_s: float) -> None:
        """Packs what is in the log, so that the node that follows has little to read, and ends what runs behind the
        reports, so that closing waits for nothing. Reports go on meanwhile. Returns after ``timeout_s`` at the latest.
        """
        self._settling = settling = asyncio.ensure_future(self._settle_log())
        await asyncio.wait([settling], timeout=timeout_s)

    async def _settle_log(self) -> None:
        packer = self.history.packer
        await packer.task.attempt()
        await packer.close()
        await self._database.read_for_packing(lambda connection: None)  # behind what was interrupted
        await self._database.write(lambda connection: None)

    async def _look(self) -> None:
        if self._database.trouble() is not None:
            await self._database.probe()

    async def _look_at_upkeep(self) -> None:
        found = await self._database.read(upkeep.look)
        before = {warning.code for warning in self._upkeep.warnings()}
        self._upkeep = found
        for warning in self._upkeep.warnings():
            if warning.code not in before:
                log.warning("the database needs attention", code=warning.code, reason=warning.message)

    async def database_bytes(self) -> int | None:
        sql = "SELECT pg_database_size(current_database())"
        return int((await self._database.read(lambda connection: connection.execute(sql).fetchone()))[0])

    def warnings(self) -> list[HealthWarning]:
        return [*super().warnings(), *self._upkeep.warnings()]

    async def close(self) -> None:
        """Commits accepted writes, then closes the connections. A database that does not answer is not waited for."""
        await self._watch.close()
        await self._upkeep_watch.close()
        if self._settling is not None:
            self._settling.cancel()
            await asyncio.gather(self._settling, return_exceptions=True)
        closing = asyncio.ensure_future(super().close())
        await asyncio.wait([closing], timeout=CLOSE_TIMEOUT_S)
        if not closing.done():
            self.abandon("the store is closing, and the database does not answer")
        await closing


def _prepare(conninfo: str, now_ms: int) -> None:
    """Checks the database, and creates or migrates its schema."""
    try:
        connection = connect(conninfo, "thingstead/schema", WRITE_TIMEOUT_MS)
    except psycopg.OperationalError as exc:
        raise _unreachable(conninfo, exc) from None  # the context has the connection string
    try:
        prepare(connection, now_ms=now_ms)
    except psycopg.Error as exc:
        raise _unreachable(conninfo, exc) from exc
    finally:
        connection.close()


def _unreachable(conninfo: str, exc: psycopg.Error) -> ConfigError | Unavailable:
    text = " ".join(str(exc).split())
    message = f"database {described(conninfo)}: {text}"
    if any(each in text for each in ("authentication failed", "does not exist", "no pg_hba.conf entry", "certificate")):
        return ConfigError(message)
    return Unavailable("database_unusable", detail=message)
