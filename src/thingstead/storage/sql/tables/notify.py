"""Pending notices in SQLite."""

import heapq
from collections.abc import Container, Mapping, Sequence
from typing import Any

from thingstead.model.alarms.alarm import AlarmLog
from thingstead.model.alarms.notification import AlarmNotice, Attempt, NotifyLog
from thingstead.model.device import Page
from thingstead.model.ids import new_id
from thingstead.refusals import reason
from thingstead.storage.base_alarms import Caps, Claim, Shares
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.row_mapper import Layout
from thingstead.storage.sql.tables.alarms.alarm_changes import ALARM_LOGS
from thingstead.storage.sql.tables.alarms.alarm_pruning import prune_notices
from thingstead.storage.sql.tables.notify_channels import NotifyGroups, kept_channel, note_waiting
from thingstead.storage.sql.tables.paging import Order, read_page

DAY_MS = 24 * 3600 * 1000
EXPIRED_AT_ONCE = 1_000  # notices that expire in one transaction
DIGEST_LINES = 20  # rules and devices named in a digest

NOTICES = Layout("notices", AlarmNotice, json=("body",))
# ``waiting`` of a channel: it may have waiting notices. The text must match the condition of the partial index.
_PROJECTS = """
WITH RECURSIVE found (id) AS (
    SELECT min(project_id) FROM notify_channels WHERE waiting = 1
    UNION ALL
    SELECT (SELECT min(project_id) FROM notify_channels WHERE waiting = 1 AND project_id > found.id)
    FROM found WHERE found.id NOTNULL)
SELECT id FROM found WHERE id NOTNULL
"""
_DUE = """
SELECT id FROM notify_channels WHERE waiting = 1 AND project_id = ? AND max(next_try_at, lease_until) <= ?
ORDER BY max(next_try_at, lease_until) LIMIT ?
"""
_NEXT_TRY = """
SELECT max(next_try_at, lease_until) FROM notify_channels WHERE waiting = 1 AND project_id = ?
ORDER BY max(next_try_at, lease_until) LIMIT 1
"""
_LEASED = "SELECT project_id, failures, id, kind, config FROM notify_channels WHERE id = ? AND lease_owner = ?"
_LEASE = "UPDATE notify_channels SET lease_owner = ?, lease_until = ? WHERE id = ?"
_EXTEND = "UPDATE notify_channels SET lease_until = ? WHERE id = ? AND lease_owner = ?"
_RELEASE = """
UPDATE notify_channels SET lease_owner = '', lease_until = 0, next_try_at = ?, failures = ? WHERE id = ?
"""
_NEXT = f"""
SELECT {NOTICES.columns("n")}, n.seq, {ALARM_LOGS.columns("m")}, d.name FROM notices n
LEFT JOIN alarm_logs m ON m.id = n.message_id LEFT JOIN devices d ON d.id = n.device_id
WHERE n.channel_id = ? AND n.state = 'waiting' ORDER BY n.seq LIMIT ?
"""  # noqa: S608 - as above
OVER_CAP, TOO_LATE = reason("notice_over_cap").message, reason("notice_too_late").message
_LOG = """
INSERT INTO notify_logs (notice_seq, project_id, device_id, target, state, message, took_ms, ts)
SELECT seq, project_id, device_id, ?, ?, ?, ?, ? FROM notices WHERE id = ?
"""
_RECORD = """
UPDATE notices SET state = ?, attempts = attempts + ?, update_time = ? WHERE id = ? AND state = 'waiting'
"""
_COUNT = """
INSERT INTO notify_counts (day, project_id, device_id, sent)
SELECT ?, project_id, CASE ? WHEN 1 THEN device_id ELSE '' END, 1 FROM notices
WHERE id = ? AND channel_kind <> 'webhook' AND device_id NOTNULL
ON CONFLICT (day, project_id, device_id) DO UPDATE SET sent = notify_counts.sent + 1
"""  # caps apply to channels that people read
_HELD = """
SELECT channel_id, min(project_id), min(channel_kind), min(create_time), max(create_time), count(*)
FROM notices WHERE state = 'held' GROUP BY channel_id HAVING min(create_time) <= ?
"""
_HELD_LINES = """
SELECT min(coalesce(json_extract(m.alarm_info, '$.rule_name'), n.rule_id)), min(coalesce(d.name, '')),
    max(coalesce(m.alarm_level, 0)), count(*)
FROM notices n LEFT JOIN alarm_logs m ON m.id = n.message_id LEFT JOIN devices d ON d.id = n.device_id
WHERE n.channel_id = ? AND n.state = 'held' GROUP BY n.rule_id, n.device_id ORDER BY 4 DESC, 1, 2 LIMIT ?
"""
_LOGS = """
SELECT n.id, n.kind, n.message_id, coalesce(n.device_id, ''), n.rule_id, n.channel_kind, l.target, l.state, l.message,
    l.took_ms, l.ts
FROM notify_logs l JOIN notices n ON n.seq = l.notice_seq"""


