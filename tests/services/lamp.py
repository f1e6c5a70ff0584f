"""A device that takes commands, and what of them waits for it."""

from tests.services.conftest import NOW, Workshop
from thingstead.model.command import Command
from thingstead.model.device import Device, DeviceSession, Page
from thingstead.model.device_type import AttributeDefinition, CommandDefinition, Functions, Parameter
from thingstead.model.messages import CommandIssued

LAMP = Functions(
    attributes=(
        AttributeDefinition(identifier="on", attr_type="both", data_type="switch"),
        AttributeDefinition(identifier="power", attr_type="report"),
        AttributeDefinition(identifier="room", attr_type="cloud", data_type="text"),
    ),
    commands=(
        CommandDefinition(identifier="dim", params=(Parameter(identifier="level", data_options={"max": 100}),)),
        CommandDefinition(identifier="ask", reply_params=(Parameter(identifier="level"),)),
    ),
)


async def connect(workshop: Workshop, device: Device, *, takes: bool = True) -> list[CommandIssued]:
    """A session of the device on a node that takes every command (or none), and what it was given."""
    session = DeviceSession(session_id="s", node="node1", protocol="mqtt", connected_at=NOW)
    await workshop.presence.open(device, session)
    given: list[CommandIssued] = []

    def deliver(issued: CommandIssued) -> None:
        given.append(issued)
        if takes:
            workshop.control.command_sent(issued.command_row_id, 1)
        else:
            workshop.control.command_failed(issued.command_row_id, "not subscribed")

    workshop.bus.subscribe(CommandIssued, deliver)
    return given


async def pending_methods(workshop: Workshop, device: Device) -> list[str]:
    """The methods of the commands that a connection of the device would read."""
    pending = await workshop.control.pending(device.id)
    assert not pending.more
    return [command.method for command, _ in pending.commands]


async def commands_of(workshop: Workshop, device: Device) -> list[Command]:
    found, _ = await workshop.store.commands.list_page(device.id, Page(records=100))
    return found
