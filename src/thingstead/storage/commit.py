"""A transaction that is not on disk yet, and how to wait for it."""

import asyncio
from collections.abc import Callable
from typing import Protocol


class Commit(Protocol):
    """The commit that an appended write will be part of. Many writes share one."""

    @property
    def done(self) -> bool:
        """Whether it has ended; if ``error`` is None, it is on disk."""
        ...

    @property
    def error(self) -> Exception | None:
        """Why it failed, once it is done."""
        ...

    def on_done(self, callback: Callable[[Exception | None], None]) -> None:
        """Calls back on the event loop once the commit is on disk (None) or has failed (Unavailable). Callbacks of one
        commit run in the order in which they were added; commits end in the order in which they began."""
        ...


async def ended(commit: Commit) -> Exception | None:
    """Waits until a commit has ended. Returns None if it is on disk, otherwise the error. Cancelling the caller does
    not affect the commit."""
    if not commit.done:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        commit.on_done(lambda _: None if future.done() else future.set_result(None))
        await future
    return commit.error


async def settled(commit: Commit) -> None:
    """Waits until a commit is on disk. Raises the error if it failed."""
    error = await ended(commit)
    if error is not None:
        raise error


class _Both:
    """Two commits; done when both have ended."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Commit, second: Commit) -> None:
        self._first = first
        self._second = second

    @property
    def done(self) -> bool:
        return self._first.done and self._second.done

    @property
    def error(self) -> Exception | None:
        return self._first.error or self._second.error

    def on_done(self, callback: Callable[[Exception | None], None]) -> None:
        second = self._second
        self._first.on_done(lambda _: second.on_done(lambda _: callback(self.error)))


def both(first: Commit | None, second: Commit | None) -> Commit | None:
    """A commit that is done when both commits are; usually they are the same. None if both are None."""
    if first is None or first is second:
        return second
    return first if second is None else _Both(first, second)
