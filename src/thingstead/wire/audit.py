"""The audit log."""

from typing import Any, Literal

import msgspec


class AuditActor(msgspec.Struct, frozen=True, kw_only=True):
    """The person or application that made a change."""

    kind: Literal["admin", "application", "cli"]  # cli: the command line of the server
    id: str  # empty: the command line
    name: str  # account or name of the application at that time


class AuditObject(msgspec.Struct, frozen=True, kw_only=True):
    """The changed object."""

    type: str
    id: str
    name: str  # at that time; empty if it has none


class AuditMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member before and after the change. Secrets are shown as `…`; a long value is truncated and ends with `…`."""

    member: str
    before: Any
    after: Any


class AuditItem(msgspec.Struct, frozen=True, kw_only=True):
    """One object that was created, changed or removed."""

    id: str
    ts: int  # ms
    actor: AuditActor
    address: str  # address of the request; empty: unknown, or the command line
    action: str
    object: AuditObject
    changes: list[AuditMember]
    result: Literal["done"] = "done"  # refused requests change nothing and have no row


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the audit log, newest first."""

    items: list[AuditItem]
    next_before: str  # `before` of the next part; empty after the last
