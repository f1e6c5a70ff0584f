"""What the MQTT connections of a listener share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thingstead.broker.connection.plane import Access, Relief
from thingstead.broker.connection.queue_bounds import QueueBounds
from thingstead.broker.net.clients import Clients
from thingstead.broker.net.counters import Counters
from thingstead.broker.net.keep_alive import Silences
from thingstead.broker.net.refused_connections import TurnedAway
from thingstead.broker.net.tasks import Tasks, Turns
from thingstead.clock import Clock
from thingstead.config import MqttSettings

if TYPE_CHECKING:
    from thingstead.broker.connection.client import Client


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Settings, bounds, and whoever a connection turns to."""

    settings: MqttSettings
    bounds: QueueBounds
    access: Access
    counters: Counters
    relief: Relief
    tasks: Tasks
    log_ins: Turns
    ends: Turns
    clients: "Clients[Client]"
    clock: Clock
    silences: Silences
    turned_away: TurnedAway
