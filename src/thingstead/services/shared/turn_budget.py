"""Shares work that is done within messages fairly between projects, turn by turn of the event loop."""

import asyncio
from collections import deque
from collections.abc import Callable

DEBT_TURNS = 40  # shares that a project may be in debt; over it, work that can be left out is


class TurnBudget:
    """The units of work that each project may have done in a turn of the event loop. Who has spent its share waits for
    the next turn, so that messages of others are handled in between; nobody waits while the loop is idle. More than a
    share that was spent at once counts for the turns that follow.

    Args:
        per_turn: units of one project.

    Attributes:
        charged: whether any project has spent something, or waits. Ask it first: it is False nearly always.
    """

    def __init__(self, per_turn: int) -> None:
        self._per_turn = per_turn
        self._spent: dict[str, int] = {}  # by project id
        self._waiting: dict[str, deque[Callable[[], None]]] = {}
        self._serving = ""  # project whose callers go on now
        self._scheduled = False
        self.charged = False

    def spend(self, project_id: str, units: int) -> None:
        """Notes work that was done."""
        self._spent[project_id] = self._spent.get(project_id, 0) + units
        self._schedule()

    def spent(self, project_id: str) -> bool:
        """Whether a project must :meth:`wait`: its share is used up, or others of it wait already."""
        behind = project_id in self._waiting and project_id != self._serving
        return behind or self._spent.get(project_id, 0) >= self._per_turn

    def indebted(self, project_id: str) -> bool:
        """Whether a project has spent so much in one turn that work which can be left out is left out."""
        return self._spent.get(project_id, 0) >= self._per_turn * DEBT_TURNS

    def room(self, project_id: str, units: int) -> int:
        """How many pieces of work of this size may be done in this turn; at least one."""
        return max(1, -((self._spent.get(project_id, 0) - self._per_turn) // units))

    def wait(self, project_id: str, go_on: Callable[[], None]) -> None:
        """Calls back once it is the caller's turn, in order of arrival within a project. ``go_on`` does its work at
        once, at most about a share of it, and must not raise."""
        self._waiting.setdefault(project_id, deque()).append(go_on)
        self._schedule()

    async def turn(self, project_id: str) -> None:
        """Returns once it is the caller's turn; a quarter of a share counts as spent by it beforehand."""
        if not self.spent(project_id):
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def grant() -> None:
            if not granted.done():
                self.spend(project_id, self._per_turn // 4)
                granted.set_result(None)

        self.wait(project_id, grant)
        await granted

    def _schedule(self) -> None:
        self.charged = True
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._scheduled = False
        for project_id, units in list(self._spent.items()):
            if units > self._per_turn:
                self._spent[project_id] = units - self._per_turn
            else:
                del self._spent[project_id]
        for project_id in list(self._waiting):
            self._serving = project_id
            self._go_on(project_id)
        self._serving = ""
        self.charged = bool(self._spent or self._waiting)
        if self.charged:
            self._schedule()

    def _go_on(self, project_id: str) -> None:
        """Lets those who wait in a project go on, as far as its share goes."""
        queue = self._waiting[project_id]
        for _ in range(len(queue)):
            if self._spent.get(project_id, 0) >= self._per_turn:
                break
            queue.popleft()()
        if not queue:
            del self._waiting[project_id]
