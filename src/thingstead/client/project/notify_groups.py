"""Notification groups, and the log of attempts to send notices."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.client.call import Call, Listing, members
from thingstead.client.http import segment
from thingstead.model.alarms.notification import NotifyLog
from thingstead.wire.common import Created, Empty, Listed
from thingstead.wire.notify_groups import NotifyGroupInfo, TestedGroup


def create(
    name: str,
    *,
    descr: str | None = None,
    enabled: bool | None = None,
    channels: Sequence[Mapping[str, Any]] | None = None,
) -> Call[Created]:
    """Creates a group; ``channels`` are the JSON objects of ``POST /notify_group``."""
    body = members(name=name, descr=descr, enabled=enabled, channels=channels)
    return Call("POST", "/notify_group", Created, body)


def list_groups() -> Listing[NotifyGroupInfo]:
    """Oldest group first; secrets are shown as ``***``."""
    return Listing(Call("GET", "/notify_groups", Listed[NotifyGroupInfo]))


def read(notify_group_id: str) -> Call[NotifyGroupInfo]:
    """One group; secrets are shown as ``***``."""
    return Call("GET", f"/notify_group/{segment(notify_group_id)}", NotifyGroupInfo)


def replace(
    notify_group_id: str,
    name: str,
    *,
    descr: str | None = None,
    enabled: bool | None = None,
    channels: Sequence[Mapping[str, Any]] | None = None,
    version: int | None = None,
) -> Call[NotifyGroupInfo]:
    """Replaces the group; members that are not given get their defaults."""
    body = members(name=name, descr=descr, enabled=enabled, channels=channels, version=version)
    return Call("PUT", f"/notify_group/{segment(notify_group_id)}", NotifyGroupInfo, body)


def delete(notify_group_id: str) -> Call[Empty]:
    """Removes a group that no rule uses."""
    return Call("DELETE", f"/notify_group/{segment(notify_group_id)}", Empty)


def send_test(notify_group_id: str) -> Call[TestedGroup]:
    """Sends a test notice to every channel of the group."""
    return Call("POST", f"/notify_group/{segment(notify_group_id)}/test", TestedGroup)


def logs(*, device: str | None = None, state: str | None = None) -> Listing[NotifyLog]:
    """Attempts to send notices, newest first."""
    return Listing(Call("GET", "/notify_logs", Listed[NotifyLog], query={"device": device, "state": state}))
