"""An LRU cache."""

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Lru(OrderedDict[K, V]):
    """An LRU cache of at most ``limit`` entries. Only :meth:`use` and :meth:`put` count as use.

    The methods of ``OrderedDict`` are in C and stay available: a hot path calls ``get`` and ``move_to_end`` itself,
    which costs a sixth of :mod:`cachetools` (decision 0014).
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def use(self, key: K) -> V | None:
        """The value of a key, which becomes the most recently used; None if it is not cached."""
        value = self.get(key)
        if value is not None:
            self.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Adds or replaces an entry, which becomes the most recently used; drops the least recently used if there are
        too many."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > self.limit:
            self.popitem(last=False)
