"""Forwarding: messages of devices are sent to targets outside."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.client.call import Call, Listing, members
from thingstead.client.http import segment
from thingstead.wire.automation.forwarding import (
    ForwardDeadLetter,
    ForwardDeleted,
    ForwardReplayed,
    ForwardStatistics,
    ForwardTargetCreated,
    ForwardTargetInfo,
    ForwardTest,
)
from thingstead.wire.common import Empty, Listed


def create(target: Mapping[str, Any]) -> Call[ForwardTargetCreated]:
    """Creates a target; ``target`` is the JSON object of ``POST /forward_target``."""
    return Call("POST", "/forward_target", ForwardTargetCreated, dict(target))


def list_targets(*, enabled: bool | None = None, keyword: str | None = None) -> Listing[ForwardTargetInfo]:
    """Oldest target first; all given filters must match."""
    query = {"enabled": enabled, "keyword": keyword}
    return Listing(Call("GET", "/forward_targets", Listed[ForwardTargetInfo], query=query))


def read(target_id: str) -> Call[ForwardTargetInfo]:
    """One target; its secrets are shown as ``***``."""
    return Call("GET", f"/forward_target/{segment(target_id)}", ForwardTargetInfo)


def update(target_id: str, target: Mapping[str, Any], *, version: int | None = None) -> Call[ForwardTargetInfo]:
    """Changes the members that are in ``target``."""
    path = f"/forward_target/{segment(target_id)}"
    return Call("PUT", path, ForwardTargetInfo, {**target, **members(version=version)})


def delete(target_id: str) -> Call[Empty]:
    """Removes a target; what waits for it is not sent."""
    return Call("DELETE", f"/forward_target/{segment(target_id)}", Empty)


def statistics(target_id: str) -> Call[ForwardStatistics]:
    """What waits for a target, and the outcome of its messages."""
    return Call("GET", f"/forward_target/{segment(target_id)}/statistics", ForwardStatistics)


def retry(target_id: str) -> Call[Empty]:
    """Sends what waits at once."""
    return Call("POST", f"/forward_target/{segment(target_id)}/retry", Empty)


def list_dead_letters(target_id: str) -> Listing[ForwardDeadLetter]:
    """Messages that a target refused for good, oldest first."""
    path = f"/forward_target/{segment(target_id)}/dead_letters"
    return Listing(Call("GET", path, Listed[ForwardDeadLetter]))


def replay(target_id: str, ids: Sequence[str] | None = None) -> Call[ForwardReplayed]:
    """Sends dead letters again; default: all, 1,000 in one call."""
    body = members(ids=None if ids is None else list(ids))
    return Call("POST", f"/forward_target/{segment(target_id)}/replay", ForwardReplayed, body)


def delete_dead_letters(target_id: str, *, id: str | None = None) -> Call[ForwardDeleted]:
    """Removes a dead letter; default: all of the target."""
    return Call("DELETE", f"/forward_target/{segment(target_id)}/dead_letters", ForwardDeleted, query={"id": id})


def send_test(*, target: Mapping[str, Any] | None = None, target_id: str | None = None) -> Call[ForwardTest]:
    """Sends a test message to a new or an existing target."""
    body = members(target=target, target_id=target_id)
    return Call("POST", "/forward_target_test", ForwardTest, body)
