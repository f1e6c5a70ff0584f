"""How long history is kept, and how much of it there is."""

from typing import Literal, NamedTuple

import msgspec

DAY_MS = 24 * 3600 * 1000

LogKind = Literal["event", "command", "alarm", "notice"]  # what is kept of a device beside its history


class RetentionRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long the history of some attributes of a project is kept. What is not named is not narrowed."""

    device_type: str | None = None  # id
    identifier: str | None = None
    days: float  # 0: for ever


class RetentionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a project. The most particular one that fits counts: type and identifier, identifier, type, none."""

    rules: tuple[RetentionRule, ...] = ()
    max_bytes: int = 0  # of history, over which the oldest is dropped; 0: no bound

    def rule_for(self, type_id: str | None, identifier: str) -> RetentionRule | None:
        """The rule that counts for an attribute of a device of this type, or None."""
        fitting = [
            rule for rule in self.rules if rule.device_type in (None, type_id) and rule.identifier in (None, identifier)
        ]
        return max(fitting, key=_particularity, default=None)


def _particularity(rule: RetentionRule) -> tuple[bool, bool]:
    return rule.identifier is not None, rule.device_type is not None


class Defaults(NamedTuple):
    """What the server keeps where a project has no rule of its own; 0: for ever, or no bound."""

    days: float
    max_bytes: int  # of all projects

    def keeps_less_than(self, other: "Defaults") -> bool:
        """Whether something that the other keeps may be dropped."""
        return any(own and (not theirs or own < theirs) for own, theirs in zip(self, other, strict=True))


class HistoryExtent(NamedTuple):
    """How much history is in blocks, where it stays; newer points join them within hours."""

    points: int
    size_bytes: int  # about what they take on disk
    oldest_ts: int | None  # ms; of a project rounded down to the hour; None where there is none


class SeriesExtent(NamedTuple):
    """The same of one attribute of a device."""

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
    """What of a series is past its time."""

    drop_before: int  # ms; what ends before it goes as a whole
    keep_from: int  # ms; what reaches beyond both it and the next is shortened to begin here
    shorten_before: int  # ms; at most ``keep_from``: shortening for a few points costs more than they do


class Dropped(NamedTuple):
    """What one step of dropping dropped, and where the next one goes on."""

    points: int
    size_bytes: int
    go_on_after: int | None  # number of a device; None at the end


class Counted(NamedTuple):
    """What one step of counting what would be dropped counted, and where the next one goes on."""

    points: int
    size_bytes: int
    devices: int  # that would lose something
    go_on_after: int | None  # number of a device; None at the end


class LogsDue(NamedTuple):
    """How many rows of a log are past their time; a row may count in both."""

    old: int
    excess: int  # beyond the number that is kept of one device


KEEP = Cutoff(0, 0, 0)
