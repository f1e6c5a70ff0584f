"""State that all MQTT connections of a listener share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thingstead.broker.connection.handler import AccessControl, BackPressure
from thingstead.broker.connection.queue_bounds import QueueBounds
from thingstead.broker.net.connections import Clients, RefusedConnections
from thingstead.broker.net.counters import Counters
from thingstead.broker.net.idle_timers import IdleTimers
from thingstead.broker.net.tasks import TaskLimiter, Tasks
from thingstead.clock import Clock
from thingstead.config import MqttSettings
from thingstead.services.shared.turn_budget import TurnBudget

if TYPE_CHECKING:
    from thingstead.broker.connection.mqtt_connection import MqttConnection


@dataclass(frozen=True, slots=True)
class ListenerContext:
    """What the connections of a listener share: settings, bounds, counters and services."""

    settings: MqttSettings
    bounds: QueueBounds
    access: AccessControl
    counters: Counters
    back_pressure: BackPressure
    turns: TurnBudget  # of what the messages of a project cost beside themselves
    tasks: Tasks
    log_ins: TaskLimiter
    ends: TaskLimiter
    clients: "Clients[MqttConnection]"
    clock: Clock
    idle_timers: IdleTimers
    refused_connections: RefusedConnections
