"""Forwarding: targets, the log of messages that wait for them, and dead letters."""

from collections.abc import Sequence
from typing import Any

import msgspec

from thingstead.errors import NotFound
from thingstead.model.audit.differences import differences
from thingstead.model.audit.log import Edit
from thingstead.model.device import Page
from thingstead.model.forwarding.segment import Counts, Segment, SegmentHeader
from thingstead.model.forwarding.target import (
    DEAD_LETTERS_BYTES,
    DEAD_LETTERS_COUNT,
    DeadLetter,
    ForwardTarget,
    Progress,
    TargetFilter,
)
from thingstead.model.limits import require_id
from thingstead.model.versions import of_version
from thingstead.storage.base_forwarding import Replay
from thingstead.storage.commit import Commit
from thingstead.storage.sql.access.audit import note
from thingstead.storage.sql.access.connection import IN_NUMBERS, Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout, to_json
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.tables.paging import Order, read_page

TARGETS = Layout(
    "forward_targets",
    ForwardTarget,
    json=("kinds", "type_ids", "device_ids", "tags", "config"),
    kind="forward_target",
    secret=("config",),
)
_CHANGED = ("name", "descr", "enabled", "kinds", "type_ids", "device_ids", "tags", "batch", "config", "update_time")
SEGMENT_ROW_BYTES = 512  # that a segment adds to a commit beside its messages, which wait there already
SEGMENTS_DELETED = 2_000  # of a project, in one transaction

_INSERT_SEGMENT = "INSERT INTO forward_segments (seq, project_id, created_at, counts, body) VALUES (?, ?, ?, ?, ?)"
_HEADERS = """
SELECT seq, created_at, counts FROM forward_segments
WHERE project_id = ? AND seq > ? AND instr(counts, ?) > 0 ORDER BY seq LIMIT ?
"""
_SEGMENTS = """
SELECT seq, created_at, body FROM forward_segments
WHERE project_id = ? AND seq BETWEEN ? AND ? AND instr(counts, ?) > 0 ORDER BY seq
"""
_TRIM = """
DELETE FROM forward_segments WHERE seq IN (
    SELECT seq FROM forward_segments WHERE project_id = ? AND seq <= ? ORDER BY seq LIMIT ?
)
"""
_SAVE = """
INSERT INTO forward_progress (target_id, body) SELECT id, ?2 FROM forward_targets WHERE id = ?1
ON CONFLICT (target_id) DO UPDATE SET body = excluded.body
"""
_INSERT_DEAD = """
INSERT INTO forward_dead (target_id, body, create_time) SELECT id, ?2, ?3 FROM forward_targets WHERE id = ?1
"""
_TRIM_DEAD = """
DELETE FROM forward_dead WHERE target_id = ?1 AND seq <= (
    SELECT seq FROM forward_dead WHERE target_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2
)
"""
_DEAD = "SELECT seq, body FROM forward_dead"
_decode_counts = msgspec.json.Decoder(Counts).decode
_decode_progress = msgspec.json.Decoder(Progress).decode
_decode_dead = msgspec.msgpack.Decoder(DeadLetter).decode
_encode = msgspec.msgpack.Encoder().encode


