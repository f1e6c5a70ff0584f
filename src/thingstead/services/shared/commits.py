"""The ``Commit`` interface for services, and an adapter for coroutines."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeGuard

from thingstead.errors import ThingsteadError, Unavailable
from thingstead.storage.commit import Commit, both, settled

__all__ = ["Commit", "RefusableCommit", "TaskCommit", "both", "settled"]


class TaskCommit:
    """Adapts a coroutine that ends in a commit to the ``Commit`` interface, for synchronous callers."""

    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        self.task = asyncio.get_running_loop().create_task(work)

    @property
    def done(self) -> bool:
        return self.task.done()

    @property
    def error(self) -> Exception | None:
        if not self.task.done():
            return None
        if self.task.cancelled():
            return ConnectionAbortedError("the work was cancelled")
        error = self.task.exception()
        if error is None or isinstance(error, Exception):
            return error
        raise error

    def on_done(self, callback: Callable[[Exception | None], None]) -> None:
        self.task.add_done_callback(lambda task: callback(self.error))


class RefusableCommit(TaskCommit):
    """A coroutine whose refusal is known only at its end: a refusal is not an error of the commit, but its
    :attr:`refusal`."""

    @property
    def error(self) -> Exception | None:
        error = super().error
        return None if _is_refusal(error) else error

    @property
    def refusal(self) -> ThingsteadError | None:
        """The refusal if the commit ended with one; None otherwise."""
        error = super().error
        return error if _is_refusal(error) else None


def _is_refusal(error: Exception | None) -> TypeGuard[ThingsteadError]:
    return isinstance(error, ThingsteadError) and not isinstance(error, Unavailable)
