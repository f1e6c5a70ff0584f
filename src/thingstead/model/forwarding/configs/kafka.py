"""Kafka as a forwarding target."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from thingstead.model.forwarding.configs.base import Authorities, ForwardConfig, Name, Password

SERVERS_COUNT = 10
TOPIC_LENGTH = 249  # of Kafka

Server = Annotated[str, Meta(min_length=3, max_length=260)]


class KafkaConfig(ForwardConfig, frozen=True, kw_only=True):
    """A topic of a Kafka cluster."""

    SECRETS: ClassVar[tuple[str, ...]] = ("password",)
    PLACE: ClassVar[tuple[str, ...]] = ("servers", "tls", "ca", "sasl")

    servers: Annotated[
        tuple[Server, ...],
        Meta(min_length=1, max_length=SERVERS_COUNT, description="Brokers to begin with, `host:9092`."),
    ]
    topic: Annotated[str, Meta(min_length=1, max_length=TOPIC_LENGTH, description="The topic of the records.")]
    tls: Annotated[bool, Meta(description="Whether connections use TLS.")] = False
    ca: Authorities | None = None
    sasl: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None,
        Meta(description="How to log in with `user_name` and `password`; default: not at all."),
    ] = None
    user_name: Annotated[Name, Meta(description="The name to log in with.")] | None = None
    password: Password | None = None
    compression: Annotated[Literal["none", "gzip"], Meta(description="The compression of batches.")] = "none"
