"""The contract of a store, forwarding: targets, the log of messages that wait for them, and dead letters.

What ``base.py`` says of every part of a store holds here too. The log consists of segments in ascending order of their
``seq``; a target is at a place of its own in it.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from thingstead.model.device import Page
from thingstead.model.forwarding.segment import Segment, SegmentHeader
from thingstead.model.forwarding.target import DeadLetter, ForwardTarget, Progress, TargetFilter
from thingstead.storage.commit import Commit


class Replay(NamedTuple):
    """Dead letters that were put back into the log."""

    segment: Segment  # empty: there were none
    remaining: int  # dead letters that were chosen, too


class ForwardingStore(Protocol):
    """Targets, segments and dead letters of all projects."""

    async def create(self, target: ForwardTarget) -> None: ...

    async def get(self, project_id: str, target_id: str) -> ForwardTarget:
        """Raises NotFound."""
        ...

    async def list_page(
        self, project_id: str, target_filter: TargetFilter, page: Page
    ) -> tuple[list[ForwardTarget], int]:
        """One page of targets, oldest first, and the number of matches."""
        ...

    async def list_all(self, after: str, limit: int) -> list[ForwardTarget]:
        """Targets of all projects whose id is greater than ``after``, by id."""
        ...

    async def count(self, project_id: str) -> int:
        """Number of targets of a project."""
        ...

    async def replace(self, target: ForwardTarget, version: int | None = None) -> None:
        """Changes a target. Raises NotFound, and Conflict if ``version`` is given and not the present one."""
        ...

    async def delete(self, project_id: str, target_id: str) -> None:
        """Removes a target with its dead letters. Raises NotFound."""
        ...

    # The log

    def append_segment(self, segment: Segment) -> Commit:
        """Adds a segment to the open commit, without waiting. Messages that are added to it before the commit begins
        are part of it."""
        ...

    async def last_seq(self) -> int:
        """The greatest ``seq`` in the log; 0: it is empty."""
        ...

    async def list_headers(self, project_id: str, target_id: str, after: int, limit: int) -> list[SegmentHeader]:
        """Segments after ``after`` that have messages for a target, in order."""
        ...

    async def read_segments(
        self, project_id: str, target_id: str, begin: int, end: int, size_bytes: int
    ) -> list[Segment]:
        """Segments from ``begin`` to ``end``, both inclusive, that have messages for a target, in order: at most about
        ``size_bytes``, but one at least if there is one."""
        ...

    async def list_projects(self) -> list[str]:
        """Projects with segments."""
        ...

    # The outcome of messages

    async def progress(self, target_id: str) -> Progress:
        """How far a target is; that of a new one if nothing was saved."""
        ...

    async def save(
        self,
        progress: Sequence[tuple[str, Progress]],
        dead: Sequence[DeadLetter],
        done: Sequence[tuple[str, int]],
    ) -> set[str]:
        """Saves in one transaction how far targets are and their new dead letters, and deletes segments that nobody
        needs any more: of each project in ``done`` those up to a ``seq``, inclusive, some thousand at most. Of each
        target the newest dead letters are kept. Targets that do not exist any more are left out.

        Returns:
            The projects of which more can be deleted.
        """
        ...

    async def list_dead(self, project_id: str, target_id: str, page: Page) -> tuple[list[DeadLetter], int]:
        """One page of dead letters, oldest first, and their number."""
        ...

    async def count_dead(self, target_id: str) -> int:
        """Number of dead letters of a target."""
        ...

    async def delete_dead(self, target: ForwardTarget, ids: Sequence[str] | None) -> int:
        """Deletes dead letters by their ``seq``; None: all. Returns their number."""
        ...

    async def replay(self, target: ForwardTarget, ids: Sequence[str] | None, seq: int, now: int, most: int) -> Replay:
        """Puts dead letters back into the log, oldest first, in one transaction.

        Args:
            ids: which (``seq``); None: all.
            seq: of the segment that has them afterwards; it holds as many as fit.
            most: how many at once.
        """
        ...
