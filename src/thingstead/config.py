"""The configuration: one frozen tree = defaults, then a TOML file, then ``THINGSTEAD_*`` variables, then flags.

Every setting is declared once, as a member of a Struct, with its range, unit and description in ``Meta``. Names are
dotted (``mqtt.keep_alive_max_s``): a table of the TOML file, then the key. The environment variable of a setting is
its name in capitals with ``_`` for the dot (``THINGSTEAD_MQTT_KEEP_ALIVE_MAX_S``).
"""

import difflib
import ipaddress
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from thingstead.errors import ConfigError

PREFIX = "THINGSTEAD_"
CONFIG_VARIABLE = "THINGSTEAD_CONFIG"  # names the TOML file, as the flag --config does

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]


def _about(description: str, unit: str = "", *, secret: bool = False, **limits: Any) -> Meta:
    return Meta(description=description, extra={"unit": unit, "secret": secret}, **limits)


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP port."""

    body_limit_bytes: Annotated[
        int,
        _about(
            "Largest request body; a larger one is refused. Imports state a greater limit of their own.",
            "bytes",
            ge=1024,
            le=1 << 30,
        ),
    ] = 1 << 20
    head_timeout_s: Annotated[
        float,
        _about("How long a request line and its headers may take to arrive.", "seconds", ge=1, le=3600),
    ] = 20.0
    body_timeout_s: Annotated[
        float, _about("How long a request body may take to arrive.", "seconds", ge=1, le=3600)
    ] = 30.0
    keep_alive_timeout_s: Annotated[
        int, _about("How long a connection may stay open between two requests.", "seconds", ge=1, le=3600)
    ] = 75
    max_connections: Annotated[
        int, _about("Open HTTP connections; a request on one more is answered with 503.", "connections", ge=1)
    ] = 10_000
    malformed_json_status: Annotated[
        Literal[404, 400],
        _about("HTTP status that answers a body which is not JSON: 404 as the reference documents it, or 400."),
    ] = 404
    cors_origins: Annotated[
        tuple[str, ...],
        _about("Origins (`https://app.example.com`) whose pages may call the API from a browser; `*` admits all."),
    ] = ()
    metrics_token: Annotated[
        str, _about("Bearer token that opens `/metrics` to other machines; this one needs none.", secret=True)
    ] = ""
    certificate_failures_max: Annotated[
        int,
        _about(
            "Wrong device certificates, and DeviceKeys that lead to none, of one address within the window, before more"
            " of them are throttled.",
            "failures",
            ge=1,
        ),
    ] = 100
    certificate_window_s: Annotated[
        int, _about("The window of `certificate_failures_max`.", "seconds", ge=1, le=86_400)
    ] = 60


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The MQTT port."""

    max_packet_size_bytes: Annotated[
        int, _about("Largest MQTT packet that is accepted.", "bytes", ge=1024, le=268_435_460)
    ] = 262_144
    keep_alive_max_s: Annotated[
        int,
        _about("Longest keep alive; MQTT 5.0 clients that ask for more are told this one.", "seconds", ge=5, le=65_535),
    ] = 1200
    connect_timeout_s: Annotated[
        int, _about("How long a new connection may take until its CONNECT has arrived.", "seconds", ge=1, le=300)
    ] = 10
    packet_timeout_s: Annotated[
        int,
        _about(
            "How long a packet may take to arrive once it has begun; over it the connection is closed.",
            "seconds",
            ge=1,
            le=3600,
        ),
    ] = 120
    max_connections: Annotated[
        int, _about("Open MQTT connections; one more is closed at once.", "connections", ge=1)
    ] = 100_000
    max_device_subscriptions: Annotated[
        int, _about("Topic filters that one device may subscribe to.", "filters", ge=1, le=10_000)
    ] = 100
    receive_maximum: Annotated[
        int, _about("QoS 1 messages of one client that may wait for their PUBACK.", "messages", ge=1, le=65_535)
    ] = 1024
    in_flight_max: Annotated[
        int,
        _about(
            "QoS 1 and 2 messages that may be on their way to one client at once; a client's own Receive Maximum may be"
            " lower.",
            "messages",
            ge=1,
            le=65_535,
        ),
    ] = 1024
    command_window: Annotated[
        int,
        _about(
            "Commands that may be on their way to one device at once; the next waits for an answer. Counts at QoS 1.",
            "commands",
            ge=1,
            le=65_535,
        ),
    ] = 1
    send_buffer_max_bytes: Annotated[
        int, _about("Bytes that may wait to be read by one client; over it the client is dropped.", "bytes", ge=16_384)
    ] = 1 << 20
    session_expiry_max_s: Annotated[
        int,
        _about(
            "Longest time that a session outlives its connection; 0 keeps none. Clients that ask for more get this.",
            "seconds",
            ge=0,
            le=0xFFFF_FFFF,
        ),
    ] = 604_800
    max_sessions: Annotated[
        int, _about("Sessions of the open port that outlive their connections; one more is refused.", "sessions", ge=1)
    ] = 10_000
    max_subscriptions: Annotated[
        int,
        _about(
            "Topic filters that one client of the open port may subscribe to, with 20 levels on average.",
            "filters",
            ge=1,
            le=1_000_000,
        ),
    ] = 1_000
    queue_max_messages: Annotated[
        int,
        _about(
            "QoS 1 and 2 messages that may wait for one session; over it the oldest are dropped.",
            "messages",
            ge=1,
            le=65_535,
        ),
    ] = 1_000
    queue_max_bytes: Annotated[int, _about("The same in bytes.", "bytes", ge=65_536)] = 4 << 20
    retained_max_bytes: Annotated[
        int, _about("Retained messages of the open port; what would go over it is refused.", "bytes", ge=0)
    ] = 64 << 20


class NotifySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Notices of alarms."""

    smtp_host: Annotated[str, _about("SMTP server that takes mails; without one none is sent.")] = ""
    smtp_port: Annotated[int, _about("Its TCP port.", ge=1, le=65_535)] = 587
    smtp_security: Annotated[
        Literal["starttls", "tls", "none"],
        _about("How the connection to it is encrypted: `starttls`, `tls` or `none`."),
    ] = "starttls"
    smtp_user: Annotated[str, _about("User name at the SMTP server; without one nobody logs in.")] = ""
    smtp_password: Annotated[str, _about("Password at the SMTP server.", secret=True)] = ""
    mail_from: Annotated[str, _about("Sender of mails, such as `alarms@example.com`.")] = ""
    language: Annotated[Literal["en", "zh"], _about("Language of notices to people: `en` or `zh`.")] = "en"
    telegram_api: Annotated[str, _about("Base address of the Telegram Bot API.")] = "https://api.telegram.org"
    private_addresses: Annotated[
        bool,
        _about("Whether webhooks and robots may be at private and loopback addresses; link-local ones never are."),
    ] = True
    timeout_s: Annotated[int, _about("How long one attempt to send may take.", "seconds", ge=1, le=25)] = 10
    project_daily_max: Annotated[
        int, _about("Notices to people a day and project; more go into a digest. 0: no cap.", "notices", ge=0)
    ] = 1000
    device_daily_max: Annotated[int, _about("The same of one device.", "notices", ge=0)] = 100
    digest_interval_s: Annotated[
        int, _about("How long notices over a cap wait for their digest.", "seconds", ge=60, le=86_400)
    ] = 3600


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Log-in of applications, administrators and customers."""

    access_token_life_s: Annotated[
        int, _about("Life of a token from `access_token`.", "seconds", ge=60, le=31_536_000)
    ] = 86_400
    admin_token_life_s: Annotated[
        int, _about("Life of a token from `admin_login`.", "seconds", ge=60, le=31_536_000)
    ] = 604_800
    login_failures_max: Annotated[
        int,
        _about(
            "Failed log-ins of one account or from one address, within the window, before it is throttled.",
            "log-ins",
            ge=1,
        ),
    ] = 10
    login_window_s: Annotated[int, _about("The window of `login_failures_max`.", "seconds", ge=1, le=86_400)] = 300
    password_hash_memory_kib: Annotated[
        int, _about("Memory that hashing one password takes (argon2id).", "KiB", ge=8192, le=1 << 20)
    ] = 19_456
    password_hash_passes: Annotated[int, _about("Passes over that memory.", "passes", ge=1, le=16)] = 2


class StorageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept on disk."""

    low_disk_bytes: Annotated[
        int,
        _about(
            "Free space on the disk under which reports and events are refused, before it is full; 0 never refuses.",
            "bytes",
            ge=0,
        ),
    ] = 256 << 20
    retention_days: Annotated[
        float,
        _about("How long history is kept where a project has no rule of its own; 0 keeps it for ever.", "days", ge=0),
    ] = 0
    history_max_bytes: Annotated[
        int,
        _about("History of all projects over which the oldest is dropped; 0 sets no bound.", "bytes", ge=0),
    ] = 0
    retention_interval_s: Annotated[
        float,
        _about("How often what is past its time is dropped.", "seconds", ge=1, le=86_400),
    ] = 300
    alarm_retention_days: Annotated[
        int, _about("How long an alarm that is cleared is kept, with its messages; 0 keeps it for ever.", "days", ge=0)
    ] = 365
    notice_retention_days: Annotated[
        int, _about("How long a notice is kept, with the log of its attempts; 0 keeps it for ever.", "days", ge=0)
    ] = 90


class TcpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The port of devices that send raw bytes."""

    registration_timeout_s: Annotated[
        int,
        _about(
            "How long a new connection may take until its registration packet is complete.", "seconds", ge=1, le=300
        ),
    ] = 10
    idle_timeout_s: Annotated[
        int,
        _about(
            "A connection over which nothing came for so long is closed; 0 keeps it until the network says otherwise.",
            "seconds",
            ge=0,
            le=604_800,
        ),
    ] = 3_600
    heartbeats: Annotated[
        tuple[str, ...],
        _about(
            "Packets that say only that the device is there, and are no data: texts, or bytes as `hex:0102`. Its"
            " registration packet, sent again, always is one."
        ),
    ] = ()
    max_connections: Annotated[
        int, _about("Open connections of this kind; one more is closed at once.", "connections", ge=1)
    ] = 100_000

    @property
    def heartbeat_packets(self) -> frozenset[bytes]:
        """The bytes of ``heartbeats``. ValueError where one is not hexadecimal."""
        return frozenset(bytes.fromhex(t[4:]) if t.startswith("hex:") else t.encode() for t in self.heartbeats)


class AppSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Applications that subscribe to a project."""

    max_subscriptions: Annotated[
        int, _about("Topic filters that one application may subscribe to.", "filters", ge=1, le=1_000_000)
    ] = 1_000
    queue_max_bytes: Annotated[
        int,
        _about(
            "Messages that may wait for one application that reads slowly; over it the oldest are dropped.",
            "bytes",
            ge=65_536,
        ),
    ] = 1 << 20


class Listener(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One port, as a table ``[[listeners]]`` describes it. ``mqtts``, ``https`` and ``tcps`` are behind TLS."""

    kind: Literal["mqtt", "mqtts", "http", "https", "tcp", "tcps", "open"]
    port: Annotated[int, Meta(ge=0, le=65_535)]  # 0: a free one
    host: str = ""  # "": the setting host
    certificate: str = ""  # file; "": the setting tls_certificate, and so on
    key: str = ""
    client_ca: str = ""
    proxy_protocol: bool = False  # every connection begins with a PROXY header

    @property
    def secure(self) -> bool:
        """Whether it is behind TLS."""
        return self.kind.endswith("s")


