"""Rates of messages."""

import msgspec


class MessageStatItem(msgspec.Struct, frozen=True, kw_only=True):
    """What a project's devices sent and were sent in a span of time."""

    ts: int  # ms, begin of the span
    up_attributes: int  # reports of attributes
    up_events: int
    up_replies: int  # to commands
    up_data: int  # custom data
    refused: int  # messages that were refused, in whole or in part
    down_attributes: int  # pushes
    down_commands: int
    down_data: int  # custom data
    points: int  # values of attributes
    alarms_raised: int
    alarms_cleared: int
    online_max: int  # the most devices online; looked at once a minute
    online_min: int


class MessageStatInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Messages in spans of equal length, oldest first; the last span may not be over."""

    interval_ms: int
    items: list[MessageStatItem]
