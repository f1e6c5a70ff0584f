"""How commands appear on the bus, and which command a reply answers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from thingstead.model.command import Command
from thingstead.model.messages import CommandChanged, CommandIssued


class PendingCommand(NamedTuple):
    """A command that its device has not acknowledged."""

    command: CommandIssued
    sent: bool  # it was written to a connection, which may have ended before it arrived


def issued(command: Command) -> CommandIssued:
    """The bus message that announces a queued command."""
    return CommandIssued(
        command.device_id, command.id, command.command_id, command.method, command.params, command.expire_time
    )


def changed(command: Command) -> CommandChanged:
    """The bus message that tells how far a command came."""
    return CommandChanged(
        command.device_id,
        command.id,
        command.command_id,
        command.method,
        command.state,
        command.reason,
        command.reply,
    )


def answered_by(open_commands: Sequence[Command], topic_id: int | None, body: dict[str, Any]) -> Command | None:
    """Which of a device's open commands (oldest first) a reply answers, or None.

    By the body's ``id``; else by the topic's id; else the newest with the same ``method``. Where several carry the
    id (1000 is common), those of the same method go first, and of these the oldest. Official demos reply on topic
    1000 whatever the id was, so a topic id that no open command has says nothing.
    """
    method = body.get("method")
    body_id = body.get("id")
    for wanted in (body_id, topic_id):
        if type(wanted) is int:
            named = [command for command in open_commands if command.command_id == wanted]
            if named:
                return next((command for command in named if command.method == method), named[0])
    return next((command for command in reversed(open_commands) if command.method == method), None)
