"""The tables of the nodes, one method a transaction."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

import psycopg
import structlog

from thingstead.storage.postgres.nodes.connection import NodeConnection
from thingstead.storage.postgres.nodes.lease import Activity

log = structlog.get_logger("thingstead.cluster")

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

ADVISORY_LOCK = 0x7468696E67_00  # "thing": whoever creates these objects or claims
_OBJECTS = Path(__file__).with_name("nodes.sql").read_bytes()
_THERE = "SELECT to_regprocedure('fence(bigint)') IS NOT NULL"
_LOCK = "SELECT pg_advisory_xact_lock(%s)"
_JOIN = "INSERT INTO nodes (name, address, version) VALUES (%s, %s, %s) RETURNING id"
_RENEW = "UPDATE nodes SET renewed = renewed + 1, renewed_at = clock_timestamp() WHERE id = %s AND active = %s"
_LOOK = """
SELECT pg_postmaster_start_time()::text, n.id, n.renewed, n.name, n.address
FROM (VALUES (1)) AS one LEFT JOIN nodes AS n ON n.active
"""
_ACTIVE = "SELECT id, renewed FROM nodes WHERE active FOR UPDATE"
_FORGET = "DELETE FROM nodes WHERE id = ANY(%s)"
_FORGET_SILENT = "DELETE FROM nodes WHERE NOT active AND renewed_at < clock_timestamp() - interval '1 hour'"
_SEVER = """
SELECT pg_terminate_backend(a.pid)
FROM pg_stat_activity AS a JOIN streams AS s ON a.application_name = 'thingstead/' || s.id
WHERE s.open AND a.datname = current_database() AND a.pid <> pg_backend_pid()
"""
_CLOSE = "UPDATE streams SET open = false, closed_at = clock_timestamp() WHERE open"
_CLOSE_OF = "UPDATE streams SET open = false, closed_at = clock_timestamp() WHERE open AND node = %s"
_OPEN = "INSERT INTO streams (node, open) VALUES (%s, true) RETURNING id"
_ACTIVATE = "UPDATE nodes SET active = true, renewed = renewed + 1, renewed_at = clock_timestamp() WHERE id = %s"
_LIST = """
SELECT id, name, address, version, active, joined_at,
    (extract(epoch FROM clock_timestamp() - renewed_at) * 1000)::bigint FROM nodes ORDER BY active DESC, name, id
"""


class Seen(NamedTuple):
    """The active node, as one query shows it."""

    server: str  # the start of the database server
    activity: Activity | None
    name: str = ""
    address: str = ""


class NodeRow(NamedTuple):
    """A node, for people."""

    id: int
    name: str
    address: str
    version: str
    active: bool
    joined_at: datetime
    silent_ms: int  # since its last renewal, by the clock of the database


class NodeTable:
    """Statements on the tables of the nodes. Methods raise what :meth:`NodeConnection.call` raises."""

    def __init__(self, connection: NodeConnection) -> None:
        self._connection = connection

    async def exists(self) -> bool:
        """Whether the tables are there."""

        async def work(connection: Connection) -> bool:
            return bool(await _value(connection, _THERE))

        return await self._connection.call(work)

    async def create(self) -> None:
        """Creates the tables, unless somebody else does."""
        await self._connection.call(_create)

    async def join(self, name: str, address: str, version: str) -> int:
        """Adds a node that stands by. Returns its id."""

        async def work(connection: Connection) -> int:
            return int(await _value(connection, _JOIN, name, address, version))

        return await self._connection.call(work)

    async def renew(self, node: int, *, active: bool) -> bool:
        """Counts a renewal. False: the node was declared dead, or is not what it takes itself for."""

        async def work(connection: Connection) -> bool:
            if active:
                await connection.execute(_FORGET_SILENT)
            return (await connection.execute(_RENEW, (node, active))).rowcount == 1

        return await self._connection.call(work)

    async def look(self) -> Seen:
        """The active node now."""

        async def work(connection: Connection) -> Seen:
            row = await _row(connection, _LOOK)
            if row[1] is None:
                return Seen(row[0], None)
            return Seen(row[0], Activity(row[1], row[2]), row[3], row[4])

        return await self._connection.call(work)

    async def claim(self, node: int, expected: Activity | None) -> int | None:
        """Makes a node the active one if what is active is still as expected. Ends the connections of the activity
        before, waits for its commits in flight, and closes its stream.

        Returns:
            The stream of the new activity; None: another node was faster, or the expected one is alive.
        """

        async def work(connection: Connection) -> int | None:
            async with connection.transaction():
                await connection.execute(_LOCK, (ADVISORY_LOCK,))
                found = await (await connection.execute(_ACTIVE)).fetchall()
                if [Activity(*row) for row in found] != ([] if expected is None else [expected]):
                    return None
                await _sever(connection)
                await connection.execute(_FORGET, ([row[0] for row in found],))
                await connection.execute(_CLOSE)
                stream = int(await _value(connection, _OPEN, node))
                if (await connection.execute(_ACTIVATE, (node,))).rowcount != 1:
                    raise psycopg.errors.NoData("the row of this node is gone")  # undoes the transaction
                return stream

        return await self._connection.call(work)

    async def leave(self, node: int) -> None:
        """Removes a node; if it is active, closes its stream first. Nothing happens if it was removed already."""

        async def work(connection: Connection) -> None:
            async with connection.transaction():
                await connection.execute(_CLOSE_OF, (node,))
                await connection.execute(_FORGET, ([node],))

        await self._connection.call(work)

    async def list_all(self) -> list[NodeRow]:
        """Every node, the active one first; none where the tables are missing."""

        async def work(connection: Connection) -> list[NodeRow]:
            if not await _value(connection, _THERE):
                return []
            return [NodeRow(*row) for row in await (await connection.execute(_LIST)).fetchall()]

        return await self._connection.call(work)


async def _create(connection: Connection) -> None:
    async with connection.transaction():
        await connection.execute(_LOCK, (ADVISORY_LOCK,))
        await connection.execute(_OBJECTS)


async def _sever(connection: Connection) -> None:
    """Ends the connections of the activity before. Of another role it may not end them: then they end by the limit of
    their idle transactions."""
    try:
        async with connection.transaction():
            await connection.execute(_SEVER)
    except psycopg.errors.InsufficientPrivilege:
        log.warning("connections of the node before belong to another role and cannot be ended; give nodes one role")


async def _row(connection: Connection, sql: LiteralString, *parameters: object) -> Sequence[Any]:
    row = await (await connection.execute(sql, parameters or None)).fetchone()
    assert row is not None  # these statements return one row
    return row


async def _value(connection: Connection, sql: LiteralString, *parameters: object) -> Any:
    return (await _row(connection, sql, *parameters))[0]
