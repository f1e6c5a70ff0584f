"""The contract of a store, the audit log."""

from collections.abc import Callable, Sequence
from typing import Protocol

from thingstead.model.audit.log import AuditFilter, AuditLog, Edit
from thingstead.storage.commit import Commit


class AuditStore(Protocol):
    """Who changed what. The rows are put by the writes themselves, each in the transaction of its change, for the
    author of the call (:data:`~thingstead.model.audit.log.AUTHOR`)."""

    def listen(self, listener: Callable[[Sequence[Edit], str], None]) -> None:
        """From now on ``listener`` is called on the event loop with what each write has changed, once that is
        committed, and the name of who did it; empty: a device, or the server. It must not raise."""
        ...

    @property
    def rows_added(self) -> int:
        """Rows added since the store was opened."""
        ...

    def beside(self, edit: Edit) -> Commit | None:
        """Records an edit in the open commit: with what is appended to history in the same turn of the event loop it is
        one transaction. Does nothing, and returns None, where the call has no author."""
        ...

    async def list_rows(self, project_id: str, wanted: AuditFilter, limit: int) -> list[AuditLog]:
        """The newest rows of a filter, the newest first."""
        ...

    async def drop_old(self, project_id: str, before: int) -> int:
        """One step: drops some rows of a project before an instant (ms). Returns how many; 0: none is left."""
        ...

    async def excess_before(self, project_id: str, most: int) -> int:
        """The instant (ms) before which the rows lie that a project has beyond its newest ``most``; 0: it has no
        more."""
        ...
