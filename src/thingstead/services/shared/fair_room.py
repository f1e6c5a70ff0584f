"""Bounds what waits in a queue, in number and bytes, fairly between projects."""

from typing import Final

PROJECT_SHARE: Final = 2  # one project may take one in so many of it


class FairRoom:
    """Counts things that wait, and their bytes."""

    def __init__(self, limit: int, limit_bytes: int) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self.count = 0
        self.size_bytes = 0
        self._projects: dict[str, tuple[int, int]] = {}  # (number, bytes)

    def take(self, project_id: str, size_bytes: int) -> bool:
        """Takes room for one thing; False: the room, or the share of the project, does not suffice."""
        own_count, own_bytes = self._projects.get(project_id, (0, 0))
        if (
            self.count >= self._limit
            or self.size_bytes + size_bytes > self._limit_bytes
            or own_count * PROJECT_SHARE >= self._limit
            or (own_bytes + size_bytes) * PROJECT_SHARE > self._limit_bytes
        ):
            return False
        self.put(project_id, 1, size_bytes)
        return True

    def put(self, project_id: str, count: int, size_bytes: int) -> None:
        """Counts things, whether there is room for them or not."""
        own_count, own_bytes = self._projects.get(project_id, (0, 0))
        self._projects[project_id] = (own_count + count, own_bytes + size_bytes)
        self.count += count
        self.size_bytes += size_bytes

    def give(self, project_id: str, size_bytes: int, count: int = 1) -> None:
        """Gives room back."""
        own_count, own_bytes = self._projects.get(project_id, (0, 0))
        if own_count > count:
            self._projects[project_id] = (own_count - count, own_bytes - size_bytes)
        else:
            self._projects.pop(project_id, None)
        self.count = max(0, self.count - count)
        self.size_bytes = max(0, self.size_bytes - size_bytes)
