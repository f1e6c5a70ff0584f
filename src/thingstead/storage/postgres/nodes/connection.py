"""A connection of its own for the lease: no wait on it is without an end."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from thingstead.errors import ConfigError, Unavailable
from thingstead.storage.postgres.nodes.conninfo import described

T = TypeVar("T")
APPLICATION_NAME = "thingstead/node"
# States in which a retry cannot help: what somebody must set right first.
_REFUSED = (
    psycopg.errors.InvalidAuthorizationSpecification,
    psycopg.errors.InvalidCatalogName,
    psycopg.errors.InsufficientPrivilege,
)
_REFUSED_TEXTS = (
    "authentication failed",
    "certificate verify failed",
    "does not exist",
    "pg_hba.conf",
    "does not support SSL",
    "no password supplied",
)


class NodeConnection:
    """One connection to the database, made when it is needed, and made again after any failure.

    Attributes:
        timeout_s: for one call. After it the socket is shut down: a server that is stopped, or a network that is cut,
            would otherwise hold the caller for as long as it lasts.
    """

    def __init__(self, conninfo: str, timeout_s: float) -> None:
        # The server ends a statement as well: one that waits for a lock does not see that its client has gone, and
        # each call after it would leave another of them.
        given = conninfo_to_dict(conninfo).get("options") or ""
        options = f"{given} -c statement_timeout={round(timeout_s * 1000)}".strip()
        self._conninfo = make_conninfo(conninfo, application_name=APPLICATION_NAME, options=options)
        self.timeout_s = timeout_s
        self._connection: psycopg.AsyncConnection[tuple[object, ...]] | None = None
        self.described = described(conninfo)

    async def call(self, work: Callable[["psycopg.AsyncConnection[tuple[object, ...]]"], Awaitable[T]]) -> T:
        """Runs statements.

        Raises:
            ConfigError: the database refuses this program, and will do so again.
            Unavailable: it cannot be reached now, or did not answer in time; whether the statements had an effect is
                not known.
        """
        timer: asyncio.TimerHandle | None = None
        due_s = 0.0
        loop = asyncio.get_running_loop()
        try:
            connection = await self._connected()
            due_s = loop.time() + self.timeout_s
            timer = loop.call_at(due_s, _sever, connection)
            return await work(connection)
        except (psycopg.Error, OSError) as exc:  # TimeoutError is an OSError
            await self.close()
            raise self._failure(exc, late=timer is not None and loop.time() >= due_s) from exc
        except BaseException:
            await self.close()
            raise
        finally:
            if timer is not None:
                timer.cancel()

    async def _connected(self) -> "psycopg.AsyncConnection[tuple[object, ...]]":
        if self._connection is None:
            async with asyncio.timeout(self.timeout_s):
                self._connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        return self._connection

    def _failure(self, exc: Exception, *, late: bool) -> ConfigError | Unavailable:
        text = " ".join(str(exc).split()) or type(exc).__name__
        if late or isinstance(exc, TimeoutError | psycopg.errors.QueryCanceled):
            text = "it did not answer in time"
        refused = isinstance(exc, _REFUSED) or any(each in text for each in _REFUSED_TEXTS)
        if refused and not isinstance(exc, psycopg.errors.AdminShutdown):
            return ConfigError(f"database {self.described}: {text}")
        return Unavailable("not_done", detail=f"database {self.described}: {text}")

    async def close(self) -> None:
        """Closes the connection; a later call makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()


def _sever(connection: "psycopg.AsyncConnection[tuple[object, ...]]") -> None:
    """Ends a wait for the server: libpq sees the end of its connection."""
    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)
