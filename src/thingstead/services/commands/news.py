"""How commands appear on the bus."""

from typing import NamedTuple

from thingstead.model.command import Command
from thingstead.model.messages import CommandIssued


class PendingCommand(NamedTuple):
    """A command that its device has not acknowledged."""

    command: CommandIssued
    sent: bool  # it was written to a connection, which may have ended before it arrived


class PendingCommands(NamedTuple):
    """The first of the commands that wait for a device, first issued first."""

    commands: list[PendingCommand]
    more: bool  # others wait behind them


def issued(command: Command) -> CommandIssued:
    """The bus message that announces a queued command."""
    return CommandIssued(
        command.device_id,
        command.id,
        command.command_id,
        command.method,
        command.params,
        command.expire_time,
        command.size_bytes,
    )
