"""The audit log."""

from typing import Any, Literal

import msgspec


class AuditActor(msgspec.Struct, frozen=True, kw_only=True):
    """Who did it."""

    kind: Literal["admin", "application", "cli"]  # cli: the command line of the server
    id: str  # empty: the command line
    name: str  # the account, or the name of the application, at that time


class AuditObject(msgspec.Struct, frozen=True, kw_only=True):
    """What it was done to."""

    type: str
    id: str
    name: str  # at that time; empty where it has none


class AuditMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member before and after. A secret is `…`; a long value is cut off and ends with it."""

    member: str
    before: Any
    after: Any


class AuditItem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody created, changed or removed."""

    id: str
    ts: int  # ms
    actor: AuditActor
    address: str  # from which it was asked; empty: unknown, or the command line
    action: str
    object: AuditObject
    changes: list[AuditMember]
    result: Literal["done"] = "done"  # what is refused changes nothing and has no row


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the audit log, the newest first."""

    items: list[AuditItem]
    next_before: str  # `before` of the next part; empty after the last
