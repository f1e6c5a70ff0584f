"""Forwarding targets: what they get, where it is sent, and the outcome."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from thingstead.model.forwarding.configs.base import ForwardConfig, Url
from thingstead.model.forwarding.configs.influxdb import InfluxdbConfig
from thingstead.model.forwarding.configs.kafka import KafkaConfig
from thingstead.model.forwarding.configs.mqtt import MqttConfig
from thingstead.model.forwarding.configs.postgresql import PostgresqlConfig
from thingstead.model.forwarding.message import ForwardMessage, MessageKind
from thingstead.model.project import Tags

TargetKind = Literal["url", "mqtt", "influxdb", "postgresql", "kafka"]
TargetState = Literal["running", "backing_off", "paused", "off"]

HIDDEN = "***"  # replaces a stored secret in answers
TARGETS_COUNT = 20  # in a project; each has lanes and connections of its own
SOURCE_COUNT = 1_000  # device types or devices that a target names
SECRET_LENGTH = 256
HEADERS_COUNT = 20
HEADER_VALUE_LENGTH = 1_000
LANES = 4  # of a target; the messages of a device are in one of them, in order
BATCH_ITEMS = 500
BATCH_BYTES = 1_048_576  # of the stored messages of one batch; a single message may be larger
DEAD_LETTERS_COUNT = 10_000  # of a target; one more drops the oldest
DEAD_LETTERS_BYTES = 67_108_864  # of a target, as stored; more drop the oldest
ANSWER_BYTES = 1_024  # of the answer of a target, kept with a dead letter
REPLAY_COUNT = 1_000  # dead letters, in one call

HeaderValue = Annotated[str, Meta(max_length=HEADER_VALUE_LENGTH)]


class UrlConfig(ForwardConfig, frozen=True, kw_only=True):
    """An HTTP receiver."""

    SECRETS: ClassVar[tuple[str, ...]] = ("secret", "headers")
    PLACE: ClassVar[tuple[str, ...]] = ("url",)

    url: Annotated[Url, Meta(description="An http or https address. Redirects are not followed.")]
    secret: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=SECRET_LENGTH,
                description="Key of the signature; default: a random one, shown once. Afterwards shown as `***`; `***` "
                "leaves it unchanged.",
            ),
        ]
        | None
    ) = None
    headers: (
        Annotated[
            dict[str, HeaderValue],
            Meta(max_length=HEADERS_COUNT, description="Additional headers. Values are shown as `***`."),
        ]
        | None
    ) = None


class TargetConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Exactly one of its members."""

    url: UrlConfig | None = None
    mqtt: MqttConfig | None = None
    influxdb: InfluxdbConfig | None = None
    postgresql: PostgresqlConfig | None = None
    kafka: KafkaConfig | None = None

    @property
    def kind(self) -> TargetKind:
        """The kind of the target."""
        return config_kinds(self)[0]

    @property
    def chosen(self) -> Any:
        """The one member that is set."""
        return getattr(self, self.kind)


CONFIG_KINDS: tuple[TargetKind, ...] = TargetConfig.__struct_fields__  # type: ignore[assignment]


def config_kinds(form: Any) -> list[TargetKind]:
    """The kinds for which a form, or a config, has a member."""
    return [kind for kind in CONFIG_KINDS if getattr(form, kind, None) is not None]


class ForwardTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A stored target. Without device types and devices it gets messages of the whole project; tags narrow."""

    id: str
    project_id: str
    name: str
    descr: str = ""
    enabled: bool = True
    kinds: tuple[MessageKind, ...] = ()
    type_ids: tuple[str, ...] = ()
    device_ids: tuple[str, ...] = ()
    tags: Tags = {}
    batch: bool = True
    config: TargetConfig
    create_time: int  # ms
    update_time: int  # ms
    version: int = 1  # incremented by each change


class TargetFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filter of a list of targets; unset members do not narrow it."""

    enabled: bool | None = None
    keyword: str | None = None  # part of the name, case-insensitive


class ForwardError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a target refused a message, or did not get it."""

    reason: str
    code: str = ""
    args: dict[str, Any] = {}
    status: int = 0  # of HTTP; 0: there is none
    answer: str = ""  # its begin
    ts: int = 0  # ms


class LaneCursor(msgspec.Struct, frozen=True, array_like=True):
    """How far a lane is: all of its messages up to item ``item`` of segment ``seq``, exclusive, are done."""

    seq: int = 0
    item: int = 0
    done_items: int = 0  # of this segment and lane
    done_bytes: int = 0


class Progress(msgspec.Struct, kw_only=True):
    """How far a target is, and the outcome of its messages since it was created."""

    lanes: list[LaneCursor] = msgspec.field(default_factory=lambda: [LaneCursor()] * LANES)
    sent: int = 0
    sent_bytes: int = 0
    refused: int = 0  # messages that became dead letters
    dropped: int = 0  # messages that were given up because of their age, or the bytes that waited
    last_sent_at: int | None = None  # ms
    last_error: ForwardError | None = None


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a target refused for good."""

    seq: int = 0  # assigned by the store, ascending
    target_id: str
    message: ForwardMessage
    error: ForwardError
    create_time: int  # ms
