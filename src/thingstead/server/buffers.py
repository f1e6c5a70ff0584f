"""Shared budget in bytes of everything that waits for slow peers."""

from thingstead.config import Config
from thingstead.mqtt.budget import Budget

# Bodies of unanswered requests, unread answers, pipelined requests, partially received packets and
# frames, queues of sessions, connections and applications, and unread bytes of clients.
BUFFERS_LIMIT_BYTES = 256 << 20


def shared_buffers(config: Config) -> Budget:
    """Parent of the budgets of all kinds; at least twice the largest budget in the settings."""
    mqtt, app = config.mqtt, config.app
    largest = max(mqtt.queues_max_bytes, mqtt.send_buffers_max_bytes, app.queues_max_bytes)
    largest = max(largest, 2 * mqtt.max_packet_size_bytes, 2 * config.http.body_limit_bytes)
    return Budget(max(BUFFERS_LIMIT_BYTES, 2 * largest))
