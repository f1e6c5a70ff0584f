"""What the sessions of one port share."""

from dataclasses import dataclass

from thingstead.broker.connection.queue_bounds import QueueBounds
from thingstead.broker.net.counters import Counters
from thingstead.clock import Clock
from thingstead.config import MqttSettings
from thingstead.services.mqtt.sessions import MqttSessionService
from thingstead.timers import Deadlines


@dataclass(frozen=True, slots=True)
class SessionContext:
    """The parts that sessions, queues and retained messages of one port use.

    Attributes:
        kept: writes sessions, queues and retained messages to the store.
        counters: of this port.
        deadlines: of this server.
        bounds: of the queues of this server.
    """

    kept: MqttSessionService
    clock: Clock
    settings: MqttSettings
    counters: Counters
    deadlines: Deadlines
    bounds: QueueBounds
