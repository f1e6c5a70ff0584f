"""Commands in SQLite."""

from collections.abc import Sequence
from typing import Any

from thingstead.errors import Conflict, DeviceOffline, NotFound, ThingsteadError
from thingstead.model import limits
from thingstead.model.audit.differences import differences
from thingstead.model.audit.log import Edit
from thingstead.model.command import TRANSITIONS, Command, CommandState, OpenCommand
from thingstead.model.device import Page
from thingstead.model.limits import INSTANT_MS, require_id
from thingstead.model.messages import CommandChanged
from thingstead.storage.base import Commit
from thingstead.storage.sql.access.audit import note
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout, to_json
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.tables.paging import Order, read_page

COMMANDS = Layout("commands", Command, json=("params", "reply"))
EXPIRED_BYTES = 8 * 1024 * 1024  # params of commands that expire in one transaction: their rows are rewritten
_WANTED = "device_id = ? AND create_time BETWEEN ? AND ?"
# Without INDEXED BY the planner uses an index over all commands of the device, and reads their rows.
_OPEN = "FROM commands INDEXED BY commands_open WHERE device_id = ? AND open = 1"
_CHANGED = "SELECT device_id, command_id, method, state, reason FROM commands WHERE id = ?"
_ENDS_AS_IT_IS = "(reply_defined = 0 AND (state = 'delivered' OR (state = 'sent' AND sent_qos = 0)))"
_REASON = (
    "CASE WHEN state = 'queued' THEN 'no connection accepted it in time'"
    " WHEN state = 'sent' AND sent_qos > 0 AND reply_defined = 0 THEN 'the device did not acknowledge it in time'"
    " ELSE 'the device did not reply in time' END"
)
_END = (
    f"UPDATE commands SET open = 0, update_time = CASE WHEN {_ENDS_AS_IT_IS} THEN update_time ELSE ? END,"  # noqa: S608 - parts of ours
    f" reason = CASE WHEN {_ENDS_AS_IT_IS} THEN reason ELSE {_REASON} END,"
    f" state = CASE WHEN {_ENDS_AS_IT_IS} THEN state ELSE 'expired' END WHERE id = ?"
)
_SET_BACK = """
UPDATE commands
SET expire_time = min(expire_time, ?1 + CASE WHEN create_time > ?1 THEN expire_time - create_time ELSE ?2 END)
WHERE open = 1 AND (create_time > ?1 OR (state <> 'queued' AND update_time > ?1))
"""
_ONLINE = """
SELECT d.id FROM devices d JOIN sessions s ON s.device_number = d.number
WHERE d.project_id || '' = ? AND d.id IN (SELECT value FROM json_each(?))
"""
_ENDED = frozenset(state for state, following in TRANSITIONS.items() if not following)


