"""Reads the audit log, and tells subscribers what was changed.

A write endpoint does nothing for its row: the author of the call is set before its handler runs
(:func:`acting`), and the store's writes record for that author what they change, in the same transaction
(:mod:`thingstead.storage.sql.access.audit`). What a new endpoint writes to a table whose ``Layout`` has a ``kind``
is recorded by itself; another write calls ``note(Edit(…))`` in its transaction, and what goes into the open commit of
reports calls :meth:`~thingstead.storage.base_audit.AuditStore.beside`. Work that goes on after its call, such as a job,
keeps the ``Author`` and runs in :func:`acting` again.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import InvalidInput
from thingstead.model.audit.differences import differences
from thingstead.model.audit.log import (
    AUTHOR,
    ActorKind,
    AuditFilter,
    AuditLog,
    Author,
    Edit,
    is_recorded,
    present_author,
)
from thingstead.model.device import Device
from thingstead.model.messages import ThingChanged
from thingstead.storage.base import Store

ID_DIGITS = 18


@contextmanager
def acting(author: Author) -> Iterator[None]:
    """Records writes in this block for ``author``. Tasks created in it that outlive it record nothing."""
    token = AUTHOR.set(author)
    try:
        yield
    finally:
        author.over = True
        AUTHOR.reset(token)


def note_control(store: Store, device: Device, action: str, sent: Mapping[str, Any]) -> None:
    """Records what is sent to a device in the open commit, unless an application sends it. The caller has put it into
    that commit in this turn of the event loop."""
    if is_recorded(present_author(), action):
        changes = differences({}, sent)
        store.audit.beside(Edit(device.project_id, "device", device.id, device.name, action, changes))


class AuditService:
    """Operations on the audit log."""

    def __init__(self, store: Store, bus: Bus, clock: Clock) -> None:
        self._audit = store.audit
        self._bus = bus
        self._clock = clock
        store.audit.listen(self._tell)

    def author(self, kind: ActorKind, project_id: str = "", actor_id: str = "", address: str = "") -> Author:
        """The author of changes that are made now."""
        return Author(kind=kind, project_id=project_id, id=actor_id, address=address, at=self._clock.now_ms())

    async def list_rows(self, project_id: str, wanted: AuditFilter, limit: int) -> tuple[list[AuditLog], bool]:
        """The newest rows that match a filter, newest first, and whether there are more. Raises InvalidInput if
        ``before`` is not the id of a row."""
        before = wanted.before
        if before is not None and not (before.isascii() and before.isdigit() and len(before) <= ID_DIGITS):
            raise InvalidInput.field("before", "bad_cursor")
        rows = await self._audit.list_rows(project_id, wanted, limit + 1)
        return rows[:limit], len(rows) > limit

    def _tell(self, edits: Sequence[Edit], by: str) -> None:
        for edit in edits:
            self._bus.publish(ThingChanged(edit.project_id, edit.kind, edit.id, edit.version, edit.action, by))
