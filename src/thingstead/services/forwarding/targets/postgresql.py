"""PostgreSQL: a row for each message, by ``COPY`` into a temporary table and ``INSERT … ON CONFLICT DO NOTHING``.

The primary key begins with the id of a message, so one that is sent again changes nothing. With TimescaleDB a table
that is created here becomes a hypertable.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from thingstead.model.forwarding.configs.postgresql import PostgresqlConfig
from thingstead.model.forwarding.message import ForwardMessage
from thingstead.model.forwarding.target import ANSWER_BYTES
from thingstead.refusals import reason
from thingstead.services.forwarding.target import OpenContext, PermanentFailure, TargetRefusal, TransientFailure
from thingstead.services.forwarding.targets.postgresql_login import LoginScreen, ask_for_tls, context_of
from thingstead.services.outbound.http import SendFailed
from thingstead.services.outbound.relay import Relay

TIMEOUT_S = 10  # of a connection, and of a statement
ANSWERS_MAX_BYTES = 1_048_576  # of what a server sends at log-in, or for one batch
MISSING = "/nonexistent"  # in place of files of the operator, which a tenant's server must not get
COLUMNS = ("id", "ts", "kind", "device_id", "device_key", "device_name", "type_id", "content")
# Classes of errors (SQLSTATE): of the data, so that the message is refused for good; others may be mended.
DATA_CLASSES = ("22", "23")
MENDABLE_CLASSES = ("28", "3D", "3F", "42")  # the log-in, the database, the schema, rights and tables
# The same at the log-in, of which the driver tells the text alone; and TLS.
_MENDABLE = re.compile(r"authentication failed|does not exist|pg_hba\.conf|certificate|SSL|no password supplied")
_WHERE = re.compile(
    r'connection failed: |connection to server at "[^"]*"(?: \([^)]*\))?, port \d+ failed: '
)  # of the relay
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_CREATE = """
CREATE TABLE {table} (
    id text NOT NULL, ts timestamptz NOT NULL, kind text NOT NULL, device_id text NOT NULL, device_key text NOT NULL,
    device_name text NOT NULL, type_id text NOT NULL, content jsonb NOT NULL, PRIMARY KEY (id, ts)
)
"""
_INDEX = "CREATE INDEX ON {table} (device_id, ts)"
_TEMPORARY = """
CREATE TEMPORARY TABLE IF NOT EXISTS thingstead_batch (
    id text, ts timestamptz, kind text, device_id text, device_key text, device_name text, type_id text, content jsonb
) ON COMMIT DELETE ROWS
"""
_HAS_TIMESCALE = "SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'"
_HYPERTABLE = "SELECT create_hypertable(%s::regclass, 'ts')"
_EXISTS = "SELECT to_regclass(%s) IS NOT NULL"
_COPY = "COPY thingstead_batch ({columns}) FROM STDIN"
_INSERT = "INSERT INTO {table} ({columns}) SELECT {columns} FROM thingstead_batch ON CONFLICT DO NOTHING"


class PostgresqlSession:
    """See :class:`~thingstead.services.forwarding.target.TargetSession`. One connection, over which the lanes send in
    turn."""

    def __init__(self, context: OpenContext, config: PostgresqlConfig) -> None:
        self._context = context
        self._config = config
        self._table = sql.Identifier(config.schema, config.table)
        self._turn = asyncio.Lock()
        self._relay: Relay | None = None
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._inner = False

    async def send(self, batch: Sequence[ForwardMessage]) -> None:
        async with self._turn:
            # In a task of its own: a cancelled wait of the driver would go on until the server answers.
            writing = asyncio.ensure_future(self._write(batch))
            try:
                await asyncio.wait([writing])
            except asyncio.CancelledError:
                self._drop()
                writing.add_done_callback(lambda done: done.cancelled() or done.exception())
                raise
            error = writing.exception()
            if error is None:
                return
            self._raise(error)

    async def close(self) -> None:
        """Drops the connection."""
        self._drop()

    def _drop(self) -> None:
        if self._relay is not None:
            self._relay.abort()
        if self._connection is not None:
            self._connection.pgconn.finish()
        self._relay = self._connection = None

    async def _write(self, batch: Sequence[ForwardMessage]) -> None:
        connection = self._connection
        if connection is None or connection.closed:
            connection = await self._connect()
        assert self._relay is not None, "it is connected"
        self._relay.allow(ANSWERS_MAX_BYTES)
        columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        async with connection.transaction(), connection.cursor() as cursor:
            async with cursor.copy(sql.SQL(_COPY).format(columns=columns)) as copy:
                for message in batch:
                    await copy.write_row(_row(message))
            await cursor.execute(sql.SQL(_INSERT).format(table=self._table, columns=columns))

    async def _connect(self) -> "psycopg.AsyncConnection[Any]":
        self._drop()
        config = self._config
        tls = await asyncio.to_thread(context_of, config)
        self._relay = relay = await Relay.open(
            self._context.http.resolver,
            config.host,
            config.port,
            private=self._context.private_addresses(),
            timeout_s=TIMEOUT_S,
            tls=tls,
            greet=ask_for_tls if tls is not None else None,
            screen=LoginScreen(),
        )
        self._inner = relay.inner
        relay.allow(ANSWERS_MAX_BYTES)
        self._connection = connection = await psycopg.AsyncConnection.connect(
            **_parameters(config, relay.port), autocommit=True
        )
        await self._prepare(connection)
        return connection

    async def _prepare(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        """Creates the table if it is missing, and the temporary one."""
        name = self._table.as_string(connection)
        found = await (await connection.execute(_EXISTS, (name,))).fetchone()
        if found is not None and not found[0]:
            async with connection.transaction():
                await connection.execute(sql.SQL(_CREATE).format(table=self._table))
                await connection.execute(sql.SQL(_INDEX).format(table=self._table))
                extension = await (await connection.execute(_HAS_TIMESCALE)).fetchone()
                if extension is not None and extension[0]:
                    await connection.execute(_HYPERTABLE, (name,))
        await connection.execute(_TEMPORARY)

    def _raise(self, error: BaseException) -> None:
        """Raises the failure that an error means."""
        relay = self._relay
        overrun = relay is not None and relay.overrun
        status = getattr(error, "sqlstate", None) or ""
        inner = error.inner if isinstance(error, SendFailed) else self._inner
        hidden = inner and not self._context.shows_private()
        if not isinstance(error, SendFailed | psycopg.Error):
            raise error
        if relay is not None and relay.refused is not None:  # whose end is what the driver tells
            error = relay.refused
        if not status or status[:2] not in DATA_CLASSES:
            self._drop()
        if overrun:
            raise TransientFailure(reason("answers_too_long")) from error
        if isinstance(error, SendFailed):
            raise TransientFailure(
                reason("notice_not_taken") if hidden else error.why, pause=error.permanent
            ) from error
        said = "" if hidden else _WHERE.sub("", str(error)).strip()[:ANSWER_BYTES]
        why = reason("notice_not_taken") if hidden else reason("postgresql_failed", status=status, detail=said[:200])
        if status[:2] in DATA_CLASSES:
            raise PermanentFailure(TargetRefusal(why, 0, said)) from error
        pause = status[:2] in MENDABLE_CLASSES or (not status and _MENDABLE.search(str(error)) is not None)
        raise TransientFailure(why, pause=pause, answer=said) from error


async def open_target(context: OpenContext, config: Any) -> PostgresqlSession:
    """Opens a database; the connection is made when something is sent."""
    return PostgresqlSession(context, config)


def _parameters(config: PostgresqlConfig, port: int) -> dict[str, Any]:
    """The parameters of a connection. Each that could come from the environment of the server is given: it is for the
    database of the operator."""
    return {
        "host": config.host,
        "hostaddr": "127.0.0.1",
        "port": port,
        "dbname": config.database,
        "user": config.user_name,
        "password": config.password or "",
        "passfile": MISSING,
        "sslmode": "disable",  # the relay has it
        "channel_binding": "disable",
        "sslrootcert": MISSING,
        "sslcert": MISSING,
        "sslkey": MISSING,
        "sslcrl": MISSING,
        "gssencmode": "disable",
        "target_session_attrs": "any",
        "connect_timeout": TIMEOUT_S,
        "application_name": "thingstead",
        "client_encoding": "UTF8",
        "options": f"-c statement_timeout={TIMEOUT_S * 1000} -c client_min_messages=error -c timezone=UTC",
    }


def _row(message: ForwardMessage) -> tuple[Any, ...]:
    device = message.device
    texts = (device.id, device.device_key, device.name, device.type_id)
    instant = EPOCH + timedelta(milliseconds=message.ts)
    content = message.raw.decode()
    if "\\u0000" in content:  # which PostgreSQL has neither in texts nor in JSON
        content = json.dumps(_without_nul(message.content), ensure_ascii=False)
    return (message.id, instant, message.kind, *(text.replace("\x00", "\ufffd") for text in texts), content)


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_nul(each) for each in value]
    return value
