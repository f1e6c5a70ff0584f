"""A forwarding target in the form of the API."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.model import limits
from thingstead.model.forwarding.configs.influxdb import InfluxdbConfig
from thingstead.model.forwarding.configs.kafka import KafkaConfig
from thingstead.model.forwarding.configs.mqtt import MqttConfig
from thingstead.model.forwarding.configs.postgresql import PostgresqlConfig
from thingstead.model.forwarding.message import KINDS, MessageKind
from thingstead.model.forwarding.target import (
    CONFIG_KINDS,
    SOURCE_COUNT,
    ForwardTarget,
    TargetConfig,
    UrlConfig,
)
from thingstead.model.project import Tags

Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Descr = Annotated[str, Meta(max_length=limits.DESCR_LENGTH)]
KindsMember = Annotated[
    tuple[MessageKind, ...],
    Meta(
        min_length=1,
        max_length=len(KINDS),
        description="The messages that it gets: `attributes` (from devices), `set_attributes` (pushed, or set in the "
        "cloud), `event`, `data` (custom data), `alarm`, `presence`, `command_reply`.",
    ),
]
TypesMember = Annotated[
    tuple[str, ...],
    Meta(
        max_length=SOURCE_COUNT,
        description="Device types (ids) whose messages it gets. Without `types` and `devices`: those of all devices.",
    ),
]
DevicesMember = Annotated[
    tuple[str, ...], Meta(max_length=SOURCE_COUNT, description="Devices (ids) whose messages it gets, besides `types`.")
]
TagsMember = Annotated[Tags, Meta(description="Of these devices, only those with all of these tags.")]
BatchMember = Annotated[
    bool, Meta(description="Whether an address gets lists of messages; otherwise each message in a request.")
]
EnabledMember = Annotated[bool, Meta(description="While it is false, no message is added; what waits is kept.")]
VersionMember = Annotated[
    int, Meta(ge=1, description="Extension: the `version` that was read; where it is another one by now, errcode 409.")
]


class ForwardTargetForm(msgspec.Struct, frozen=True, kw_only=True):
    """A forwarding target: exactly one of `url` and its siblings, and what it gets."""

    name: Name
    descr: Descr = ""
    enabled: EnabledMember = True
    kinds: KindsMember
    types: TypesMember = ()
    devices: DevicesMember = ()
    tags: TagsMember = {}
    batch: BatchMember = True
    url: UrlConfig | None = None
    mqtt: MqttConfig | None = None
    influxdb: InfluxdbConfig | None = None
    postgresql: PostgresqlConfig | None = None
    kafka: KafkaConfig | None = None


class ForwardTargetPatch(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of a target; members that are left out stay unchanged, null removes a value."""

    name: Name | UnsetType = UNSET
    descr: Descr | UnsetType = UNSET
    enabled: EnabledMember | UnsetType = UNSET
    kinds: KindsMember | UnsetType = UNSET
    types: TypesMember | UnsetType | None = UNSET
    devices: DevicesMember | UnsetType | None = UNSET
    tags: TagsMember | UnsetType | None = UNSET
    batch: BatchMember | UnsetType = UNSET
    url: UrlConfig | UnsetType | None = UNSET
    mqtt: MqttConfig | UnsetType | None = UNSET
    influxdb: InfluxdbConfig | UnsetType | None = UNSET
    postgresql: PostgresqlConfig | UnsetType | None = UNSET
    kafka: KafkaConfig | UnsetType | None = UNSET
    version: VersionMember | UnsetType = UNSET


def config_of(form: ForwardTargetForm) -> TargetConfig:
    """Where a form sends to."""
    return TargetConfig(**{kind: getattr(form, kind) for kind in CONFIG_KINDS})


def form_of(target: ForwardTarget) -> ForwardTargetForm:
    """The form that creates an equal target."""
    return ForwardTargetForm(
        name=target.name,
        descr=target.descr,
        enabled=target.enabled,
        kinds=target.kinds,
        types=target.type_ids,
        devices=target.device_ids,
        tags=target.tags,
        batch=target.batch,
        **{kind: getattr(target.config, kind) for kind in CONFIG_KINDS},
    )


def patched(form: ForwardTargetForm, patch: ForwardTargetPatch) -> ForwardTargetForm:
    """The form with a patch applied. A config of another kind replaces the one that was there."""
    names = ForwardTargetForm.__struct_fields__
    given = {name: getattr(patch, name) for name in names if getattr(patch, name) is not UNSET}
    if any(given.get(kind) is not None for kind in CONFIG_KINDS):
        given = dict.fromkeys(CONFIG_KINDS) | given
    empty: dict[str, Any] = {"types": (), "devices": (), "tags": {}}
    members = {name: empty.get(name) if value is None else value for name, value in given.items()}
    return msgspec.structs.replace(form, **members)
