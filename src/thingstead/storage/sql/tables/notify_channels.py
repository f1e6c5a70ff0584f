"""Notification groups, and the channels of groups and of rules, in SQLite."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from thingstead.errors import Conflict, NotFound
from thingstead.model.alarms.notification import Channel, KeptChannel, NotifyGroup
from thingstead.model.audit.log import HIDDEN, AuditChange
from thingstead.model.device import Page
from thingstead.model.limits import require_id
from thingstead.model.versions import of_version
from thingstead.storage.base_alarms import ListedChannel
from thingstead.storage.sql.access.audit import note_more
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout, to_json
from thingstead.storage.sql.tables.paging import Order, read_page

Owner = Literal["group_id", "rule_id"]

GROUPS = Layout("notify_groups", NotifyGroup, absent=("channels",), kind="notify_group")
_decode_channel = msgspec.json.Decoder(Channel).decode

_WAITING = """
UPDATE notify_channels SET waiting = CASE WHEN EXISTS (
    SELECT 1 FROM notices n WHERE n.channel_id = notify_channels.id AND n.state = 'waiting') THEN 1 ELSE 0 END
WHERE id = ?
"""
_PUT = {
    owner: f"""
INSERT INTO notify_channels (id, project_id, {owner}, position, kind, config) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET position = excluded.position, kind = excluded.kind, config = excluded.config,
    failures = CASE notify_channels.config WHEN excluded.config THEN notify_channels.failures ELSE 0 END,
    next_try_at = CASE notify_channels.config WHEN excluded.config THEN notify_channels.next_try_at ELSE 0 END
