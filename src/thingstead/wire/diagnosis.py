"""The checklist of a device, and everything that happened to it in one order."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.wire.control import CommandItem
from thingstead.wire.device_logs import ConnectionItem, DataItem, EventItem, RejectedItem


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """One check of the checklist."""

    check: Annotated[
        str,
        Meta(
            description="`gateway`, `certificate`, `session`, `rivals`, `keep_alive`, `reports`, `rejected`, `clock`, "
            "`subscriptions` or `commands`."
        ),
    ]
    state: Literal["ok", "warn", "bad", "unknown"]
    code: Annotated[str, Meta(description="What was found, in docs/diagnosis.md.")]
    args: Annotated[dict[str, Any], Meta(description="Values in its texts; `…_at` are instants in ms.")]
    message: Annotated[str, Meta(description="What was found, in English.")]
    advice: Annotated[str, Meta(description="What to do about it, in English; empty if it is fine.")]


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """The checks that apply to the device, in the order in which to look at them."""

    checks: list[CheckResult]


class MessageLogItem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened: the member that is named by `kind` has it."""

    ts: int  # ms
    kind: Literal["event", "command", "data", "connection", "rejected"]
    event: EventItem | UnsetType = UNSET
    command: CommandItem | UnsetType = UNSET
    data: DataItem | UnsetType = UNSET
    connection: ConnectionItem | UnsetType = UNSET
    rejected: RejectedItem | UnsetType = UNSET


class MessageLog(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first."""

    items: list[MessageLogItem]
    next_before: Annotated[
        str | UnsetType, Meta(description="To be given as `before` for those before these; absent after the last.")
    ] = UNSET
