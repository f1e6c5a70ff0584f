"""A bounded mapping that forgets what was used least recently."""

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Lru(OrderedDict[K, V]):
    """At most ``limit`` entries. Only :meth:`use` and :meth:`put` are uses; a plain look is none.

    The methods of ``OrderedDict`` are in C and stay available: a hot path calls ``get`` and ``move_to_end`` itself,
    which costs a sixth of what :mod:`cachetools` takes (decision 0014).
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def use(self, key: K) -> V | None:
        """The value of a key, which thereby becomes the newest; None where there is none."""
        value = self.get(key)
        if value is not None:
            self.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Adds an entry, or gives one another value; it becomes the newest, and the oldest goes where there are too
        many."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > self.limit:
            self.popitem(last=False)
