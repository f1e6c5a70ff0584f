"""The kinds of targets."""

from thingstead.model.forwarding.target import TargetKind
from thingstead.services.forwarding.target import Opener
from thingstead.services.forwarding.targets.extras import open_kafka, open_postgresql
from thingstead.services.forwarding.targets.influxdb import open_influxdb
from thingstead.services.forwarding.targets.mqtt import open_mqtt
from thingstead.services.forwarding.targets.url import open_url

OPENERS: dict[TargetKind, Opener] = {
    "url": open_url, "mqtt": open_mqtt, "influxdb": open_influxdb, "postgresql": open_postgresql,
    "kafka": open_kafka,
}  # fmt: skip
