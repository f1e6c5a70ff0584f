"""Who changes what people set up, and what was changed: the audit log (操作日志)."""

from contextvars import ContextVar
from typing import Any, Literal, NamedTuple

import msgspec

ActorKind = Literal["admin", "application", "cli"]

CONTROL_ACTIONS = frozenset({"push", "cloud", "command", "data"})  # that change no setting of a device
HIDDEN = "…"  # in the place of a secret, and at the end of a value that is cut off


class Author(msgspec.Struct, kw_only=True):
    """On whose behalf a call writes. The transactions of the call record it with each change."""

    kind: ActorKind
    project_id: str = ""  # of the caller; empty: the command line, which may change any project
    id: str = ""  # of the administrator or application; empty: the command line
    address: str = ""  # remote address
    at: int  # ms; when the call began
    over: bool = False  # set when the call ends, so that tasks that outlive it record nothing on its behalf


AUTHOR: ContextVar[Author | None] = ContextVar("AUTHOR", default=None)


def present_author() -> Author | None:
    """Who writes in this context; None: a device, or the server itself, whose writes are not recorded."""
    author = AUTHOR.get()
    return None if author is None or author.over else author


def is_recorded(author: Author | None, action: str) -> bool:
    """Whether the audit log gets a row of something that is done to a thing. Applications control devices all day long;
    the logs of the device have what they sent."""
    return author is not None and (author.kind != "application" or action not in CONTROL_ACTIONS)


class AuditChange(msgspec.Struct, frozen=True, kw_only=True):
    """A member before and after a change. Secrets are hidden; long values are cut off."""

    member: str
    before: Any = None
    after: Any = None


class Edit(NamedTuple):
    """One thing that was created, changed or removed within a transaction."""

    project_id: str
    kind: str  # device, device_type, alarm_rule, …
    id: str
    name: str
    action: str  # create, update, remove, …
    changes: tuple[AuditChange, ...] = ()
    version: int = 0  # afterwards; 0: it has none, or was removed


class AuditLog(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the audit log."""

    id: str
    ts: int  # ms
    actor_kind: ActorKind
    actor_id: str
    actor_name: str
    address: str
    action: str
    object_type: str
    object_id: str
    object_name: str
    changes: tuple[AuditChange, ...]


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filter of the audit log; unset members do not narrow it."""

    actor: str | None = None  # id, or a kind of actor
    object_type: str | None = None
    object_id: str | None = None
    action: str | None = None
    start: int | None = None  # ms, inclusive
    end: int | None = None  # ms, inclusive
    before: str | None = None  # id of a row: older ones only
