"""Numbers of messages of a project, and how long they are kept."""

import msgspec

from thingstead.model.spans import DAY_MS, HOUR_MS, UNIT_MS

MINUTE_MS = UNIT_MS["m"]
MINUTES_KEPT_MS, HOURS_KEPT_MS = 2 * DAY_MS, 400 * DAY_MS

__all__ = ["HOURS_KEPT_MS", "HOUR_MS", "MINUTES_KEPT_MS", "MINUTE_MS", "MessageTally"]


class MessageTally(msgspec.Struct):
    """Messages of a project. Counters are plain numbers that a hot path adds to."""

    up_attributes: int = 0
    up_events: int = 0
    up_replies: int = 0
    up_data: int = 0
    refused: int = 0
    down_attributes: int = 0
    down_commands: int = 0
    down_data: int = 0
    points: int = 0
    alarms_raised: int = 0
    alarms_cleared: int = 0

    def add(self, other: "MessageTally") -> None:
        """Adds the numbers of another tally."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
