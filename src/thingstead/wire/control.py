"""Attributes and commands to devices."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.model.command import CommandState


class RefusedAttribute(msgspec.Struct, frozen=True, kw_only=True):
    """A value that was refused."""

    attribute: str
    message: str
    code: str = ""  # stable; docs/refusals.md has its text
    args: dict[str, Any] = {}  # arguments of its text


class SetInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Empty if every value was stored."""

    refused: Annotated[
        list[RefusedAttribute] | UnsetType, Meta(description="Extension: the refused values, and why.")
    ] = UNSET


class CommandInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A command and its state."""

    id: Annotated[str, Meta(description="The platform's id of the command.")]
    command_id: Annotated[int, Meta(description="The number that the device receives.")]
    state: CommandState
    command: Annotated[str, Meta(description="The same as `id`, for callers of earlier releases.")]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The reply of the device."""

    method: str
    params: Any
    id: int


class CalledInfo(CommandInfo, frozen=True, kw_only=True):
    """A command with the reply of the device."""

    reply: Reply


class CommandItem(msgspec.Struct, frozen=True, kw_only=True):
    """A command that was issued to the device."""

    id: str
    method: str
    params: Any
    command_id: int  # in topic and body
    state: CommandState
    reason: str  # why it failed or expired
    code: str = ""  # of the reason, in docs/refusals.md; empty: it has none
    args: dict[str, Any] = {}  # values in its text
    reply: Any = UNSET  # the body of the reply; absent if there is none
    create_time: int  # ms
    expire_time: int  # ms
    update_time: int  # ms, of the last change of state


class CommandDetail(CommandItem, frozen=True, kw_only=True):
    """A command and its device."""

    device_id: str
