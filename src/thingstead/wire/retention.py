"""How long history is kept."""

import msgspec

from thingstead.model.retention import RetentionRule


class SeriesRetention(msgspec.Struct, frozen=True, kw_only=True):
    """Stored history of one attribute of a device."""

    identifier: str
    days: float  # 0: for ever
    points: int
    size_bytes: int
    oldest_ts: int  # ms
    newest_ts: int  # ms


class WouldDrop(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the present history rules would drop, without the points of the last hours."""

    points: int
    size_bytes: int  # approximate size on disk
    devices: int
    complete: bool  # false: the limit of one request was reached, more would be dropped


class RetentionChange(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of new rules."""

    effective_at: int  # ms; now, or the end of the grace period
    would_drop: WouldDrop


class PendingRetention(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that take effect later."""

    rules: tuple[RetentionRule, ...]
    max_bytes: int
    effective_at: int  # ms


class RetentionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The retention rules of a project, and the size of its history."""

    rules: tuple[RetentionRule, ...]
    max_bytes: int  # of history; the oldest is dropped above it; 0: no limit
    default_days: float  # of the server, if no rule applies; 0: for ever
    points: int  # stored, without those of the last hours
    size_bytes: int  # approximate size on disk
    oldest_ts: int | None  # ms, rounded down to the hour; null: no history
    pending: PendingRetention | None = None  # rules that replace these at an instant, unless withdrawn
    version: int  # of the rules and the pending ones; each change increments it
