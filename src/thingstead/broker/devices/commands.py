"""Sends the commands of one device over one connection: in the order of issue, each once, a few at a time."""

from collections.abc import Callable

from thingstead.broker.connection.connection import PeerConnection
from thingstead.broker.connection.delivery_parties import DeliveryObserver
from thingstead.broker.devices.subscriptions import Subscriptions
from thingstead.broker.devices.traced_delivery import TracedDelivery
from thingstead.errors import ThingsteadError
from thingstead.model import limits
from thingstead.model.messages import CommandChanged, CommandIssued
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.commands.control import ControlService

QOS = 1  # of a command, if the device subscribed with at least that
REMEMBERED = 2 * limits.OPEN_COMMANDS_COUNT  # row ids of commands that are not sent (again) on this connection
BATCH_BYTES = 65_536  # params that are sent before checking whether the device reads
WAITING_COUNT, WAITING_BYTES = 64, 1 << 20  # commands held in memory, and their params; the others stay in the store

# Makes the observer of a command's message; None: the device is not traced.
Tracer = Callable[[Publish, DeliveryObserver | None], TracedDelivery | None]
Envelope = Callable[[CommandIssued], tuple[str, bytes]]  # makes topic and payload of a command


class _Tracking:
    """Records how far one command was delivered."""

    __slots__ = ("_commands", "_control", "_qos", "_row_id", "_sent")

    def __init__(self, commands: "DeviceCommands", control: ControlService, row_id: str, qos: int) -> None:
        self._commands = commands
        self._control = control
        self._row_id = row_id
        self._qos = qos
        self._sent = False

    def sent(self) -> None:
        self._sent = True
        self._control.command_sent(self._row_id, self._qos)

    def answered(self, reason_code: ReasonCode) -> None:
        if reason_code >= ReasonCode.UNSPECIFIED_ERROR:
            self._control.command_refused(
                self._row_id, f"the device refused it: {reason_code.name} (0x{reason_code:02X})"
            )
        elif self._qos:  # QoS 0 has no acknowledgement
            self._control.command_delivered(self._row_id)
        self._commands.answered(self._row_id)

    def dropped(self, reason: str) -> None:
        # A command that was written may have arrived: it stays "sent" until it is sent again, gets a reply, or expires.
        if not self._sent:
            self._control.command_failed(self._row_id, reason)
        self._commands.answered(self._row_id)


