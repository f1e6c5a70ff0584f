"""Bytes that many queues hold together: bounded, and shared out between them without looking at all of them."""

PART = 8  # a queue may hold so many times what is left


class Budget:
    """The fuller it is, the smaller the share of each queue: at most :data:`PART` times what is left of it (dynamic
    thresholds, as switches share out their memory). One queue alone gets nearly all, several get equal parts, and for
    one that comes later there is always some room.

    Args:
        limit_bytes: of all queues.
        within: of queues of several kinds together, these among them; a queue may hold no more than both allow.

    Attributes:
        used_bytes: of all queues now.
    """

    __slots__ = ("_limit_bytes", "_within", "used_bytes")

    def __init__(self, limit_bytes: int, within: "Budget | None" = None) -> None:
        self._limit_bytes = limit_bytes
        self._within = within
        self.used_bytes = 0

    def room(self, held_bytes: int, more_bytes: int, *, freed_bytes: int = 0) -> bool:
        """Whether a queue that holds so much may take so much more, once it has freed so much."""
        if held_bytes + more_bytes > PART * (self._limit_bytes - self.used_bytes + freed_bytes - more_bytes):
            return False
        return self._within is None or self._within.room(held_bytes, more_bytes, freed_bytes=freed_bytes)

    @property
    def excess_bytes(self) -> int:
        """By how much the queues hold more than they may; only what was restored can."""
        return self.used_bytes - self._limit_bytes

    @property
    def most_of_one_bytes(self) -> int:
        """What a queue may hold that is alone."""
        return self._limit_bytes * PART // (PART + 1)

    def moved(self, before_bytes: int, after_bytes: int) -> None:
        """A queue holds another number of bytes than before."""
        self.used_bytes += after_bytes - before_bytes
        if self._within is not None:
            self._within.moved(before_bytes, after_bytes)


class Part:
    """What one of those who share a budget holds. Without a budget it may hold anything."""

    __slots__ = ("_budget", "held_bytes")

    def __init__(self, budget: Budget | None) -> None:
        self._budget = budget
        self.held_bytes = 0

    def hold(self, size: int) -> bool:
        """From now on it holds so much; False where that is more than its part."""
        if self._budget is None:
            return True
        self._budget.moved(self.held_bytes, size)
        self.held_bytes = size
        return not size or self._budget.room(size, 0)
