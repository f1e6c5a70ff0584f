"""Attributes and commands to devices."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.model.command import CommandState


class RefusedAttribute(msgspec.Struct, frozen=True, kw_only=True):
    """A value that was left out."""

    attribute: str
    message: str
    code: str = ""  # stable; docs/refusals.md has its text
    args: dict[str, Any] = {}  # what its text names


class SetInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Empty where every value was kept."""

    refused: Annotated[
        list[RefusedAttribute] | UnsetType, Meta(description="Extension: the refused values, and why.")
    ] = UNSET


class CommandInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Which command it is, and how far it came."""

    id: Annotated[str, Meta(description="The platform's id of the command.")]
    command_id: Annotated[int, Meta(description="The number that the device receives.")]
    state: CommandState
    command: Annotated[str, Meta(description="The same as `id`, for callers of earlier releases.")]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the device replied."""

    method: str
    params: Any
    id: int


class CalledInfo(CommandInfo, frozen=True, kw_only=True):
    """The device has replied."""

    reply: Reply


class CommandItem(msgspec.Struct, frozen=True, kw_only=True):
    """A command that was sent to the device."""

    id: str
    method: str
    params: Any
    command_id: int  # in the topic and the body
    state: CommandState
    reason: str  # why it failed or expired
    reply: Any = UNSET  # the reply's body; absent where there is none
    create_time: int  # ms
    expire_time: int  # ms
    update_time: int  # ms, of the newest state


class CommandDetail(CommandItem, frozen=True, kw_only=True):
    """A command and the device that it was sent to."""

    device_id: str
