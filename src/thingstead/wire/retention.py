"""How long history is kept."""

import msgspec

from thingstead.model.retention import RetentionRule


class SeriesRetention(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one attribute of a device."""

    identifier: str
    days: float  # 0: for ever
    points: int
    size_bytes: int
    oldest_ts: int  # ms
    newest_ts: int  # ms


class WouldDrop(msgspec.Struct, frozen=True, kw_only=True):
    """What rules would drop of the history that is there now. Points of the last hours are not counted."""

    points: int
    size_bytes: int  # about what they take on disk
    devices: int
    complete: bool  # false: there was too much to look at; it is more


class RetentionChange(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of new rules."""

    effective_at: int  # ms; now, or the end of the grace period
    would_drop: WouldDrop


class PendingRetention(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that wait."""

    rules: tuple[RetentionRule, ...]
    max_bytes: int
    effective_at: int  # ms


class RetentionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a project, and how much history it has."""

    rules: tuple[RetentionRule, ...]
    max_bytes: int  # of history, over which the oldest is dropped; 0: no bound
    default_days: float  # of the server, where no rule fits; 0: for ever
    points: int  # kept, without those of the last hours
    size_bytes: int  # about what they take on disk
    oldest_ts: int | None  # ms, rounded down to the hour; null: nothing is kept
    pending: PendingRetention | None = None  # rules that replace these at an instant, unless they are taken back
