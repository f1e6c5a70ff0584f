"""Known values of one device at one instant: the input of conditions.

Two clocks meet here. Values bear timestamps of the device, and what is judged by them has its instants there. Silence
and absence are counted from what arrived, by the server's clock. ``shift`` is the one against the other, for the rule
that is being looked at: every rule has its own, since a device may hand in the backlog of one attribute while another
is live.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

NEVER = -1  # stands for an instant that has not been
ALWAYS_ONLINE = 0  # of offline_since: the device has a live session


class Moment(NamedTuple):
    """Where a rule stands in time."""

    at: int  # ms of the device: the newest instant at which it was looked at
    offset: int  # ms: timestamps of what it reads against the server's clock


NO_MOMENTS: Mapping[str, Moment] = {}


class Facts:
    """The values of a device and when they came.

    Between two reports nothing here changes; what time alone changes is computed by the conditions. A report of which
    nothing came is only noted as ``passed``; :meth:`catch_up` brings everything else up to date.
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
        self.times: dict[str, int] = {}  # its timestamp, ms of the device
        self.previous: dict[str, Any] = {}  # the value before it, of attributes whose change is watched
        self.newest = NEVER  # the greatest timestamp among the values, also that of ``passed``
        self.offset = 0  # ms: the timestamp of the device's last report that was not late, less the time of its receipt
        self.shift = 0  # ms: timestamps against the server's clock, for the rule that is being looked at
        self.passed: dict[str, Any] = {}  # the newest report of the device, where the values do not have it yet
        self.passed_at = 0  # when it was received
        # By the server's clock:
        self.born_at = born_at  # when the device was created: silence is counted from there
        self.data_at = born_at  # when anything last arrived from the device
        self.listened: frozenset[str] = frozenset()  # attributes whose silence is watched
        self.heard: dict[str, int] = {}  # when a value of them last arrived
        self.offline_since = ALWAYS_ONLINE

    def catch_up(self) -> None:
        """Brings everything up to date with the report that passed."""
        if self.passed:
            self.values.update(self.passed)
            self.times.update(dict.fromkeys(self.passed, self.newest))
            self.offset = self.newest - self.passed_at
            self.data_at = max(self.data_at, self.passed_at)
            if self.listened:
                self.hear(self.listened & self.passed.keys(), self.passed_at)
            self.passed = {}

    def hear(self, names: Iterable[str], received_at: int) -> None:
        """Values of attributes whose silence is watched arrived, whatever their timestamps."""
        for name in names:
            if self.heard.get(name, self.born_at) < received_at:
                self.heard[name] = received_at

    def set_back(self, at: int) -> bool:
        """Nothing arrived later than at this instant of the server; whether that is news."""
        if self.data_at <= at and self.offline_since <= at:
            return False
        self.data_at = min(self.data_at, at)
        self.heard = {name: min(heard, at) for name, heard in self.heard.items()}
        self.offline_since = min(self.offline_since, at)
        return True

    def silent_since(self, name: str | None) -> int:
        """When an attribute, or the device, was last heard of: ms of the device, for the rule being looked at."""
        return (self.data_at if name is None else self.heard.get(name, self.born_at)) + self.shift

    def absent_since(self) -> int | None:
        """When the device went offline, likewise; None while it is online."""
        return None if self.offline_since == ALWAYS_ONLINE else self.offline_since + self.shift
