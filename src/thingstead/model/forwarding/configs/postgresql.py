"""PostgreSQL, and TimescaleDB, as a forwarding target."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from thingstead.model.forwarding.configs.base import Authorities, ForwardConfig, Name, Password

IDENTIFIER_LENGTH = 63  # of a table or a schema, in bytes

Identifier = Annotated[str, Meta(min_length=1, max_length=IDENTIFIER_LENGTH)]


class PostgresqlConfig(ForwardConfig, frozen=True, kw_only=True):
    """A table of a PostgreSQL database."""

    SECRETS: ClassVar[tuple[str, ...]] = ("password",)
    PLACE: ClassVar[tuple[str, ...]] = ("host", "port", "tls", "ca")

    host: Annotated[Name, Meta(description="The host's name or address.")]
    port: Annotated[int, Meta(ge=1, le=65_535, description="The port of the server.")] = 5432
    database: Annotated[Name, Meta(description="The database.")]
    user_name: Annotated[Name, Meta(description="The role to log in with.")]
    password: Password | None = None
    tls: Annotated[
        Literal["verify", "require", "off"],
        Meta(description="`verify` checks the server's certificate, `require` only encrypts."),
    ] = "verify"
    ca: Authorities | None = None
    table: Annotated[Identifier, Meta(description="The table; it is created if it is missing.")] = "thingstead_messages"
    schema: Annotated[Identifier, Meta(description="Its schema, which must exist.")] = "public"
