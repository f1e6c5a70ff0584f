"""Bytes that many queues may hold together, and what each of them may hold once they are used up."""


class Budget:
    """As long as there is room, each queue grows to its own bound; then those that hold more than an equal part of all
    take nothing more, and the others grow up to that. So all of them together hold at most twice the limit.

    Args:
        limit_bytes: of all queues.

    Attributes:
        used_bytes: of all queues now.
        holders: queues that hold something.
    """

    __slots__ = ("_limit_bytes", "holders", "used_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.used_bytes = 0
        self.holders = 0

    def room(self, held_bytes: int, more_bytes: int) -> bool:
        """Whether a queue that holds so much may take so much more."""
        if self.used_bytes + more_bytes <= self._limit_bytes:
            return True
        return held_bytes + more_bytes <= self._limit_bytes // max(1, self.holders)

    def moved(self, before_bytes: int, after_bytes: int) -> None:
        """A queue holds another number of bytes than before."""
        self.used_bytes += after_bytes - before_bytes
        self.holders += (after_bytes > 0) - (before_bytes > 0)
