"""Shared budget in bytes of everything that waits for slow peers."""

from thingstead.config import Config
from thingstead.mqtt.budget import Budget

# Of bodies that are not answered, answers that are not read, requests that are pipelined, packets and frames that have
# begun, queues of sessions and connections, of applications, and what clients do not read.
BUFFERS_LIMIT_BYTES = 256 << 20


def shared_buffers(config: Config) -> Budget:
    """What the budgets of all kinds are within; twice the largest that a setting gives, where that is more."""
    mqtt, app = config.mqtt, config.app
    largest = max(mqtt.queues_max_bytes, mqtt.send_buffers_max_bytes, app.queues_max_bytes)
    largest = max(largest, 2 * mqtt.max_packet_size_bytes, 2 * config.http.body_limit_bytes)
    return Budget(max(BUFFERS_LIMIT_BYTES, 2 * largest))
