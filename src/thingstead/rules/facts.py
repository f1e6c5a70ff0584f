"""Known values of one device at one instant: the input of conditions.

There are two clocks. Values have timestamps of the device, and their conditions are evaluated in device time. Silence
and absence are measured from arrivals, by the server clock. ``shift`` is the difference, for the rule that is being
evaluated: it differs between rules, because a device may send the backlog of one attribute while another is live.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

NEVER = -1  # an instant that does not exist
ALWAYS_ONLINE = 0  # value of offline_since: the device has a live session


class Moment(NamedTuple):
    """How far a rule has been evaluated."""

    at: int  # ms, device time: the newest evaluated instant
    offset: int  # ms: device timestamps minus server clock


NO_MOMENTS: Mapping[str, Moment] = {}


class Facts:
    """The current values of a device and when they arrived.

    Nothing here changes between two reports; conditions compute what depends on time. A report that cannot change any
    rule is only stored as ``passed``; :meth:`catch_up` applies it.
    """

    __slots__ = (
        "born_at",
        "data_at",
        "heard",
        "listened",
        "newest",
        "offline_since",
        "offset",
        "passed",
        "passed_at",
        "previous",
        "shift",
        "times",
        "values",
    )

    def __init__(self, born_at: int = 0) -> None:
        self.values: dict[str, Any] = {}  # current value by identifier
        self.times: dict[str, int] = {}  # timestamps of these values, ms of the device
        self.previous: dict[str, Any] = {}  # the previous value of attributes whose change is watched
        self.newest = NEVER  # the greatest timestamp among the values, ``passed`` included
        self.offset = 0  # ms: timestamp of the newest report of the device minus its time of receipt
        self.shift = 0  # ms: device timestamps minus server clock, for the rule that is being evaluated
        self.passed: dict[str, Any] = {}  # the newest report of the device, if not yet applied to the values
        self.passed_at = 0  # when it was received
        # By the server clock:
        self.born_at = born_at  # when the device was created: silences are counted from there
        self.data_at = born_at  # when the device last sent anything
        self.listened: frozenset[str] = frozenset()  # attributes whose silence is watched
        self.heard: dict[str, int] = {}  # when a value of these last arrived
        self.offline_since = ALWAYS_ONLINE

    def catch_up(self) -> None:
        """Applies the report that is stored as ``passed``."""
        if self.passed:
            self.values.update(self.passed)
            self.times.update(dict.fromkeys(self.passed, self.newest))
            self.offset = self.newest - self.passed_at
            self.data_at = max(self.data_at, self.passed_at)
            if self.listened:
                self.hear(self.listened & self.passed.keys(), self.passed_at)
            self.passed = {}

    def hear(self, names: Iterable[str], received_at: int) -> None:
        """Records the arrival of attributes whose silence is watched, independent of timestamps."""
        for name in names:
            if self.heard.get(name, self.born_at) < received_at:
                self.heard[name] = received_at

    def set_back(self, at: int) -> bool:
        """Limits all arrivals to this instant of the server clock. Returns whether any changed."""
        if self.data_at <= at and self.offline_since <= at:
            return False
        self.data_at = min(self.data_at, at)
        self.heard = {name: min(heard, at) for name, heard in self.heard.items()}
        self.offline_since = min(self.offline_since, at)
        return True

    def silent_since(self, name: str | None) -> int:
        """When an attribute, or anything of the device, last arrived: ms of device time, for the rule being
        evaluated."""
        return (self.data_at if name is None else self.heard.get(name, self.born_at)) + self.shift

    def absent_since(self) -> int | None:
        """When the device went offline: ms of device time, for the rule being evaluated; None: it is online."""
        return None if self.offline_since == ALWAYS_ONLINE else self.offline_since + self.shift
