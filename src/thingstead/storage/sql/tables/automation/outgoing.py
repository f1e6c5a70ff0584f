"""Messages of rules to addresses outside, which wait for their delivery."""

from collections.abc import Sequence

from thingstead.model.message_rules.outgoing import ROW_BYTES, OutgoingLane, OutgoingMessage
from thingstead.storage.base import Commit
from thingstead.storage.sql.access.connection import IN_NUMBERS, Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout, to_json
from thingstead.storage.sql.history.history import SqlHistory

OUTGOING = Layout("outgoing_messages", OutgoingMessage, json=("names",))
_INSERT = """
INSERT INTO outgoing_messages (number, id, project_id, rule_id, action, device_id, kind, names, create_time, body)
SELECT ?2, ?3, project_id, id, ?4, ?5, ?6, ?7, ?8, ?9 FROM message_rules WHERE id = ?1
"""
_LANES = f"""
SELECT project_id, rule_id, action, count(*), sum(length(body) + {ROW_BYTES}) FROM outgoing_messages
GROUP BY project_id, rule_id, action
"""  # noqa: S608 - a number
_OF_ACTION = f"{OUTGOING.select} WHERE rule_id = ? AND action = ? ORDER BY number LIMIT ?"
_REMOVE = f"DELETE FROM outgoing_messages WHERE number {IN_NUMBERS}"  # noqa: S608 - words of ours
_SIZES = "SELECT length(body) FROM outgoing_messages WHERE rule_id = ? AND action = ? ORDER BY number LIMIT ?"


class SqlOutgoing:
    """See :class:`~thingstead.storage.base_outgoing.OutgoingStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    def append(self, message: OutgoingMessage) -> Commit:
        row = (
            message.rule_id, message.number, message.id, message.action, message.device_id, message.kind,
            to_json(message.names), message.create_time, message.body,
        )  # fmt: skip

        def insert(connection: Connection) -> None:
            connection.execute(_INSERT, row)

        return self._history.add_write(insert, message.size_bytes)

    async def list_lanes(self) -> list[OutgoingLane]:
        rows = await self._access.read(lambda connection: connection.execute(_LANES).fetchall())
        return [OutgoingLane(row[0], row[1], row[2], row[3], int(row[4])) for row in rows]

    async def list_waiting(self, rule_id: str, action: int, limit: int, limit_bytes: int) -> list[OutgoingMessage]:
        def run(connection: Connection) -> list[OutgoingMessage]:
            fitting = left_bytes = 0
            for (size_bytes,) in connection.execute(_SIZES, (rule_id, action, limit)):
                left_bytes += size_bytes
                if fitting and left_bytes > limit_bytes:
                    break
                fitting += 1
            rows = connection.execute(_OF_ACTION, (rule_id, action, fitting)).fetchall()
            return [OUTGOING.load(row) for row in rows]

        return await self._access.read(run)

    async def remove(self, numbers: Sequence[int]) -> None:
        await self._access.write(lambda connection: connection.execute(_REMOVE, (to_json(list(numbers)),)))

    async def last_number(self) -> int:
        row = await self._access.one("SELECT max(number) FROM outgoing_messages", ())
        return 0 if row is None or row[0] is None else int(row[0])
