"""What is known of one device at one instant: all that a condition may look at."""

from typing import Any

NEVER = -1  # stands for an instant that has not been
ALWAYS_ONLINE = 0  # of offline_since: the device has a live session


class Facts:
    """The values of a device and when they came. Instants are ms by the device's own timestamps.

    Between two reports nothing here changes; what time alone changes is computed by the conditions. A report of which
    nothing came is only noted as ``passed``; :meth:`settle` brings everything else up to date.
    """

    __slots__ = ("at", "born_at", "data_at", "newest", "offline_since", "passed", "previous", "times", "values")

    def __init__(self, born_at: int = 0) -> None:
        self.values: dict[str, Any] = {}  # current value by identifier
        self.times: dict[str, int] = {}  # its timestamp
        self.passed: dict[str, Any] = {}  # the newest report of the device, where it is not settled yet
        self.previous: dict[str, Any] = {}  # the value before it, of attributes whose change is watched
        self.newest = NEVER  # the greatest timestamp among the values, also that of ``passed``
        self.born_at = born_at  # when the device was created: silence is counted from there
        self.data_at = born_at  # when the device last reported anything
        self.offline_since = ALWAYS_ONLINE
        self.at = NEVER  # the newest instant at which anything was decided; never goes back

    def settle(self) -> None:
        """Brings everything up to date with the report that passed."""
        if self.passed:
            self.values.update(self.passed)
            self.times.update(dict.fromkeys(self.passed, self.newest))
            self.at = max(self.at, self.newest)
            self.data_at = max(self.data_at, self.newest)
            self.passed = {}
