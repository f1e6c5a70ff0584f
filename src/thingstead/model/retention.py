"""Retention rules, and the size of stored history."""

from typing import Literal, NamedTuple

import msgspec

DAY_MS = 24 * 3600 * 1000

LogKind = Literal["event", "command", "alarm", "notice"]  # logs of a device, beside its history


class RetentionRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long the history of some attributes of a project is kept. Unset members match everything."""

    device_type: str | None = None  # id
    identifier: str | None = None
    days: float  # 0: for ever


class RetentionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a project. The most specific match applies, in this order: type and identifier, identifier, type,
    neither."""

    rules: tuple[RetentionRule, ...] = ()
    max_bytes: int = 0  # of history; the oldest is dropped above it; 0: no limit

    def rule_for(self, type_id: str | None, identifier: str) -> RetentionRule | None:
        """The rule that applies to an attribute of a device of this type, or None."""
        fitting = [
            rule for rule in self.rules if rule.device_type in (None, type_id) and rule.identifier in (None, identifier)
        ]
        return max(fitting, key=_particularity, default=None)


def _particularity(rule: RetentionRule) -> tuple[bool, bool]:
    return rule.identifier is not None, rule.device_type is not None


class Defaults(NamedTuple):
    """Retention of the server for projects without own rules; 0: for ever, or no limit."""

    days: float
    max_bytes: int  # of all projects

    def keeps_less_than(self, other: "Defaults") -> bool:
        """Whether this drops something that ``other`` keeps."""
        return any(own and (not theirs or own < theirs) for own, theirs in zip(self, other, strict=True))


class HistoryExtent(NamedTuple):
    """How much history is stored in blocks; newer points join within hours."""

    points: int
    size_bytes: int  # approximate size on disk
    oldest_ts: int | None  # ms; of a project rounded down to the hour; None: no history


class SeriesExtent(NamedTuple):
    """How much history of one attribute of a device is stored in blocks."""

    identifier: str
    points: int
    size_bytes: int
    oldest_ts: int
    newest_ts: int


class StoredDevice(NamedTuple):
    """A device that may have history."""

    number: int
    project_id: str
    type_id: str | None


class Cutoff(NamedTuple):
    """Which part of a series is expired."""

    drop_before: int  # ms; blocks that end before this are dropped whole
    keep_from: int  # ms; a block that begins before ``shorten_before`` and ends after this is shortened to begin here
    shorten_before: int  # ms; at most ``keep_from``: rewriting a block for a few points is not worth it


class Dropped(NamedTuple):
    """What one step of dropping removed, and where the next step continues."""

    points: int
    size_bytes: int
    go_on_after: int | None  # number of a device; None: done


class Counted(NamedTuple):
    """What one step of counting expired points found, and where the next step continues."""

    points: int
    size_bytes: int
    devices: int  # that would lose points
    go_on_after: int | None  # number of a device; None: done


class LogsDue(NamedTuple):
    """Number of rows of a log that are to be dropped; a row may count in both."""

    old: int
    excess: int  # above the maximum number kept per device


KEEP = Cutoff(0, 0, 0)
