"""Forwarding targets, the outcome of their messages, and dead letters."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.model.forwarding.configs.influxdb import InfluxdbConfig
from thingstead.model.forwarding.configs.kafka import KafkaConfig
from thingstead.model.forwarding.configs.mqtt import MqttConfig
from thingstead.model.forwarding.configs.postgresql import PostgresqlConfig
from thingstead.model.forwarding.message import MessageKind
from thingstead.model.forwarding.target import ForwardError, TargetKind, TargetState, UrlConfig
from thingstead.model.project import Tags


class ForwardTargetCreated(msgspec.Struct, frozen=True, kw_only=True):
    """The created target."""

    id: str
    name: str
    secret: str | UnsetType = UNSET  # only if the server made it; it is not shown again


class ForwardTargetInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A forwarding target; secrets are shown as `***`."""

    id: str
    name: str
    descr: str
    enabled: bool
    kind: TargetKind  # the one of `url` and its siblings that it has
    kinds: list[MessageKind]
    types: list[str]
    devices: list[str]
    tags: Tags
    batch: bool
    url: UrlConfig | UnsetType = UNSET
    mqtt: MqttConfig | UnsetType = UNSET
    influxdb: InfluxdbConfig | UnsetType = UNSET
    postgresql: PostgresqlConfig | UnsetType = UNSET
    kafka: KafkaConfig | UnsetType = UNSET
    secret: str | UnsetType = UNSET  # only after a change for which the server made a new one; it is not shown again
    create_time: int  # ms
    update_time: int  # ms
    version: int  # extension: incremented by each change, from 1; send it with a change to detect conflicts


class ForwardLane(msgspec.Struct, frozen=True, kw_only=True):
    """One of the lanes of a target; the messages of a device are in one of them, in order."""

    failures: int  # since the last success
    next_try_at: int | None  # ms, after a failure
    waiting_items: int
    waiting_bytes: int


class ForwardStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a target, and the outcome of its messages since it was created."""

    state: TargetState  # `paused`: somebody must change something first, such as the address
    waiting_items: int = 0
    waiting_bytes: int = 0
    waiting_since: int | None = None  # ms, when the oldest waiting message was stored
    sent: int = 0
    sent_bytes: int = 0  # as stored
    refused: int = 0  # messages that became dead letters
    dropped: int = 0  # messages that were given up: too old, or too many bytes waited
    dead_letters: int = 0  # that are kept now
    last_sent_at: int | None = None  # ms
    last_error: ForwardError | None = None
    next_try_at: int | None = None  # ms, after a failure
    lanes: list[ForwardLane] = []


class ForwardDeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a target refused for good."""

    id: str
    message_id: str
    kind: MessageKind
    device_id: str
    device_name: str
    ts: int  # ms, of the message
    body: dict[str, Any]
    reason: str
    code: str  # of the reason
    args: dict[str, Any]
    status: int  # of HTTP; 0: there is none
    answer: str  # its begin
    create_time: int  # ms, of the refusal


class ForwardReplayed(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters that wait for their target again."""

    replayed: int
    remaining: int  # dead letters that were chosen, too; call again


class ForwardDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters that were removed."""

    deleted: int


class ForwardTest(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a test message."""

    delivered: bool
    took_ms: int
    reason: str = ""
    code: str = ""  # of the reason
    args: dict[str, Any] = {}
    status: int = 0  # of HTTP; 0: there is none
    answer: str = ""  # its begin