class SqlNotify(NotifyGroups):
    """See :class:`~thingstead.storage.base_alarms.NotifyStore`."""

    async def add(self, notice: AlarmNotice) -> None:
        await self._access.write(lambda connection: NOTICES.add(connection, notice))

    async def clock_set_back(self, now: int, lease_until: int) -> None:
        sql = (
            "UPDATE notify_channels SET next_try_at = min(next_try_at, ?1), lease_until = min(lease_until, ?2)"
            " WHERE next_try_at > ?1 OR lease_until > ?2"
        )
        await self._access.write(lambda connection: connection.execute(sql, (now, lease_until)) and None)

    async def claim(
        self,
        owner: str,
        now: int,
        lease_until: int,
        shares: Shares,
        held: Mapping[str, int],
        limit: int,
        caps: Caps,
        under_way: Container[str] = (),
    ) -> list[Claim]:
        if await self._access.one("SELECT 1 FROM notices WHERE state = 'waiting' LIMIT 1") is None:
            return []

        def run(connection: Connection) -> list[Claim]:
            _expire(connection, now)
            claims: list[Claim] = []
            for channel_id in _choose(connection, now, shares, held):
                if channel_id in under_way:
                    # Its lease expired: it is extended. If it was just released, the caller claims it after its end.
                    connection.execute(_EXTEND, (lease_until, channel_id, owner))
                    continue
                connection.execute(_LEASE, (owner, lease_until, channel_id))
                claim = _take(connection, owner, channel_id, now, limit, caps)
                assert claim is not None  # the lease was taken above
                claims.append(claim)
            return [claim for claim in claims if claim.notices]

        return await self._access.write(run)

    async def take(
        self,
        owner: str,
        channel_id: str,
        now: int,
        lease_until: int,
        limit: int,
        caps: Caps,
        attempts: Sequence[Attempt] = (),
        failures: int = 0,
    ) -> Claim | None:
        def run(connection: Connection) -> Claim | None:
            if not _record_all(connection, owner, channel_id, attempts):
                return None
            connection.execute(_LEASE, (owner, lease_until, channel_id))
            return _take(connection, owner, channel_id, now, limit, caps, failures)

        return await self._access.write(run)

    async def record(self, owner: str, channel_id: str, attempts: Sequence[Attempt]) -> bool:
        return await self._access.write(lambda connection: _record_all(connection, owner, channel_id, attempts))

    async def release(
        self, owner: str, channel_id: str, next_try_at: int, failures: int, attempts: Sequence[Attempt] = ()
    ) -> None:
        def run(connection: Connection) -> None:
            if _record_all(connection, owner, channel_id, attempts):
                connection.execute(_RELEASE, (next_try_at, failures, channel_id))

        await self._access.write(run)

    async def digest(self, now: int, held_before: int, lifetime_ms: int) -> int:
        if not await self._access.all(_HELD, (held_before,)):
            return 0

        def run(connection: Connection) -> int:
            held = connection.execute(_HELD, (held_before,)).fetchall()
            for channel_id, project_id, kind, since, until, count in held:
                lines = connection.execute(_HELD_LINES, (channel_id, DIGEST_LINES)).fetchall()
                names = ("rule_name", "device_name", "alarm_level", "count")
                body = {
                    "since": since,
                    "until": until,
                    "count": count,
                    "items": [dict(zip(names, line, strict=True)) for line in lines],
                }
                digest = AlarmNotice(
                    id=new_id() + new_id(), project_id=project_id, device_id=None, rule_id="", message_id="",
                    channel_id=channel_id, channel_kind=kind, kind="digest", body=body, create_time=now,
                    expire_time=now + lifetime_ms, update_time=now,
                )  # fmt: skip
                NOTICES.add(connection, digest)
                connection.execute(
                    "UPDATE notices SET state = 'digested', update_time = ? WHERE channel_id = ? AND state = 'held'",
                    (now, channel_id),
                )
            return len(held)

        return await self._access.write(run)

    async def next_try(self) -> int | None:
        projects = [row[0] for row in await self._access.all(_PROJECTS)]
        found = [row[0] for project_id in projects for row in await self._access.all(_NEXT_TRY, (project_id,))]
        return min(found, default=None)

    async def prune(self, before: int) -> int:
        return await self._access.write(lambda connection: prune_notices(connection, before))

    async def list_logs(
        self, project_id: str, device_id: str | None, state: str | None, page: Page
    ) -> tuple[list[NotifyLog], int]:
        where, parameters = "l.project_id = ?", [project_id]
        for condition, value in (("l.device_id = ?", device_id), ("l.state = ?", state)):
            if value is not None:
                where, parameters = f"{where} AND {condition}", [*parameters, value]

        def run(connection: Connection) -> tuple[list[NotifyLog], int]:
            order = Order(("l.ts", "l.seq"), descending=True)
            rows, total = read_page(connection, _LOGS, "notify_logs l", where, parameters, order, page)
            names = [name for name in NotifyLog.__struct_fields__ if name not in ("code", "args")]
            return [NotifyLog(**dict(zip(names, row, strict=True))) for row in rows], total

        return await self._access.read(run)


