"""What waits of every kind is within one bound, whatever waits most."""

import contextlib

from thingstead.api.body import Bodies
from thingstead.broker.connection.queue_bounds import QueueBounds
from thingstead.config import AppSettings, Config, MqttSettings
from thingstead.errors import Unavailable
from thingstead.mqtt.budget import Budget
from thingstead.server.buffers import BUFFERS_LIMIT_BYTES, shared_buffers
from thingstead.server.http_context import PIPELINES_LIMIT_BYTES, UNREAD_LIMIT_BYTES

MIB = 1 << 20


def test_all_kinds_that_are_full_at_once_hold_no_more_than_all_may() -> None:
    config = Config()
    buffers = shared_buffers(config)
    bounds, bodies = QueueBounds(config.mqtt, buffers), Bodies(config.http.body_limit_bytes, buffers)
    kinds = [bounds.queued, bounds.incomplete, bounds.unread, Budget(config.app.queues_max_bytes, buffers)]
    kinds += [Budget(PIPELINES_LIMIT_BYTES, buffers), Budget(UNREAD_LIMIT_BYTES, buffers)]
    for kind in kinds:
        while kind.room(0, MIB):
            kind.moved(0, MIB)
    with contextlib.suppress(Unavailable):
        for number in range(1_000):
            bodies.take(f"owner {number}", MIB)
    held = sum(kind.used_bytes for kind in kinds) + bodies.held_bytes
    assert held == buffers.used_bytes
    assert BUFFERS_LIMIT_BYTES - 2 * MIB <= held <= BUFFERS_LIMIT_BYTES


def test_a_kind_that_the_settings_make_larger_makes_room_for_itself() -> None:
    large = Config(mqtt=MqttSettings(queues_max_bytes=512 * MIB), app=AppSettings())
    assert shared_buffers(large).room(0, 900 * MIB)
    assert not shared_buffers(Config()).room(0, 257 * MIB)
