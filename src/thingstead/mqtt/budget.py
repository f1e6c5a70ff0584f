"""A byte limit shared by many queues, with fair shares and constant cost."""

PART = 8  # a queue may hold at most so many times the free bytes


class Budget:
    """A byte limit that queues share. The less is free, the smaller the limit of each queue: :data:`PART` times the
    free bytes (dynamic thresholds, as in shared-memory switches). A single queue may use nearly all, several get equal
    parts, and a new queue always finds some room.

    Args:
        limit_bytes: the limit of all queues together.
        within: an outer budget that also counts these queues; a queue must fit in both.

    Attributes:
        used_bytes: the bytes that all queues hold now.
    """

    __slots__ = ("_limit_bytes", "_within", "used_bytes")

    def __init__(self, limit_bytes: int, within: "Budget | None" = None) -> None:
        self._limit_bytes = limit_bytes
        self._within = within
        self.used_bytes = 0

    def room(self, held_bytes: int, more_bytes: int, *, freed_bytes: int = 0) -> bool:
        """Whether a queue that holds ``held_bytes`` may add ``more_bytes`` after it frees ``freed_bytes``."""
        if held_bytes + more_bytes > PART * (self._limit_bytes - self.used_bytes + freed_bytes - more_bytes):
            return False
        return self._within is None or self._within.room(held_bytes, more_bytes, freed_bytes=freed_bytes)

    @property
    def excess_bytes(self) -> int:
        """By how many bytes the limit is exceeded; above 0 only after queues were restored."""
        return self.used_bytes - self._limit_bytes

    @property
    def most_of_one_bytes(self) -> int:
        """The greatest size of a queue while all others are empty."""
        return self._limit_bytes * PART // (PART + 1)

    def moved(self, before_bytes: int, after_bytes: int) -> None:
        """Updates the sum after a queue changed its size."""
        self.used_bytes += after_bytes - before_bytes
        if self._within is not None:
            self._within.moved(before_bytes, after_bytes)


class Part:
    """The share of one holder in a budget. Without a budget it is unlimited."""

    __slots__ = ("_budget", "held_bytes")

    def __init__(self, budget: Budget | None) -> None:
        self._budget = budget
        self.held_bytes = 0

    def hold(self, size: int) -> bool:
        """Sets the held bytes; returns False if they exceed the share."""
        if self._budget is None:
            return True
        self._budget.moved(self.held_bytes, size)
        self.held_bytes = size
        return not size or self._budget.room(size, 0)