class _Counts:
    """Notices sent to people on one day, as counted within a transaction."""

    def __init__(self, connection: Connection, day: int, caps: Caps) -> None:
        self._connection = connection
        self._day = day
        self._caps = caps
        self._sent: dict[tuple[str, str], int] = {}

    def full(self, notice: AlarmNotice) -> bool:
        """Whether a notice is over a cap and must be held; otherwise counts it."""
        if notice.channel_kind == "webhook" or notice.device_id is None:
            return False
        keys = ((notice.project_id, ""), (notice.project_id, notice.device_id))
        if any(cap and self._of(key) >= cap for key, cap in zip(keys, self._caps, strict=True)):
            return True
        for key in keys:
            self._sent[key] = self._of(key) + 1
        return False

    def _of(self, key: tuple[str, str]) -> int:
        if key not in self._sent:
            row = self._connection.execute(
                "SELECT sent FROM notify_counts WHERE day = ? AND project_id = ? AND device_id = ?", (self._day, *key)
            ).fetchone()
            self._sent[key] = row[0] if row else 0
        return self._sent[key]


def _take(
    connection: Connection, owner: str, channel_id: str, now: int, limit: int, caps: Caps, failures: int = 0
) -> Claim | None:
    """The next notices of a leased channel; those over a daily cap become ``held``. If none is left, the lease is
    released."""
    channel = connection.execute(_LEASED, (channel_id, owner)).fetchone()
    if channel is None:
        return None
    project_id, failed, *kept = channel
    width = NOTICES.width
    notices: list[tuple[AlarmNotice, AlarmLog | None]] = []
    held: list[AlarmNotice] = []
    counts = _Counts(connection, now // DAY_MS, caps)
    for row in connection.execute(_NEXT, (channel_id, limit)).fetchall():
        notice = NOTICES.load(row[:width])
        message = None
        if row[width + 1] is not None:
            message = ALARM_LOGS.load(row[width + 1 : -1], device_name=row[-1] or "")
        if counts.full(notice):
            held.append(notice)
        else:
            notices.append((notice, message))
    for notice in held:
        _record(connection, Attempt(
            notice_id=notice.id, target="", state="held", message=OVER_CAP,
            took_ms=0, ts=now,
        ))  # fmt: skip
    if not notices:
        note_waiting(connection, (channel_id,))
        connection.execute(_RELEASE, (0, failures, channel_id))
    return Claim(project_id, kept_channel(*kept), failed, notices)


def _record_all(connection: Connection, owner: str, channel_id: str, attempts: Sequence[Attempt]) -> bool:
    """Records results of attempts. Returns False, with nothing recorded, if the lease is not the owner's."""
    if connection.execute(_LEASED, (channel_id, owner)).fetchone() is None:
        return False
    for attempt in attempts:
        _record(connection, attempt)
    return True


def _choose(connection: Connection, now: int, shares: Shares, held: Mapping[str, int]) -> list[str]:
    """Channels to be leased: each place goes to the project with the fewest so far."""
    free = shares.in_all - sum(held.values())
    queues: list[tuple[int, str, list[str]]] = []  # heap by the number of places of the project
    for (project_id,) in connection.execute(_PROJECTS).fetchall():
        share = min(free, shares.per_project - held.get(project_id, 0))
        if share > 0:
            due = [row[0] for row in connection.execute(_DUE, (project_id, now, share))]
            queues.append((held.get(project_id, 0), project_id, due[::-1]))
    heapq.heapify(queues)
    chosen: list[str] = []
    while queues and len(chosen) < free:
        places, project_id, due = heapq.heappop(queues)
        if due:
            chosen.append(due.pop())
            heapq.heappush(queues, (places + 1, project_id, due))
    return chosen


def _record(connection: Connection, attempt: Attempt) -> None:
    tried = attempt.state in ("waiting", "sent", "failed")
    moved = connection.execute(_RECORD, (attempt.state, tried, attempt.ts, attempt.notice_id))
    if not moved.rowcount:
        return
    values: tuple[Any, ...] = (attempt.target, attempt.state, attempt.message, attempt.took_ms, attempt.ts)
    connection.execute(_LOG, (*values, attempt.notice_id))
    if attempt.state == "sent":
        for per_device in (0, 1):
            connection.execute(_COUNT, (attempt.ts // DAY_MS, per_device, attempt.notice_id))


def _expire(connection: Connection, now: int) -> None:
    expired = connection.execute(
        "SELECT id, channel_id FROM notices WHERE state = 'waiting' AND expire_time <= ? LIMIT ?",
        (now, EXPIRED_AT_ONCE),
    ).fetchall()
    for notice_id, _ in expired:
        _record(connection, Attempt(
            notice_id=notice_id, target="", state="expired", message=TOO_LATE, took_ms=0, ts=now
        ))  # fmt: skip
    note_waiting(connection, {channel_id for _, channel_id in expired})
    connection.execute("DELETE FROM notify_counts WHERE day < ?", (now // DAY_MS - 7,))
