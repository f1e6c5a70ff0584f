"""Notification groups."""

import msgspec

from thingstead.model.alarms.notification import Channel


class NotifyGroupInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A notification group."""

    id: str
    name: str
    descr: str
    enabled: bool
    channels: list[Channel]
    create_time: int  # ms
    version: int = 0  # extension: incremented by each change, from 1; send it with a change to detect conflicts


class TestedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Number of test notices that were queued."""

    count: int
