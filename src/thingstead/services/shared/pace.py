"""How much work of a kind each project may have done in a second."""

from thingstead.clock import Clock
from thingstead.services.shared.lru import Lru

PROJECTS_COUNT = 10_000  # remembered; the one whose work is longest ago is dropped


class Pace:
    """The instants from which each project may go on, so that it has ``per_second`` pieces done in a second."""

    def __init__(self, clock: Clock, per_second: float) -> None:
        self._clock = clock
        self._per_second = per_second
        self._free_s: Lru[str, float] = Lru(PROJECTS_COUNT)

    def wait_s(self, project_id: str) -> float:
        """How long the project must wait before its next work."""
        return max(0.0, (self._free_s.get(project_id) or 0.0) - self._clock.monotonic_s())

    def spent(self, project_id: str, count: int) -> None:
        """Notes that ``count`` pieces of work of the project are done, or begin now."""
        begin_s = max(self._clock.monotonic_s(), self._free_s.get(project_id) or 0.0)
        self._free_s.put(project_id, begin_s + count / self._per_second)