"""  # noqa: S608 - words of this module
    for owner in ("group_id", "rule_id")
}


def put_channels(
    connection: Connection,
    project_id: str,
    owner: Owner,
    owner_id: str,
    channels: Sequence[KeptChannel],
    at: int,
) -> None:
    """Replaces the owner's channels. A changed channel may be tried again at once; notices that wait for a removed one
    are dropped."""
    kept = to_json([channel.id for channel in channels])
    gone = connection.execute(
        f"DELETE FROM notify_channels WHERE {owner} = ?"  # noqa: S608 - words of this module
        " AND id NOT IN (SELECT value FROM json_each(?)) RETURNING id",
        (owner_id, kept),
    ).fetchall()
    _drop_notices(connection, [channel_id for (channel_id,) in gone], at)
    for position, channel in enumerate(channels):
        config = to_json(channel.channel)
        connection.execute(_PUT[owner], (channel.id, project_id, owner_id, position, channel.kind, config))


def channel_changes(before: Sequence[KeptChannel], after: Sequence[KeptChannel]) -> list[AuditChange]:
    """What the audit log says of channels: their kinds. What else they are made of may be secret."""
    old, new = ({each.id: each for each in channels} for channels in (before, after))
    return [
        AuditChange(
            member=f"channels.{channel_id}",
            before=f"{old[channel_id].kind} {HIDDEN}" if channel_id in old else None,
            after=f"{new[channel_id].kind} {HIDDEN}" if channel_id in new else None,
        )
        for channel_id in {**old, **new}
        if old.get(channel_id) != new.get(channel_id)
    ]


def _drop_notices(connection: Connection, channel_ids: Sequence[str], at: int) -> None:
    connection.executemany(
        "UPDATE notices SET state = 'dropped', update_time = ? WHERE channel_id = ? AND state IN ('waiting', 'held')",
        [(at, channel_id) for channel_id in channel_ids],
    )
    note_waiting(connection, channel_ids)


def note_waiting(connection: Connection, channel_ids: Iterable[str]) -> None:
    """Updates ``waiting`` of these channels: whether they have waiting notices."""
    connection.executemany(_WAITING, [(channel_id,) for channel_id in channel_ids])


def read_channels(connection: Connection, owner: Owner, owner_ids: str) -> dict[str, list[KeptChannel]]:
    """Channels of each owner in a JSON array of ids, in order."""
    found: dict[str, list[KeptChannel]] = {}
    for owner_id, channel_id, kind, config in connection.execute(
        f"SELECT {owner}, id, kind, config FROM notify_channels"  # noqa: S608 - words of this module
        f" WHERE {owner} IN (SELECT value FROM json_each(?)) ORDER BY position",
        (owner_ids,),
    ):
        found.setdefault(owner_id, []).append(kept_channel(channel_id, kind, config))
    return found


def kept_channel(channel_id: str, kind: str, config: str) -> KeptChannel:
    """A channel from its stored columns."""
    return KeptChannel(id=channel_id, kind=kind, channel=_decode_channel(config))  # type: ignore[arg-type]  # a ChannelKind: it came from one


class NotifyGroups:
    """The part of :class:`~thingstead.storage.base_alarms.NotifyStore` that stores groups."""

    def __init__(self, access: Queries) -> None:
        self._access = access

    async def create_group(self, group: NotifyGroup) -> None:
        def run(connection: Connection) -> None:
            GROUPS.add(connection, group)
            put_channels(connection, group.project_id, "group_id", group.id, group.channels, group.create_time)
            note_more(GROUPS.kind, group.id, channel_changes((), group.channels))

        await self._access.write(run)

    async def get_group(self, project_id: str, group_id: str) -> NotifyGroup:
        require_id(group_id, "no_such_notify_group")
        row = await self._access.one(GROUPS.select_one, (group_id, project_id))
        if row is None:
            raise NotFound("no_such_notify_group")
        return await self._access.read(lambda connection: _complete(connection, [row])[0])

    async def list_groups(self, project_id: str, page: Page) -> tuple[list[NotifyGroup], int]:
        def run(connection: Connection) -> tuple[list[NotifyGroup], int]:
            where, order = "project_id = ?", Order(("create_time", "id"))
            rows, total = read_page(connection, GROUPS.select, "notify_groups", where, (project_id,), order, page)
            return _complete(connection, rows), total

        return await self._access.read(run)

    async def list_channels(self, after: str, limit: int) -> list[ListedChannel]:
        rows = await self._access.read(
            lambda connection: connection.execute(
                "SELECT c.project_id, CASE WHEN c.rule_id ISNULL THEN 'notification group ' ELSE 'alarm rule ' END,"
                " coalesce(r.name, g.name, ''), c.id, c.kind, c.config FROM notify_channels c"
                " LEFT JOIN alarm_rules r ON r.id = c.rule_id LEFT JOIN notify_groups g ON g.id = c.group_id"
                " WHERE c.id > ? ORDER BY c.id LIMIT ?",
                (after, limit),
            ).fetchall()
        )
        return [ListedChannel(row[0], f"{row[1]}{row[2]!r}", kept_channel(*row[3:])) for row in rows]

    async def replace_group(self, group: NotifyGroup, at: int, version: int | None = None) -> None:
        def run(connection: Connection) -> None:
            changes = of_version({"name": group.name, "descr": group.descr, "enabled": group.enabled}, version)
            GROUPS.update(connection, group.project_id, group.id, changes, "no_such_notify_group")
            before = read_channels(connection, "group_id", to_json([group.id])).get(group.id, [])
            put_channels(connection, group.project_id, "group_id", group.id, group.channels, at)
            note_more(GROUPS.kind, group.id, channel_changes(before, group.channels))
            if not group.enabled:
                _drop_notices(connection, [channel.id for channel in group.channels], at)

        await self._access.write(run)

    async def delete_group(self, project_id: str, group_id: str) -> None:
        def run(connection: Connection) -> None:
            used = connection.execute(
                "SELECT r.name FROM alarm_rule_groups g JOIN alarm_rules r ON r.id = g.rule_id"
                " WHERE g.group_id = ? AND r.project_id = ? LIMIT 1",
                (group_id, project_id),
            ).fetchone()
            if used is not None:
                raise Conflict("notify_group_in_use", rule=repr(used[0]))
            put_channels(connection, project_id, "group_id", group_id, (), 0)
            GROUPS.delete(connection, project_id, group_id, "no_such_notify_group")

        await self._access.write(run)


def _complete(connection: Connection, rows: Sequence[Sequence[object]]) -> list[NotifyGroup]:
    channels = read_channels(connection, "group_id", to_json([row[0] for row in rows]))
    return [GROUPS.load(row, channels=tuple(channels.get(str(row[0]), ()))) for row in rows]