class SqlCommands:
    """See :class:`~thingstead.storage.base.CommandStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    async def create(self, command: Command) -> None:
        await self._access.write(lambda connection: _add(connection, command))
        self._access.log_rows.note("command", command.device_id)

    def append(self, command: Command) -> tuple[Commit, list[ThingsteadError]]:
        refused: list[ThingsteadError] = []

        def insert(connection: Connection) -> None:
            refused.clear()  # a failed transaction may be repeated
            try:
                _add(connection, command)
            except (NotFound, Conflict) as exc:
                refused.append(exc)

        self._access.log_rows.note("command", command.device_id)
        return self._history.add_write(insert, command.size_bytes), refused

    async def get(self, device_id: str, row_id: str) -> Command:
        return await self._get("device_id = ?", row_id, device_id)

    async def get_of_project(self, project_id: str, row_id: str) -> Command:
        require_id(row_id, "no_such_command")
        return await self._get("project_id = ?", row_id, project_id)

    async def _get(self, scope: str, row_id: str, scope_id: str) -> Command:
        row = await self._access.one(f"{COMMANDS.select} WHERE id = ? AND {scope}", (row_id, scope_id))
        if row is None:
            raise NotFound("no_such_command")
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
        sent_qos: int | None = None,
    ) -> CommandChanged | None:
        def run(connection: Connection) -> CommandChanged | None:
            row = connection.execute("SELECT state FROM commands WHERE id = ? AND open = 1", (row_id,)).fetchone()
            if row is None or state not in TRANSITIONS[row[0]]:
                return None
            connection.execute(
                "UPDATE commands SET state = ?, update_time = ?, reason = ?, reply = ?,"
                " expire_time = max(expire_time, ?), sent_qos = coalesce(?, sent_qos), open = ? WHERE id = ?",
                (state, at, reason, to_json(reply), expire_time, sent_qos, state not in _ENDED, row_id),
            )
            return _changed(connection, row_id, reply)

        return await self._access.write(run)

    async def expire(self, now: int, limit: int) -> list[CommandChanged]:
        def run(connection: Connection) -> list[CommandChanged]:
            due = connection.execute(
                "SELECT id, size_bytes FROM commands WHERE open = 1 AND expire_time <= ? ORDER BY expire_time LIMIT ?",
                (now, limit),
            ).fetchall()
            ended: list[CommandChanged] = []
            left_bytes = EXPIRED_BYTES
            for row_id, size_bytes in due:
                if left_bytes <= 0:
                    break
                left_bytes -= size_bytes
                connection.execute(_END, (now, row_id))
                ended.append(_changed(connection, row_id))
            return ended

        return await self._access.write(run)

    async def clock_set_back(self, now: int, reply_lifetime_ms: int) -> None:
        await self._access.write(lambda connection: connection.execute(_SET_BACK, (now, reply_lifetime_ms)).rowcount)

    async def list_open(self, device_id: str) -> list[OpenCommand]:
        rows = await self._access.all(
            f"SELECT id, state, size_bytes, expire_time, sent_qos {_OPEN} ORDER BY seq",
            (device_id,),
        )
        return [OpenCommand(*row) for row in rows]

    async def find_open(
        self, device_id: str, *, command_id: int | None = None, method: str | None = None, newest: bool = False
    ) -> str | None:
        wanted = "" if command_id is None else " AND command_id = ?"
        wanted += "" if method is None else " AND method = ?"
        row = await self._access.one(
            f"SELECT id {_OPEN}{wanted} ORDER BY seq {'DESC' if newest else 'ASC'} LIMIT 1",
            (device_id, *(value for value in (command_id, method) if value is not None)),
        )
        return None if row is None else row[0]

    async def issued_lately(self, device_id: str, command_id: int, method: str, among: int) -> bool:
        row = await self._access.one(
            "SELECT 1 FROM (SELECT command_id, method FROM commands WHERE device_id = ? ORDER BY seq DESC LIMIT ?)"
            " latest WHERE command_id = ? AND method = ?",
            (device_id, among, command_id, method),
        )
        return row is not None

    async def list_page(
        self, device_id: str, page: Page, start: int = 0, end: int = INSTANT_MS
    ) -> tuple[list[Command], int]:
        def run(connection: Connection) -> tuple[list[Command], int]:
            order, wanted = Order(("create_time", "seq"), descending=True), (device_id, start, end)
            rows, total = read_page(connection, COMMANDS.select, "commands", _WANTED, wanted, order, page)
            return [COMMANDS.load(row) for row in rows], total

        return await self._access.read(run)


def issue_commands(
    connection: Connection, project_id: str, commands: Sequence[Command], *, wait: bool
) -> dict[str, ThingsteadError | None]:
    """Adds commands of a project, each by itself; why one was refused, or None, by its id.

    Args:
        wait: those to devices without a connection are added, too.
    """
    found = connection.execute(_ONLINE, (project_id, to_json([command.device_id for command in commands])))
    online = {device_id for (device_id,) in found}
    answers: dict[str, ThingsteadError | None] = {}
    for command in commands:
        answers[command.id] = None
        try:
            if not wait and command.device_id not in online:
                raise DeviceOffline("device_offline")
            _add(connection, command)
        except ThingsteadError as exc:
            answers[command.id] = exc
    return answers


def _add(connection: Connection, command: Command) -> None:
    device = connection.execute(
        "SELECT name FROM devices WHERE id = ? AND project_id = ?", (command.device_id, command.project_id)
    ).fetchone()
    if device is None:
        raise NotFound("no_such_device")
    _check_room(connection, command)
    COMMANDS.add(connection, command)
    if command.state in _ENDED:
        connection.execute("UPDATE commands SET open = 0 WHERE id = ?", (command.id,))
    sent = differences({}, {command.method: command.params})
    note(Edit(command.project_id, "device", command.device_id, device[0], "command", sent))


def _check_room(connection: Connection, command: Command) -> None:
    count, size_bytes = connection.execute(
        f"SELECT count(*), coalesce(sum(size_bytes), 0) {_OPEN}",
        (command.device_id,),
    ).fetchone()
    if count >= limits.OPEN_COMMANDS_COUNT:
        raise Conflict("open_commands_full", maximum=limits.OPEN_COMMANDS_COUNT)
    if size_bytes + command.size_bytes > limits.OPEN_COMMANDS_BYTES:
        raise Conflict("open_commands_too_large", size=size_bytes, maximum=limits.OPEN_COMMANDS_BYTES)


def _changed(connection: Connection, row_id: str, reply: Any = None) -> CommandChanged:
    device_id, command_id, method, state, reason = connection.execute(_CHANGED, (row_id,)).fetchone()
    return CommandChanged(device_id, row_id, command_id, method, state, reason, reply)
