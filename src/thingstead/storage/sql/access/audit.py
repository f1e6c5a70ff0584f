"""Records changes in the transaction that makes them.

A write of :class:`~thingstead.storage.sql.access.queries.Queries` collects what :func:`note` is told while it runs
in the writer thread; :class:`~thingstead.storage.sql.access.row_mapper.Layout` notes every row of a table that has a
``kind``. When the write ends, the rows of the audit log are put into the same transaction, for the author of the call
that asked for the write. Writes without an author, of devices and of the server itself, leave no rows.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

import msgspec

from thingstead.errors import Conflict
from thingstead.model.audit.log import AuditChange, Author, Edit, is_recorded, present_author
from thingstead.model.versions import VERSION
from thingstead.storage.sql.access.connection import Connection

T = TypeVar("T")

_INSERT = """
INSERT INTO audit_logs
    (project_id, ts, actor_kind, actor_id, actor_name, address, action, object_type, object_id, object_name, changes)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_NAMES = {
    "admin": "SELECT account FROM administrators WHERE id = ?",
    "application": "SELECT name FROM applications WHERE id = ?",
}
_LAST = """
SELECT ts, CASE actor_name WHEN '' THEN actor_kind ELSE actor_name END FROM audit_logs
WHERE project_id = ? AND object_id = ? AND object_type = ? ORDER BY ts DESC, number DESC LIMIT 1
"""
_encode = msgspec.json.Encoder().encode


class Edits(list[Edit]):
    """What a write changes."""

    def __init__(self, *, detailed: bool) -> None:
        super().__init__()
        self.detailed = detailed  # whether somebody reads which members differ
        self.actor = ""  # what people call who made them


_EDITS: ContextVar[Edits | None] = ContextVar("_EDITS", default=None)  # of the write that runs, in its thread


def details_wanted() -> bool:
    """Whether the write that runs is recorded with the members that differ."""
    edits = _EDITS.get()
    return edits is not None and edits.detailed


def note(edit: Edit) -> None:
    """Tells what the write that runs has changed."""
    edits = _EDITS.get()
    if edits is not None:
        edits.append(edit)


def note_more(kind: str, row_id: str, changes: Sequence[AuditChange]) -> None:
    """Adds changes of parts that stand in other tables to what was last noted of a thing."""
    edits = _EDITS.get()
    if edits is None:
        return
    for index in reversed(range(len(edits))):
        if (edits[index].kind, edits[index].id) == (kind, row_id):
            edits[index] = edits[index]._replace(changes=(*edits[index].changes, *changes))
            return


def collecting(run: Callable[[Connection], T], edits: Edits, author: Author | None) -> Callable[[Connection], T]:
    """``run``, of which each change is put into ``edits``, and where there is an author, into the audit log."""

    def collect(connection: Connection) -> T:
        edits.clear()  # the write may run again
        token = _EDITS.set(edits)
        try:
            result = run(connection)
        finally:
            _EDITS.reset(token)
        if author is not None and edits:
            edits.actor = actor_name(connection, author)
            record(connection, author, edits, edits.actor)
        return result

    return collect


def record(connection: Connection, author: Author, edits: Sequence[Edit], name: str) -> None:
    """Puts rows into the audit log, of an author with this name."""
    connection.executemany(
        _INSERT,
        [
            (
                edit.project_id,
                author.at,
                author.kind,
                author.id,
                name,
                author.address,
                edit.action,
                edit.kind,
                edit.id,
                edit.name,
                _encode(edit.changes).decode(),
            )
            for edit in edits
            if is_recorded(author, edit.action)
        ],
    )


def actor_name(connection: Connection, author: Author) -> str:
    """What people call an author; empty: the command line, or one that is no more."""
    sql = _NAMES.get(author.kind)
    row = None if sql is None else connection.execute(sql, (author.id,)).fetchone()
    return "" if row is None else str(row[0])


def version_conflict(connection: Connection, project_id: str, kind: str, row_id: str, present: int) -> Conflict:
    """The refusal of a change that expects another version than the present one; ``info`` says who made the last
    change, and when, if that was recorded."""
    info: dict[str, Any] = {VERSION: present}
    last = connection.execute(_LAST, (project_id, row_id, kind)).fetchone()
    if last is not None:
        info |= {"by": last[1], "ts": last[0]}
    return Conflict("version_stale", version=present, info=info)


def write_of(edit: Edit) -> Callable[[Connection], None] | None:
    """The write that records an edit for the author of this call, to be put into the commit that makes it. None: it is
    not recorded."""
    author = present_author()
    if author is None or not is_recorded(author, edit.action):
        return None
    return lambda connection: record(connection, author, [edit], actor_name(connection, author))
