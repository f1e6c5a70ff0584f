"""What the MQTT connections of a listener share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thingstead.clock import Clock
from thingstead.config import MqttSettings
from thingstead.gateway.clients import Clients
from thingstead.gateway.counters import Counters
from thingstead.gateway.keep_alive import Silences
from thingstead.gateway.plane import Access, Relief
from thingstead.gateway.queue_bounds import QueueBounds
from thingstead.gateway.tasks import Tasks, Turns
from thingstead.gateway.turned_away import TurnedAway

if TYPE_CHECKING:
    from thingstead.gateway.client import Client


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
