"""Drops rows of the audit log beyond their age or number."""

from thingstead.config import StorageSettings
from thingstead.model.retention import DAY_MS
from thingstead.storage.base import Store


class AuditRetention:
    """Applies the retention settings of the audit log."""

    def __init__(self, store: Store, settings: StorageSettings) -> None:
        self._store = store
        self._days = settings.audit_retention_days
        self._most = settings.audit_rows_max
        self.dropped = 0

    @property
    def rows_added(self) -> int:
        """Rows added since the store was opened."""
        return self._store.audit.rows_added

    async def run(self, now: int) -> None:
        """Drops rows that are expired or above the maximum number at ``now`` (ms), in small steps."""
        audit = self._store.audit
        for project in await self._store.projects.list_all():
            before = now - self._days * DAY_MS if self._days else 0
            if self._most:
                before = max(before, await audit.excess_before(project.id, self._most))
            while before and (dropped := await audit.drop_old(project.id, before)):
                self.dropped += dropped
