"""Commands in SQLite."""

import sqlite3
from typing import Any

from thingstead.errors import NotFound
from thingstead.model.command import TRANSITIONS, Command, CommandState
from thingstead.model.device import Page
from thingstead.model.limits import INSTANT_MS
from thingstead.storage.sqlite.access import Access
from thingstead.storage.sqlite.layout import Layout, to_json

COMMANDS = Layout("commands", Command, json=("params", "reply"))
_WANTED = "WHERE device_id = ? AND create_time BETWEEN ? AND ?"
_COUNT = f"SELECT count(*) FROM commands {_WANTED}"  # noqa: S608 - both parts are ours


class SqliteCommands:
    """See :class:`~thingstead.storage.base.CommandStore`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def create(self, command: Command) -> None:
        def run(connection: sqlite3.Connection) -> None:
            device = connection.execute(
                "SELECT 1 FROM devices WHERE id = ? AND project_id = ?", (command.device_id, command.project_id)
            )
            if device.fetchone() is None:
                raise NotFound("no such device")
            COMMANDS.add(connection, command)

        await self._access.write(run)
        self._access.log_rows.note("command", command.device_id)

    async def get(self, device_id: str, row_id: str) -> Command:
        row = self._access.one(f"{COMMANDS.select} WHERE id = ? AND device_id = ?", (row_id, device_id))
        if row is None:
            raise NotFound("no such command")
        return COMMANDS.load(row)

    async def advance(
        self,
        row_id: str,
        state: CommandState,
        at: int,
        *,
        reason: str = "",
        reply: Any = None,
        expire_time: int = 0,
    ) -> Command | None:
        def run(connection: sqlite3.Connection) -> Command | None:
            row = connection.execute("SELECT state FROM commands WHERE id = ?", (row_id,)).fetchone()
            if row is None or state not in TRANSITIONS[row[0]]:
                return None
            connection.execute(
                "UPDATE commands SET state = ?, update_time = ?, reason = ?, reply = ?,"
                " expire_time = max(expire_time, ?) WHERE id = ?",
                (state, at, reason, to_json(reply), expire_time, row_id),
            )
            return COMMANDS.load(connection.execute(f"{COMMANDS.select} WHERE id = ?", (row_id,)).fetchone())

        return await self._access.write(run)

    async def expire(self, now: int, limit: int) -> list[Command]:
        def run(connection: sqlite3.Connection) -> list[Command]:
            rows = connection.execute(
                "SELECT id FROM commands WHERE state IN ('queued', 'sent', 'delivered') AND expire_time <= ?"
                " ORDER BY expire_time LIMIT ?",
                (now, limit),
            ).fetchall()
            connection.executemany(
                "UPDATE commands SET reason = iif(state = 'queued', 'no connection took it in time',"
                " 'the device did not reply in time'), state = 'expired', update_time = ? WHERE id = ?",
                [(now, row_id) for (row_id,) in rows],
            )
            select = f"{COMMANDS.select} WHERE id = ?"
            return [COMMANDS.load(connection.execute(select, row).fetchone()) for row in rows]

        return await self._access.write(run)

    async def list_open(self, device_id: str) -> list[Command]:
        rows = self._access.all(
            f"{COMMANDS.select} WHERE device_id = ? AND state IN ('queued', 'sent', 'delivered') ORDER BY seq",
            (device_id,),
        )
        return [COMMANDS.load(row) for row in rows]

    async def list_page(
        self, device_id: str, page: Page, start: int = 0, end: int = INSTANT_MS
    ) -> tuple[list[Command], int]:
        def run(connection: sqlite3.Connection) -> tuple[list[Command], int]:
            wanted = (device_id, start, end)
            total = connection.execute(_COUNT, wanted)
            rows = connection.execute(
                f"{COMMANDS.select} {_WANTED} ORDER BY create_time DESC, seq DESC LIMIT ? OFFSET ?",
                (*wanted, page.records, page.offset),
            )
            return [COMMANDS.load(row) for row in rows], total.fetchone()[0]

        return await self._access.read(run)