class SqlForwarding:
    """See :class:`~thingstead.storage.base_forwarding.ForwardingStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    async def create(self, target: ForwardTarget) -> None:
        await self._access.write(lambda connection: TARGETS.add(connection, target))

    async def get(self, project_id: str, target_id: str) -> ForwardTarget:
        require_id(target_id, "no_such_forward_target")
        row = await self._access.one(TARGETS.select_one, (target_id, project_id))
        if row is None:
            raise NotFound("no_such_forward_target")
        return TARGETS.load(row)

    async def list_page(
        self, project_id: str, target_filter: TargetFilter, page: Page
    ) -> tuple[list[ForwardTarget], int]:
        where, parameters = _where(project_id, target_filter)

        def run(connection: Connection) -> tuple[list[ForwardTarget], int]:
            order = Order(("create_time", "id"))
            rows, total = read_page(connection, TARGETS.select, "forward_targets", where, parameters, order, page)
            return [TARGETS.load(row) for row in rows], total

        return await self._access.read(run)

    async def list_all(self, after: str, limit: int) -> list[ForwardTarget]:
        rows = await self._access.all(f"{TARGETS.select} WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [TARGETS.load(row) for row in rows]

    async def count(self, project_id: str) -> int:
        row = await self._access.one("SELECT count(*) FROM forward_targets WHERE project_id = ?", (project_id,))
        return int(row[0]) if row else 0

    async def replace(self, target: ForwardTarget, version: int | None = None) -> None:
        changes = of_version({name: getattr(target, name) for name in _CHANGED}, version)
        await self._access.write(
            lambda connection: TARGETS.update(
                connection, target.project_id, target.id, changes, "no_such_forward_target"
            )
        )

    async def delete(self, project_id: str, target_id: str) -> None:
        require_id(target_id, "no_such_forward_target")
        await self._access.write(
            lambda connection: TARGETS.delete(connection, project_id, target_id, "no_such_forward_target")
        )

    # The log

    def append_segment(self, segment: Segment) -> Commit:
        return self._history.add_write(lambda connection: insert_segment(connection, segment), SEGMENT_ROW_BYTES)

    async def last_seq(self) -> int:
        row = await self._access.one("SELECT max(seq) FROM forward_segments")
        return 0 if row is None or row[0] is None else int(row[0])

    async def list_headers(self, project_id: str, target_id: str, after: int, limit: int) -> list[SegmentHeader]:
        wanted = (project_id, after, _named(target_id), limit)
        rows = await self._access.read(lambda connection: connection.execute(_HEADERS, wanted).fetchall())
        return [SegmentHeader(seq, created_at, _decode_counts(counts)) for seq, created_at, counts in rows]

    async def read_segments(
        self, project_id: str, target_id: str, begin: int, end: int, size_bytes: int
    ) -> list[Segment]:
        def run(connection: Connection) -> list[Segment]:
            found: list[Segment] = []
            left = size_bytes
            for seq, created_at, body in connection.stream(_SEGMENTS, (project_id, begin, end, _named(target_id))):
                found.append(Segment.stored(seq, project_id, created_at, bytes(body)))
                left -= len(body)
                if left <= 0:
                    break
            return found

        return await self._access.read(run)

    async def list_projects(self) -> list[str]:
        rows = await self._access.read(
            lambda connection: connection.execute("SELECT DISTINCT project_id FROM forward_segments").fetchall()
        )
        return [row[0] for row in rows]

    # The outcome of messages

    async def progress(self, target_id: str) -> Progress:
        row = await self._access.one("SELECT body FROM forward_progress WHERE target_id = ?", (target_id,))
        return Progress() if row is None else _decode_progress(row[0])

    async def save(
        self,
        progress: Sequence[tuple[str, Progress]],
        dead: Sequence[DeadLetter],
        done: Sequence[tuple[str, int]],
    ) -> set[str]:
        rows = [(target_id, to_json(each)) for target_id, each in progress]
        letters = [(each.target_id, _encode(each), each.create_time) for each in dead]

        def run(connection: Connection) -> set[str]:
            for row in rows:
                connection.execute(_SAVE, row)
            for letter in letters:
                connection.execute(_INSERT_DEAD, letter)
            for target_id in sorted({letter[0] for letter in letters}):
                connection.execute(_TRIM_DEAD, (target_id, DEAD_LETTERS_COUNT))
                _trim_dead_bytes(connection, target_id)
            return {
                project_id
                for project_id, end in done
                if connection.execute(_TRIM, (project_id, end, SEGMENTS_DELETED)).rowcount >= SEGMENTS_DELETED
            }

        return await self._access.write(run)

    async def list_dead(self, project_id: str, target_id: str, page: Page) -> tuple[list[DeadLetter], int]:
        await self.get(project_id, target_id)

        def run(connection: Connection) -> tuple[list[DeadLetter], int]:
            rows, total = read_page(
                connection, _DEAD, "forward_dead", "target_id = ?", (target_id,), Order(("seq",)), page
            )
            return [_dead_letter(seq, body) for seq, body in rows], total

        return await self._access.read(run)

    async def count_dead(self, target_id: str) -> int:
        row = await self._access.one("SELECT count(*) FROM forward_dead WHERE target_id = ?", (target_id,))
        return int(row[0]) if row else 0

    async def delete_dead(self, target: ForwardTarget, ids: Sequence[str] | None) -> int:
        where, parameters = _chosen(target.id, ids)
        sql = f"DELETE FROM forward_dead WHERE {where}"  # noqa: S608 - words of this module

        def run(connection: Connection) -> int:
            count = connection.execute(sql, parameters).rowcount
            _note(target, "remove_dead_letters", count)
            return count

        return await self._access.write(run)

    async def replay(self, target: ForwardTarget, ids: Sequence[str] | None, seq: int, now: int, most: int) -> Replay:
        where, parameters = _chosen(target.id, ids)
        sql = f"{_DEAD} WHERE {where} ORDER BY seq LIMIT ?"

        def run(connection: Connection) -> Replay:
            segment = Segment(seq, target.project_id, now)
            taken: list[int] = []
            for number, body in connection.execute(sql, (*parameters, most)).fetchall():
                if segment.full:
                    break
                message = _dead_letter(number, body).message
                segment.add(
                    (target.id,), message.device, message.kind, [(message.id, message.ts, msgspec.Raw(message.raw))]
                )
                taken.append(number)
            if taken:
                insert_segment(connection, segment)
                gone = f"DELETE FROM forward_dead WHERE target_id = ? AND seq {IN_NUMBERS}"  # noqa: S608 - as above
                connection.execute(gone, (target.id, to_json(taken)))
            _note(target, "replay", len(taken))
            count = f"SELECT count(*) FROM forward_dead WHERE {where}"  # noqa: S608 - as above
            return Replay(segment, connection.execute(count, parameters).fetchone()[0])

        return await self._access.write(run)


def insert_segment(connection: Connection, segment: Segment) -> None:
    """Adds a segment, to which nothing is added any more."""
    counts = to_json(segment.counts())
    row = (segment.seq, segment.project_id, segment.created_at, counts, segment.encoded())
    connection.execute(_INSERT_SEGMENT, row)


def _trim_dead_bytes(connection: Connection, target_id: str) -> None:
    sql = "SELECT coalesce(sum(length(body)), 0) FROM forward_dead WHERE target_id = ?"
    over = int(connection.execute(sql, (target_id,)).fetchone()[0]) - DEAD_LETTERS_BYTES
    while over > 0:
        oldest = "SELECT seq, length(body) FROM forward_dead WHERE target_id = ? ORDER BY seq LIMIT 100"
        last = 0
        for seq, size_bytes in connection.execute(oldest, (target_id,)).fetchall():
            last, over = seq, over - size_bytes
            if over <= 0:
                break
        connection.execute("DELETE FROM forward_dead WHERE target_id = ? AND seq <= ?", (target_id, last))


def _note(target: ForwardTarget, action: str, count: int) -> None:
    changes = differences({}, {"dead_letters": count})
    note(Edit(target.project_id, TARGETS.kind, target.id, target.name, action, changes, target.version))


def _named(target_id: str) -> str:
    """How the counts of a segment name a target."""
    return f'"{target_id}":'


def _dead_letter(seq: int, body: Any) -> DeadLetter:
    return msgspec.structs.replace(_decode_dead(body), seq=seq)


def _chosen(target_id: str, ids: Sequence[str] | None) -> tuple[str, tuple[Any, ...]]:
    if ids is None:
        return "target_id = ?", (target_id,)
    numbers = [int(each) for each in ids if each.isascii() and each.isdigit() and len(each) < 19]
    return f"target_id = ? AND seq {IN_NUMBERS}", (target_id, to_json(numbers))


def _where(project_id: str, wanted: TargetFilter) -> tuple[str, tuple[Any, ...]]:
    where, parameters = "project_id = ?", [project_id]
    if wanted.enabled is not None:
        where += " AND enabled = 1" if wanted.enabled else " AND enabled = 0"
    if wanted.keyword is not None:
        # Databases lower ASCII alone: other letters are found as they are written.
        where = f"{where} AND (instr(lower(name), ?) > 0 OR instr(name, ?) > 0)"
        parameters = [*parameters, wanted.keyword.lower(), wanted.keyword]
    return where, tuple(parameters)
