"""Which command was sent, as the device's planes answer."""

from typing import Annotated

from msgspec import Meta

from thingstead.api.device.dialect import Done
from thingstead.model.command import CommandState


class SentMessage(Done, frozen=True, kw_only=True):
    """Success, with the id and state of the command."""

    id: Annotated[str, Meta(description="The platform's id of the command.")]
    command_id: Annotated[int, Meta(description="The number that the device receives.")]
    state: CommandState
