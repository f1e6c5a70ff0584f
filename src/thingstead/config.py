"""The configuration: one frozen tree = defaults, then a TOML file, then ``THINGSTEAD_*`` variables, then flags.

Every setting is declared once, as a member of a Struct, with its range, unit and description in ``Meta``. Names are
dotted (``mqtt.keep_alive_max_s``): a table of the TOML file, then the key. The environment variable of a setting is
its name in capitals with ``_`` for the dot (``THINGSTEAD_MQTT_KEEP_ALIVE_MAX_S``).
"""

import difflib
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
    max_connections: Annotated[
        int, _about("Open MQTT connections; one more is closed at once.", "connections", ge=1)
    ] = 100_000
    receive_maximum: Annotated[
        int, _about("QoS 1 messages of one client that may wait for their PUBACK.", "messages", ge=1, le=65_535)
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
        _about("How often history that is past its time is dropped.", "seconds", ge=1, le=86_400),
    ] = 300


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set."""

    data_dir: Annotated[str, _about("The data folder.", min_length=1)] = "./thingstead-data"
    host: Annotated[
        str, _about("Address on which to listen; `0.0.0.0` is every IPv4 one, `::` every one.", min_length=1)
    ] = "0.0.0.0"  # noqa: S104 - a server is there to be reached
    http_port: Annotated[int, _about("TCP port of HTTP; 0 takes a free one.", ge=0, le=65_535)] = 8080
    mqtt_port: Annotated[int, _about("TCP port of MQTT; 0 takes a free one.", ge=0, le=65_535)] = 1883
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
    account: AccountSettings = AccountSettings()
    storage: StorageSettings = StorageSettings()

    @property
    def data_path(self) -> Path:
        return Path(self.data_dir)


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
    if config.http_port == config.mqtt_port != 0:
        raise ConfigError(f"http_port and mqtt_port are both {config.http_port}; they must differ")
    return config


def dump(config: Config) -> dict[str, Any]:
    """Every setting by its dotted name, for people: secrets are shown as ``***`` where they are set."""
    values: dict[str, Any] = {}
    for setting in SETTINGS.values():
        value: Any = config
        for part in setting.name.split("."):
            value = getattr(value, part)
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
        value: Any = text
        if get_origin(get_args(SETTINGS[name].kind)[0]) is tuple:
            value = [part.strip() for part in text.split(",") if part.strip()]
        yield Given(name, value, variable)


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
        if get_origin(get_args(kind)[0]) is Literal:
            expected = f"Expected one of {', '.join(map(str, get_args(get_args(kind)[0])))}"
        shown = "" if SETTINGS[given.name].secret else f", got {given.value!r}"
        raise ConfigError(f"{given.name} ({given.origin}): {expected}{shown}") from exc


def _build(struct: type[Any], chosen: Mapping[str, Any], prefix: str) -> Any:
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        name = f"{prefix}{field.name}"
        if name in chosen:
            values[field.name] = chosen[name]
        elif name not in SETTINGS:
            values[field.name] = _build(type(field.default), chosen, f"{name}.")
    return struct(**values)
