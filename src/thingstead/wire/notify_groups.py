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
    version: int = 0  # extension: counts its changes, from 1; a change may name the one that was read


class TestedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """How many test notices are on their way."""

    count: int
