"""What clients did and saw during a run, with instants of one monotonic clock."""

from typing import Literal, NamedTuple

Outcome = Literal["ok", "failed", "unknown"]


class Reported(NamedTuple):
    """A report of a device: the n-th of its attribute ``count`` has the value n."""

    device: str
    value: int
    ts: int  # ms
    begun_s: float
    ended_s: float
    outcome: Outcome


class Seen(NamedTuple):
    """A read of the current value of ``count``."""

    device: str
    reader: str  # reads of one reader follow each other
    value: int  # 0: none
    begun_s: float
    ended_s: float


class CommandSeen(NamedTuple):
    """A read of the state of a command, or the acknowledgement of the device's reply."""

    command: str
    state: str
    begun_s: float
    ended_s: float


class Presence(NamedTuple):
    """News of a device's presence, in the order in which one subscriber got them."""

    device: str
    online: bool
    at_s: float = 0.0


class Gap(NamedTuple):
    """The subscriber was not connected: news may be missing."""

    at_s: float = 0.0


class Alarm(NamedTuple):
    """An alarm at the end of the run."""

    device: str
    raised_ts: int  # ms
    cleared_ts: int | None


class Memory(NamedTuple):
    """Resident memory of a node."""

    node: str
    at_s: float
    size_bytes: int
    database_away: bool


class Run(NamedTuple):
    """Everything that was recorded."""

    reports: list[Reported]
    reads: list[Seen]
    commands: list[CommandSeen]
    news: list[Presence | Gap]
    memory: list[Memory]
    stored: dict[str, list[tuple[int, int]]]  # (ts, value) of each device at the end, oldest first
    alarms: list[Alarm]
    online: dict[str, bool]  # of each device at the end, after quiet
    connected: dict[str, bool]  # whether the device has a connection then
