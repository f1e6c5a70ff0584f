"""What a caller holds of a transaction that is not on disk yet."""

from collections.abc import Callable
from typing import Protocol


class Commit(Protocol):
    """The commit that something appended will be part of. Many reports share one."""

    @property
    def done(self) -> bool:
        """Whether it has ended: on disk when ``error`` is None."""
        ...

    @property
    def error(self) -> Exception | None:
        """Why it failed, once done."""
        ...

    def on_done(self, callback: Callable[[Exception | None], None]) -> None:
        """Calls back on the event loop once the commit is on disk (None) or has failed (Unavailable). Callbacks of
        one commit run in the order in which they were added, and commits end in the order in which they began."""
        ...
