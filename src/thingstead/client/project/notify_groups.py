"""Notification groups: who is told of alarms, and every attempt."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from thingstead.client.call import Call, Created, Listing, Nothing, Page, members
from thingstead.client.http import segment
from thingstead.model.alarms.notification import Channel, NotifyLog


class NotifyGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group. Secrets of its channels are hidden."""

    id: str
    name: str
    descr: str
    enabled: bool
    channels: list[Channel]
    create_time: int  # ms


class TestedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """How many test notices were made."""

    count: int


def create(
    name: str,
    *,
    descr: str | None = None,
    enabled: bool | None = None,
    channels: Sequence[Mapping[str, Any]] | None = None,
) -> Call[Created]:
    """``channels``: the JSON objects of ``POST /notify_group``."""
    body = members(name=name, descr=descr, enabled=enabled, channels=channels)
    return Call("POST", "/notify_group", Created, body)


def list_groups() -> Listing[NotifyGroup]:
    return Listing(Call("GET", "/notify_groups", Page[NotifyGroup]))


def read(notify_group_id: str) -> Call[NotifyGroup]:
    return Call("GET", f"/notify_group/{segment(notify_group_id)}", NotifyGroup)


def replace(
    notify_group_id: str,
    name: str,
    *,
    descr: str | None = None,
    enabled: bool | None = None,
    channels: Sequence[Mapping[str, Any]] | None = None,
) -> Call[NotifyGroup]:
    """What is not given becomes its default."""
    body = members(name=name, descr=descr, enabled=enabled, channels=channels)
    return Call("PUT", f"/notify_group/{segment(notify_group_id)}", NotifyGroup, body)


def delete(notify_group_id: str) -> Call[Nothing]:
    return Call("DELETE", f"/notify_group/{segment(notify_group_id)}", Nothing)


def send_test(notify_group_id: str) -> Call[TestedGroup]:
    """Sends a test notice to every channel of the group."""
    return Call("POST", f"/notify_group/{segment(notify_group_id)}/test", TestedGroup)


def logs(*, device: str | None = None, state: str | None = None) -> Listing[NotifyLog]:
    """Attempts to notify, newest first."""
    return Listing(Call("GET", "/notify_logs", Page[NotifyLog], query={"device": device, "state": state}))
