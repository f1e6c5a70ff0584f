"""InfluxDB as a forwarding target."""

from typing import Annotated, ClassVar, Literal, get_args

from msgspec import Meta

from thingstead.model.forwarding.configs.base import ForwardConfig, Name, Password, Url

PointTag = Literal["project_id", "device_id", "device_key", "device_name", "type_id"]
POINT_TAGS: tuple[PointTag, ...] = get_args(PointTag)


class InfluxdbConfig(ForwardConfig, frozen=True, kw_only=True):
    """An InfluxDB 1.x (`database`), or 2.x and what speaks its API (`org`, `bucket` and `token`)."""

    SECRETS: ClassVar[tuple[str, ...]] = ("password", "token")
    PLACE: ClassVar[tuple[str, ...]] = ("url",)

    url: Annotated[Url, Meta(description="Its http or https address, without `/write`.")]
    database: Annotated[Name, Meta(description="1.x: the database, which must exist.")] | None = None
    retention_policy: Annotated[Name, Meta(description="1.x; default: that of the database.")] | None = None
    user_name: Annotated[Name, Meta(description="1.x: with `password`.")] | None = None
    password: Password | None = None
    org: Annotated[Name, Meta(description="2.x: the organization.")] | None = None
    bucket: Annotated[Name, Meta(description="2.x: the bucket, which must exist.")] | None = None
    token: Password | None = None
    measurement: Annotated[
        Name,
        Meta(
            description="The measurement, in which `{kind}`, `{type_id}`, `{device_id}` and the like stand for "
            "those of the message."
        ),
    ] = "{kind}"
    tags: Annotated[tuple[PointTag, ...], Meta(max_length=len(POINT_TAGS), description="Tags of each point.")] = (
        "device_id", "device_key", "type_id",
    )  # fmt: skip