class Door(NamedTuple):
    """A port to be opened, with everything that its setting leaves to others filled in."""

    setting: str  # which asks for it, for messages
    listener: Listener
    optional: bool = False  # where the port is taken, it stays closed


TCP_PORT = 28_801  # of devices, as the public service has it (wire reference §1.1)
LOOPBACK = "127.0.0.1"
Port = Annotated[int, Meta(ge=0, le=65_535)]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set."""

    data_dir: Annotated[str, _about("The data folder.", min_length=1)] = "./thingstead-data"
    host: Annotated[
        str, _about("Address on which to listen; `0.0.0.0` is every IPv4 one, `::` every one.", min_length=1)
    ] = "0.0.0.0"  # noqa: S104 - a server is there to be reached
    http_port: Annotated[int, _about("TCP port of HTTP; 0 takes a free one.", ge=0, le=65_535)] = 8080
    mqtt_port: Annotated[int, _about("TCP port of MQTT; 0 takes a free one.", ge=0, le=65_535)] = 1883
    tcp_port: Annotated[
        Port | Literal["auto", "off"],
        _about(
            "TCP port of devices that send raw bytes: `off`, a number (0 takes a free one), or `auto`, which is 28801"
            " where that is free."
        ),
    ] = "auto"
    mqtts_port: Annotated[
        Port | Literal["off"], _about("TCP port of MQTT over TLS, 8883 by custom; 0 takes a free one.")
    ] = "off"
    https_port: Annotated[
        Port | Literal["off"], _about("TCP port of HTTP over TLS, 443 or 8443 by custom; 0 takes a free one.")
    ] = "off"
    open_mqtt_port: Annotated[
        Port | Literal["off"],
        _about(
            "TCP port of MQTT that admits everyone on this machine to a topic space apart from devices; 0 takes a free"
            " one."
        ),
    ] = "off"
    tls_certificate: Annotated[
        str, _about("File with the server's certificate and those between it and its authority (PEM).")
    ] = ""
    tls_key: Annotated[str, _about("File with the certificate's private key (PEM, without a passphrase).")] = ""
    tls_client_ca: Annotated[
        str,
        _about(
            "File with authorities (PEM); clients of MQTT over TLS must then show a certificate from one of them, and"
            " log in all the same."
        ),
    ] = ""
    listeners: Annotated[
        tuple[Listener, ...],
        _about("More ports: tables `[[listeners]]` of the file, or a JSON array of such objects in the variable."),
    ] = ()
    log_level: Annotated[LogLevel, _about("The least level that is logged.")] = "info"
    log_format: Annotated[LogFormat, _about("Log lines for people (`console`) or for programs (`json`).")] = "console"
    active_window_s: Annotated[
        int, _about("A device with an uplink no older than this counts as active.", "seconds", ge=1, le=31_536_000)
    ] = 86_400
    sub_device_timeout_s: Annotated[
        int,
        _about(
            "A sub-device behind a gateway that was silent for so long is offline; 0 leaves it online.",
            "seconds",
            ge=0,
            le=31_536_000,
        ),
    ] = 3_600
    http: ApiSettings = ApiSettings()
    mqtt: MqttSettings = MqttSettings()
    tcp: TcpSettings = TcpSettings()
    app: AppSettings = AppSettings()
    account: AccountSettings = AccountSettings()
    notify: NotifySettings = NotifySettings()
    storage: StorageSettings = StorageSettings()

    @property
    def data_path(self) -> Path:
        return Path(self.data_dir)

    @property
    def doors(self) -> list[Door]:
        """Every port to be opened, those of the plain settings first."""
        doors = [
            Door("http_port", self._filled(Listener(kind="http", port=self.http_port))),
            Door("mqtt_port", self._filled(Listener(kind="mqtt", port=self.mqtt_port))),
        ]
        if self.tcp_port != "off":
            port = TCP_PORT if self.tcp_port == "auto" else self.tcp_port
            doors.append(Door("tcp_port", self._filled(Listener(kind="tcp", port=port)), self.tcp_port == "auto"))
        if self.mqtts_port != "off":
            doors.append(Door("mqtts_port", self._filled(Listener(kind="mqtts", port=self.mqtts_port))))
        if self.https_port != "off":
            doors.append(Door("https_port", self._filled(Listener(kind="https", port=self.https_port))))
        if self.open_mqtt_port != "off":
            open_port = Listener(kind="open", port=self.open_mqtt_port, host=LOOPBACK)
            doors.append(Door("open_mqtt_port", open_port))
        more = (Door(f"listeners[{index}]", self._filled(each)) for index, each in enumerate(self.listeners))
        return [*doors, *more]

    def _filled(self, listener: Listener) -> Listener:
        host = listener.host or (LOOPBACK if listener.kind == "open" else self.host)
        if not listener.secure:
            return msgspec.structs.replace(listener, host=host)
        own = listener.certificate != ""
        return msgspec.structs.replace(
            listener,
            host=host,
            certificate=listener.certificate if own else self.tls_certificate,
            key=listener.key if own else self.tls_key,
            client_ca=listener.client_ca or (self.tls_client_ca if listener.kind == "mqtts" else ""),
        )


class Setting(NamedTuple):
    """One setting, as the documentation shows it."""

    name: str  # dotted
    kind: Any  # its annotated type
    default: Any
    unit: str  # "" where it has none
    description: str
    secret: bool

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.replace(".", "_").upper()


def _settings_of(struct: type[msgspec.Struct], prefix: str) -> Iterator[Setting]:
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        kind = hints[field.name]
        if get_origin(kind) is not Annotated:
            yield from _settings_of(kind, f"{prefix}{field.name}.")
            continue
        meta: Meta = get_args(kind)[1]
        extra = meta.extra or {}
        yield Setting(
            f"{prefix}{field.name}", kind, field.default, extra["unit"], meta.description or "", extra["secret"]
        )


SETTINGS: dict[str, Setting] = {setting.name: setting for setting in _settings_of(Config, "")}
_BY_VARIABLE = {setting.variable: setting.name for setting in SETTINGS.values()}


class Given(NamedTuple):
    """A value that someone gave to a setting, and where: for messages."""

    name: str
    value: Any
    origin: str


def load(
    file: Path | None = None, environ: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> Config:
    """The configuration from a TOML file, environment variables and flags; the later wins.

    Args:
        file: the TOML file; None reads none. One that does not exist is an error.
        environ: variables; those that start with ``THINGSTEAD_`` are read, and must be known.
        flags: values by setting name (``http_port``); None values are passed over.

    Raises:
        ConfigError: naming the setting, where it was set, and what is wrong.
    """
    given: list[Given] = []
    if file is not None:
        given += _from_file(file)
    given += _from_environment(environ or {})
    given += [Given(n, v, f"--{n.replace('_', '-')}") for n, v in (flags or {}).items() if v is not None]
    chosen = {item.name: _checked(item) for item in given}
    config: Config = _build(Config, chosen, "")
    _check_doors(config)
    try:
        _ = config.tcp.heartbeat_packets
    except ValueError as exc:
        raise ConfigError(f"tcp.heartbeats: {exc}") from exc
    return config


def _check_doors(config: Config) -> None:
    """Raises ConfigError where ports collide, or a port behind TLS lacks what it needs."""
    taken: dict[tuple[str, int], str] = {}
    for setting, listener, optional in config.doors:
        here = (listener.host, listener.port)
        if listener.port and here in taken and not optional:
            raise ConfigError(f"{taken[here]} and {setting} are both {listener.port}; they must differ")
        taken[here] = setting
        given = [name for name in ("certificate", "key", "client_ca") if getattr(listener, name)]
        if listener.secure and not (listener.certificate and listener.key):
            raise ConfigError(f"{setting}: TLS needs a certificate and its key (tls_certificate, tls_key)")
        if listener.kind == "open" and not _is_loopback(listener.host):
            raise ConfigError(f"{setting}: an open port admits everyone, and must be on a loopback address")
        if given and not listener.secure:
            raise ConfigError(f"{setting}: {given[0]} is for ports behind TLS, which {listener.kind} is not")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def dump(config: Config) -> dict[str, Any]:
    """Every setting by its dotted name, for people: secrets are shown as ``***`` where they are set."""
    values: dict[str, Any] = {}
    for setting in SETTINGS.values():
        value: Any = config
        for part in setting.name.split("."):
            value = getattr(value, part)
        if isinstance(value, tuple):
            value = tuple(each if isinstance(each, str) else msgspec.json.encode(each).decode() for each in value)
        values[setting.name] = "***" if setting.secret and value else value
    return values


def _from_file(file: Path) -> Iterator[Given]:
    try:
        with file.open("rb") as stream:
            tree = tomllib.load(stream)
    except OSError as exc:
        raise ConfigError(f"{file}: cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{file}: is not TOML: {exc}") from exc
    yield from _flattened(tree, "", str(file))


def _flattened(table: Mapping[str, Any], prefix: str, origin: str) -> Iterator[Given]:
    for key, value in table.items():
        name = f"{prefix}{key}"
        if name in SETTINGS:
            yield Given(name, value, origin)
        elif not any(known.startswith(f"{name}.") for known in SETTINGS):
            raise ConfigError(f"{origin}: unknown setting {name}{_nearest(name, SETTINGS)}")
        elif isinstance(value, dict):
            yield from _flattened(value, f"{name}.", origin)
        else:
            raise ConfigError(f"{origin}: {name} is a table of settings, written [{name}], not a value")


def _from_environment(environ: Mapping[str, str]) -> Iterator[Given]:
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        if variable not in _BY_VARIABLE:
            raise ConfigError(f"unknown environment variable {variable}{_nearest(variable, _BY_VARIABLE)}")
        name = _BY_VARIABLE[variable]
        yield Given(name, _from_text(name, text), variable)


def _from_text(name: str, text: str) -> Any:
    """What a variable says: of a setting with many values they are separated by commas, tables are JSON."""
    kind = get_args(SETTINGS[name].kind)[0]
    if get_origin(kind) is not tuple:
        return text
    if get_args(kind)[0] is str:
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return msgspec.json.decode(text) if text.strip() else []
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text  # and is refused as what it is


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _checked(given: Given) -> Any:
    """The value in its type. Text is read as a number or a truth value only where it came from a variable or flag."""
    kind = SETTINGS[given.name].kind
    strict = not given.origin.startswith((PREFIX, "--"))
    try:
        return msgspec.convert(given.value, kind, strict=strict)
    except msgspec.ValidationError as exc:
        expected = str(exc).replace("`", "")
        if "enum value" in expected or get_origin(get_args(kind)[0]) is Literal:
            expected = _expected(get_args(kind)[0])
        shown = "" if SETTINGS[given.name].secret else f", got {given.value!r}"
        raise ConfigError(f"{given.name} ({given.origin}): {expected}{shown}") from exc


def _expected(kind: Any) -> str:
    """What a setting that knows some words may be."""
    if get_origin(kind) is Literal:
        return f"Expected one of {', '.join(map(str, get_args(kind)))}"
    number, words = get_args(kind)
    meta: Meta = get_args(number)[1]
    return f"Expected a number from {meta.ge} to {meta.le}, or {' or '.join(get_args(words))}"


def _build(struct: type[Any], chosen: Mapping[str, Any], prefix: str) -> Any:
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        name = f"{prefix}{field.name}"
        if name in chosen:
            values[field.name] = chosen[name]
        elif name not in SETTINGS:
            values[field.name] = _build(type(field.default), chosen, f"{name}.")
    return struct(**values)
