"""Commands on their way to one connected device: first issued, first sent, and each once."""

from thingstead.gateway import answers
from thingstead.gateway.delivery import QUEUE_LIMIT
from thingstead.gateway.plane import Connection
from thingstead.gateway.subscriptions import Subscriptions
from thingstead.model.messages import CommandIssued
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.control import ControlService

QOS = 1  # of a command, where the device subscribed with at least that


class _Tracking:
    """Tells the control service how far one command came."""

    __slots__ = ("_control", "_row_id", "_sent")

    def __init__(self, control: ControlService, row_id: str) -> None:
        self._control = control
        self._row_id = row_id
        self._sent = False

    def sent(self) -> None:
        self._sent = True
        self._control.command_sent(self._row_id)

    def settled(self, reason_code: ReasonCode) -> None:
        if reason_code < 0x80:
            self._control.command_delivered(self._row_id)

    def dropped(self, reason: str) -> None:
        # One that was written may have arrived: it stays "sent", and is replied to or expires.
        if not self._sent:
            self._control.command_failed(self._row_id, reason)


class Commands:
    """The commands of one connection.

    A command may be heard twice, on the bus and among those pending in the store; its row id removes the double. While
    pending ones are read, what comes on the bus waits and is read with them, so that none overtakes another.
    """

    __slots__ = ("_again", "_connection", "_control", "_device_id", "_reading", "_subscriptions", "_taken")

    def __init__(
        self, connection: Connection, subscriptions: Subscriptions, control: ControlService, device_id: str
    ) -> None:
        self._connection = connection
        self._subscriptions = subscriptions
        self._control = control
        self._device_id = device_id
        self._reading = False
        self._again = False
        self._taken: dict[str, None] = {}  # row ids, oldest first

    def subscribed(self) -> None:
        """The device listens to more than before: pending commands may have a way now."""
        self._again = True
        if not self._reading:
            self._reading = True
            self._connection.run(self._send_pending)

    def issued(self, command: CommandIssued) -> None:
        """A command was issued just now."""
        if self._reading:
            self._again = True
        else:
            self._send(command)
            self._connection.flush()

    async def _send_pending(self) -> None:
        try:
            while self._again:
                self._again = False
                for command in await self._control.pending(self._device_id):
                    self._send(command)
        finally:
            self._reading = False

    def _send(self, command: CommandIssued) -> None:
        if command.command_row_id in self._taken:
            return
        topic = f"command/send/{command.command_id}"
        grant = self._subscriptions.grant(topic)
        if grant is None:
            self._control.command_failed(command.command_row_id, f"the device does not listen to {topic}")
            return
        self._taken[command.command_row_id] = None
        if len(self._taken) > 2 * QUEUE_LIMIT:  # far more than can be on their way
            del self._taken[next(iter(self._taken))]
        message = Publish(topic, answers.command(command), min(grant.qos, QOS), properties=grant.properties)
        self._connection.delivery.send(message, _Tracking(self._control, command.command_row_id))
