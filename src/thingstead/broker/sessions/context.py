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
    """Parts that sessions, queues and retained messages of one port share.

    Attributes:
        kept: writes sessions, queues and retained messages to the store.
        counters: counters of this port.
        deadlines: deadlines of this server.
        bounds: bounds of this server's queues.
    """

    kept: MqttSessionService
    clock: Clock
    settings: MqttSettings
    counters: Counters
    deadlines: Deadlines
    bounds: QueueBounds
