"""Daily quota of stored bytes of a project, so that one tenant cannot fill the disk."""

from typing import Any

import msgspec
import structlog

from thingstead.clock import Clock
from thingstead.errors import TooManyRequests
from thingstead.model.retention import DAY_MS

log = structlog.get_logger("thingstead.quotas")


class _Used(msgspec.Struct):
    """Usage of a project on one day."""

    day: int  # since the epoch, UTC
    bytes: int = 0
    refused: int = 0  # messages


class DailyQuota:
    """Limits the bytes of messages by project and day (UTC). Counts in memory: a restart resets it.

    Args:
        max_bytes: per project and day, at least 1.
    """

    def __init__(self, clock: Clock, max_bytes: int) -> None:
        self._now_ms = clock.now_ms
        self._max_bytes = max_bytes
        self._used: dict[str, _Used] = {}
        self.refused = 0  # messages of all projects

    def allows(self, project_id: str, size_bytes: int) -> bool:
        """Whether the rest of the quota of a project suffices."""
        return self._today(project_id).bytes + size_bytes <= self._max_bytes

    def take(self, project_id: str, size_bytes: int) -> None:
        """Counts a message that is about to be stored.

        Raises:
            TooManyRequests: it exceeds the quota; ``retry_after_s`` is the time until the next day.
        """
        used = self._today(project_id)
        if used.bytes + size_bytes > self._max_bytes:
            self._refuse(project_id, used)
        used.bytes += size_bytes

    def take_value(self, project_id: str, value: Any) -> None:
        """:meth:`take` for a value that is about to be stored as JSON. A value that JSON cannot represent is not
        counted: the store refuses it."""
        try:
            size_bytes = len(msgspec.json.encode(value))
        except (OverflowError, UnicodeEncodeError):
            return
        self.take(project_id, size_bytes)

    def _refuse(self, project_id: str, used: _Used) -> None:
        if not used.refused:
            log.warning("daily quota of a project is used up", project_id=project_id, max_bytes=self._max_bytes)
        used.refused += 1
        self.refused += 1
        left_ms = (used.day + 1) * DAY_MS - self._now_ms()
        raise TooManyRequests("daily_quota_used", retry_after_s=max(1, -(-left_ms // 1000)))

    def _today(self, project_id: str) -> _Used:
        day = self._now_ms() // DAY_MS
        used = self._used.get(project_id)
        if used is None or used.day != day:
            used = self._used[project_id] = _Used(day)
        return used
