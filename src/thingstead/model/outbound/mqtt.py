"""A broker that the server publishes to: address, credentials, topic template."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from thingstead.model.limits import Problems
from thingstead.refusals import Unusable

URL_LENGTH = 2_000
TOPIC_LENGTH = 1_024  # of a template
NAME_LENGTH = 256  # of a user name, a client id or a server name
PASSWORD_LENGTH = 4_096  # some clouds take a token in its place
PEM_LENGTH = 65_536
KEEP_ALIVE_LONGEST_S = 1_200
HIDDEN = "***"  # replaces a stored secret in answers
PORTS = {"mqtt": 1883, "mqtts": 8883}

# What a template may contain in braces.
PLACEHOLDERS = ("project_id", "device_id", "device_key", "device_name", "type_id", "kind", "identifier")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_UNFIT = re.compile("[+#/\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")  # in one level of a topic
_HOST = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:-]*\Z")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")

MqttUrl = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=URL_LENGTH,
        description="The address of the broker, `mqtt://host:1883`, or with TLS `mqtts://host:8883`.",
    ),
]
Topic = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=TOPIC_LENGTH,
        description="The topic, in which `{project_id}`, `{device_id}`, `{device_key}`, `{device_name}`, `{type_id}`, "
        "`{kind}` and `{identifier}` stand for those of the message.",
    ),
]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH)]
Pem = Annotated[str, Meta(min_length=1, max_length=PEM_LENGTH)]


class MqttEndpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A broker, and the topic that is published to at QoS 1."""

    url: MqttUrl
    topic: Topic
    version: Annotated[Literal["3.1.1", "5"], Meta(description="The version of MQTT.")] = "5"
    client_id: Annotated[Name, Meta(description="Default: one of its own, which stays the same.")] | None = None
    user_name: Annotated[Name, Meta(description="The name to log in with.")] | None = None
    password: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=PASSWORD_LENGTH,
                description="Shown as `***`; `***` leaves it unchanged.",
            ),
        ]
        | None
    ) = None
    ca: (
        Annotated[Pem, Meta(description="Authorities that may sign the broker's certificate (PEM); default: those of "
                            "the system.")]
        | None
    ) = None  # fmt: skip
    certificate: Annotated[Pem, Meta(description="A client certificate (PEM); goes with `key`.")] | None = None
    key: (
        Annotated[
            Pem, Meta(description="Its private key (PEM, not encrypted). Shown as `***`; `***` leaves it unchanged.")
        ]
        | None
    ) = None
    server_name: (
        Annotated[Name, Meta(description="The name in the broker's certificate; default: the host of `url`.")] | None
    ) = None
    retain: Annotated[bool, Meta(description="Whether the broker keeps the last message of each topic.")] = False
    keep_alive_s: Annotated[
        int, Meta(ge=5, le=KEEP_ALIVE_LONGEST_S, description="The keep alive of the connection, in seconds.")
    ] = 60


MQTT_SECRETS = ("password", "key")


class BrokerAddress(NamedTuple):
    """Where a broker listens."""

    host: str
    port: int
    tls: bool


def broker_address(url: str) -> BrokerAddress:
    """Parses the address of a broker. Raises Unusable."""
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise Unusable("bad_mqtt_url")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Unusable("bad_mqtt_url") from None
    plain = parts.path in ("", "/") and not parts.query and not parts.fragment and "@" not in parts.netloc
    if parts.scheme not in PORTS or not parts.hostname or not plain or port == 0:
        raise Unusable("bad_mqtt_url")
    return BrokerAddress(parts.hostname, port or PORTS[parts.scheme], parts.scheme == "mqtts")


def check_mqtt(endpoint: MqttEndpoint, where: str, problems: Problems) -> None:
    """Adds every problem of a broker to ``problems``."""
    tls = True
    try:
        tls = broker_address(endpoint.url).tls
    except Unusable as exc:
        problems.add(f"{where}.url", exc.reason)
    _check_topic(endpoint.topic, f"{where}.topic", problems)
    for member in ("ca", "certificate", "key", "server_name"):
        if getattr(endpoint, member) is not None and not tls:
            problems.add(f"{where}.{member}", "goes_with_tls")
    if (endpoint.certificate is None) is not (endpoint.key is None):
        problems.add(f"{where}.certificate", "certificate_with_key")
    if endpoint.password is not None and endpoint.user_name is None and endpoint.version != "5":
        problems.add(f"{where}.password", "password_with_user_name")
    if endpoint.server_name is not None and not _HOST.match(endpoint.server_name):
        problems.add(f"{where}.server_name", "bad_host")
    for member in ("client_id", "user_name", "password"):
        value = getattr(endpoint, member)
        if value is not None and _CONTROL.search(value):
            problems.add(f"{where}.{member}", "has_control_characters")


def check_placeholders(template: str, where: str, problems: Problems) -> str:
    """Adds a problem if there is another name in braces, or a single brace. Returns the template with ``x`` for each
    placeholder."""
    for name in _PLACEHOLDER.findall(template):
        if name not in PLACEHOLDERS:
            problems.add(where, "unknown_placeholder", name=name, allowed=", ".join(PLACEHOLDERS))
            return "x"
    plain = _PLACEHOLDER.sub("x", template)
    if "{" in plain or "}" in plain or not plain.strip():
        problems.add(where, "bad_template")
        return "x"
    return plain


def _check_topic(template: str, where: str, problems: Problems) -> None:
    plain = check_placeholders(template, where, problems)
    if "+" in plain or "#" in plain or _CONTROL.search(plain):
        problems.add(where, "bad_topic_template")


def topic_of(template: str, values: Mapping[str, str]) -> str:
    """The topic of a message. What cannot stand in one level of a topic is replaced by ``_``."""
    return filled(template, {name: _UNFIT.sub("_", value) or "_" for name, value in values.items()})


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template with values in place of the names in braces."""
    return _PLACEHOLDER.sub(lambda found: values.get(found.group(1), ""), template)


class NamedDevice(Protocol):
    """The members of a device that a topic may contain."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def device_key(self) -> str:
        """Its DeviceKey; empty: none."""
        ...

    @property
    def type_id(self) -> str:
        """The id of its type; empty: none."""
        ...


def names_of(project_id: str, kind: str, identifier: str, device: NamedDevice) -> dict[str, str]:
    """What stands for the placeholders of a topic template."""
    return {
        "project_id": project_id,
        "device_id": device.id,
        "device_key": device.device_key,
        "device_name": device.name,
        "type_id": device.type_id,
        "kind": kind,
        "identifier": identifier,
    }
