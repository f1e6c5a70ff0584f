"""What the open port counts."""

import pytest

from tests.open_port.conftest import Broker
from thingstead.config import MqttSettings
from thingstead.metrics import Metrics
from thingstead.mqtt.budget import Budget
from thingstead.mqtt.connection_packets import Will
from thingstead.mqtt.publish_packets import Publish
from thingstead.server.metric_sources import read_metric_sources


def figures(broker: Broker) -> dict[str, float]:
    """The figures of the open port, without the beginning of their names."""
    metrics = Metrics()
    read_metric_sources(metrics, broker.store, broker.platform, broker.gateway, Budget(1), dict)
    lines = (line.split(" ") for line in metrics.render().decode().splitlines() if line.startswith("thingstead_open_"))
    return {name.removeprefix("thingstead_open_"): float(value) for name, value in lines}


@pytest.mark.parametrize("settings", [MqttSettings(queue_max_messages=2)])
async def test_figures_tell_what_is_there_and_what_passed(broker: Broker) -> None:
    await broker.away("away", "a", "b")
    watcher = await broker.connect("watcher")
    await watcher.listen("a", "wills", qos=1)
    (await broker.connect("lost", will=Will("wills", b"lost"))).abort()
    await watcher.message()
    publisher = await broker.connect("publisher")
    for number in range(3):
        await publisher.publish("a", b"%d" % number, 1, retain=number == 2)
        await watcher.message()
    await publisher.publish("a", b"unanswered", 1)
    await watcher.receive(Publish)
    await broker.settle()
    assert figures(broker) == {
        "connections": 2,
        "messages_received_total": 4,
        "messages_sent_total": 5,
        "messages_dropped_total": 2,
        "sessions": 3,
        "subscriptions": 4,
        "queue_messages": 3,
        "retained_messages": 1,
        "retained_bytes": figures(broker)["retained_bytes"],
        "wills_published_total": 1,
    }
    assert figures(broker)["retained_bytes"] > 0
