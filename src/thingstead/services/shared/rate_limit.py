"""How often something may be noted that a peer can bring about at will: a few at once, then one at intervals."""

from collections import OrderedDict
from collections.abc import Hashable

from thingstead.clock import Clock

KEYS_LIMIT = 10_000  # remembered; over it the one that was asked for least recently is forgotten


class _Ration:
    __slots__ = ("at_s", "left", "suppressed")

    def __init__(self, at_s: float, burst: int) -> None:
        self.at_s = at_s
        self.left = float(burst)
        self.suppressed = 0


class TokenBuckets:
    """One ration for each key, such as a device.

    Args:
        burst: how many are allowed at once …
        interval_s: … and how long it takes until there may be one more.
    """

    def __init__(self, clock: Clock, burst: int, interval_s: float) -> None:
        self._clock = clock
        self._burst = burst
        self._interval_s = interval_s
        self._rations: OrderedDict[Hashable, _Ration] = OrderedDict()

    def take(self, key: Hashable) -> int | None:
        """Takes one: how many were not allowed since the one before; None where this one is not."""
        now_s = self._clock.monotonic_s()
        ration = self._rations.get(key)
        if ration is None:
            ration = self._rations[key] = _Ration(now_s, self._burst)
            if len(self._rations) > KEYS_LIMIT:
                self._rations.popitem(last=False)
        else:
            self._rations.move_to_end(key)
            ration.left = min(self._burst, ration.left + (now_s - ration.at_s) / self._interval_s)
            ration.at_s = now_s
        if ration.left < 1:
            ration.suppressed += 1
            return None
        ration.left -= 1
        suppressed, ration.suppressed = ration.suppressed, 0
        return suppressed

    def excuse(self, key: Hashable) -> int:
        """What :meth:`take` did not allow is noted all the same: how many others were not since the last one."""
        ration = self._rations[key]
        suppressed, ration.suppressed = ration.suppressed - 1, 0
        return suppressed

    def give_back(self, key: Hashable, suppressed: int) -> None:
        """What :meth:`take` allowed could not be noted; it counts among the suppressed."""
        ration = self._rations.get(key)
        if ration is not None:
            ration.left += 1
            ration.suppressed += suppressed + 1