class DeviceCommands:
    """Sends the commands of one device on one connection.

    At QoS 1 the next command is sent when the one before has been acknowledged, got a reply or has ended; at QoS 0 it
    is sent at once. A command may arrive twice, over the bus and from the store; its row id identifies the duplicate.
    During a read of the store, commands from the bus are left to the next read, so that their order is kept. Only the
    first few are held in memory; the others are read when these have been sent.

    Args:
        window: how many commands may be in flight.
    """

    __slots__ = (
        "_again",
        "_connection",
        "_control",
        "_device_id",
        "_envelope",
        "_held_back",
        "_more",
        "_pumping",
        "_reading",
        "_subscriptions",
        "_taken",
        "_tracer",
        "_under_way",
        "_unheard",
        "_waiting",
        "_waiting_bytes",
        "_window",
    )

    def __init__(
        self,
        connection: PeerConnection,
        subscriptions: Subscriptions,
        control: ControlService,
        device_id: str,
        envelope: Envelope,
        window: int,
        tracer: Tracer,
    ) -> None:
        self._connection = connection
        self._subscriptions = subscriptions
        self._control = control
        self._device_id = device_id
        self._envelope = envelope
        self._window = window
        self._tracer = tracer
        self._reading = False
        self._again = False
        self._pumping = False
        self._held_back = False  # the device does not read what it was sent
        self._more = False  # the store has further commands behind those held here
        self._waiting: dict[str, CommandIssued] = {}  # by row id, first issued first
        self._waiting_bytes = 0
        self._unheard: dict[str, None] = {}  # row ids of commands whose topic the device is not subscribed to
        self._under_way: dict[str, None] = {}  # row ids of commands in flight
        self._taken: dict[str, None] = {}  # row ids of commands that were sent, oldest first

    def ready(self) -> None:
        """Reads pending commands from the store and sends them; called when the device subscribes."""
        self._unheard.clear()
        self._read_soon()

    def _read_soon(self) -> None:
        self._again = True
        if not self._reading:
            self._reading = True
            self._connection.run(self._read)

    def issued(self, command: CommandIssued) -> None:
        """Handles a new command from the bus."""
        if self._reading:
            self._again = True
        elif self._more or len(self._waiting) >= WAITING_COUNT or self._waiting_bytes >= WAITING_BYTES:
            self._more = True
            if not self._waiting and not self._under_way:
                self._read_soon()  # the last read of the store failed
        elif command.command_row_id not in self._taken:
            self._hold(command)
            self._pump()
            self._connection.flush()

    def _hold(self, command: CommandIssued) -> None:
        if command.command_row_id not in self._waiting:
            self._waiting[command.command_row_id] = command
            self._waiting_bytes += command.size_bytes

    def _let_go(self, row_id: str) -> CommandIssued | None:
        command = self._waiting.pop(row_id, None)
        if command is not None:
            self._waiting_bytes -= command.size_bytes
        return command

    def changed(self, news: CommandChanged) -> None:
        """Removes a command that got a reply or has ended."""
        self._again |= self._reading  # the running read may return it
        self._unheard.pop(news.command_row_id, None)
        self._let_go(news.command_row_id)
        self.answered(news.command_row_id)
        self._connection.flush()

    def answered(self, row_id: str) -> None:
        """Takes a command out of the window, and sends the next one."""
        if row_id in self._under_way:
            del self._under_way[row_id]
            self._pump()

    async def _read(self) -> None:
        try:
            while self._again:
                self._again = False
                passed_over = self._taken.keys() | self._unheard.keys()
                pending, self._more = await self._control.pending(self._device_id, passed_over)
                self._waiting, self._waiting_bytes = {}, 0
                for command, sent in pending:
                    if command.command_row_id in self._taken:
                        continue
                    if sent and self._listens_at_most_once(command):
                        self._remember(command.command_row_id)
                    else:
                        self._hold(command)
                self._again |= self._more and not self._waiting
        except (ThingsteadError, TimeoutError):
            self._more = True  # read again when the next one is issued
            raise
        finally:
            self._reading = False
        self._pump()

    def _remember(self, row_id: str) -> None:
        """Notes that a command is not sent again on this connection."""
        self._taken[row_id] = None
        if len(self._taken) > REMEMBERED:
            del self._taken[next(iter(self._taken))]

    def _listens_at_most_once(self, command: CommandIssued) -> bool:
        """Whether the device subscribed at QoS 0, so that a sent command is not sent again."""
        topic, _ = self._envelope(command)
        grant = self._subscriptions.grant(topic)
        return grant is not None and not grant.qos

    def _pump(self) -> None:
        """Sends what the window allows and the device reads. At QoS 0 :meth:`answered` is called within :meth:`_send`;
        the loop then goes on."""
        if self._pumping:
            return
        self._pumping = True
        written_bytes = 0
        try:
            while self._waiting and len(self._under_way) < self._window:
                if not self._connection.writable:
                    self._wait_for_reader()
                    return
                command = self._let_go(next(iter(self._waiting)))
                if command is not None:
                    self._send(command)
                    written_bytes += command.size_bytes
                if written_bytes > BATCH_BYTES:
                    self._connection.flush()  # updates ``writable``
                    written_bytes = 0
        finally:
            self._pumping = False
        if self._more and not self._waiting:
            self._read_soon()

    def _wait_for_reader(self) -> None:
        if not self._held_back:
            self._held_back = True
            self._connection.run(self._go_on)

    async def _go_on(self) -> None:
        """Continues sending: jobs of a connection run only when the device reads."""
        self._held_back = False
        self._pump()

    def _send(self, command: CommandIssued) -> None:
        row_id = command.command_row_id
        topic, payload = self._envelope(command)
        grant = self._subscriptions.grant(topic)
        if grant is None:
            self._unheard[row_id] = None
            traced = self._tracer(Publish(topic, payload, 0), None)
            if traced is not None:
                traced.not_subscribed(topic)
            self._control.command_failed(row_id, f"the device is not subscribed to {topic}")
            return
        self._remember(row_id)
        self._under_way[row_id] = None
        publish = Publish(topic, payload, min(grant.qos, QOS), properties=grant.properties)
        tracking = _Tracking(self, self._control, row_id, publish.qos)
        self._connection.delivery.send(publish, self._tracer(publish, tracking) or tracking)
