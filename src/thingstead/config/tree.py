"""The whole configuration, and a catalog of all settings by name."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from thingstead.config.listeners import Listener, ListenerSpec
from thingstead.config.settings import (
    AccountSettings,
    ApiSettings,
    AppSettings,
    ClusterSettings,
    ForwardingSettings,
    FunctionSettings,
    ModbusSettings,
    MqttSettings,
    NotifySettings,
    OtaSettings,
    PublicSettings,
    StorageSettings,
    TaskSettings,
    TcpSettings,
    TracingSettings,
    about,
)
from thingstead.errors import ConfigError

PREFIX = "THINGSTEAD_"

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]


TCP_PORT = 28_801  # of raw TCP, as in the public service (wire reference §1.1)
LOOPBACK = "127.0.0.1"
Port = Annotated[int, Meta(ge=0, le=65_535)]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration: every setting with its value."""

    data_dir: Annotated[str, about("The data folder.", min_length=1)] = "./thingstead-data"
    database: Annotated[
        str,
        about(
            "PostgreSQL database instead of the data folder's own: `postgresql://user@host:5432/name`. The data folder "
            "then holds only what is this node's own.",
            secret=True,
        ),
    ] = ""
    database_password_file: Annotated[
        str, about("File with the password for `database`, better than a password in its address.")
    ] = ""
    host: Annotated[
        str, about("Address to listen on; `0.0.0.0` is every IPv4 address, `::` every address.", min_length=1)
    ] = "0.0.0.0"  # noqa: S104 - a server is there to be reached
    http_port: Annotated[int, about("TCP port of HTTP; 0 picks a free port.", ge=0, le=65_535)] = 8080
    mqtt_port: Annotated[int, about("TCP port of MQTT; 0 picks a free port.", ge=0, le=65_535)] = 1883
    tcp_port: Annotated[
        Port | Literal["auto", "off"],
        about("TCP port of raw TCP: `off`, a number (0 picks a free port), or `auto`, which is 28801 if that is free."),
    ] = "auto"
    mqtts_port: Annotated[
        Port | Literal["off"], about("TCP port of MQTT over TLS, usually 8883; 0 picks a free port.")
    ] = "off"
    https_port: Annotated[
        Port | Literal["off"], about("TCP port of HTTP over TLS, usually 443 or 8443; 0 picks a free port.")
    ] = "off"
    open_mqtt_port: Annotated[
        Port | Literal["off"],
        about("TCP port of the open port: MQTT for everyone on this machine, apart from devices; 0 picks a free port."),
    ] = "off"
    tls_certificate: Annotated[str, about("File with the server's certificate chain (PEM).")] = ""
    tls_key: Annotated[str, about("File with the certificate's private key (PEM, without a passphrase).")] = ""
    tls_handshake_timeout_s: Annotated[
        int,
        about(
            "Time-out for a TLS handshake; over a slow radio link one takes some ten seconds.",
            "seconds",
            ge=1,
            le=600,
        ),
    ] = 30
    tls_client_ca: Annotated[
        str,
        about(
            "File with certificate authorities (PEM); clients of MQTT over TLS must then present a certificate "
            "of one of them, and still log in."
        ),
    ] = ""
    listeners: Annotated[
        tuple[Listener, ...],
        about("More ports: tables `[[listeners]]` of the file, or a JSON array of such objects in the variable."),
    ] = ()
    log_level: Annotated[LogLevel, about("Lowest level that is logged.")] = "info"
    log_format: Annotated[LogFormat, about("Format of log lines: `console` (text) or `json`.")] = "console"
    rules: Annotated[
        Literal["on", "off"],
        about("Message rules: `off` stops them all, also what they have still to do, as a way out of a bad rule."),
    ] = "on"
    active_window_s: Annotated[
        int, about("A device is active if its last uplink is not older than this.", "seconds", ge=1, le=31_536_000)
    ] = 86_400
    sub_device_timeout_s: Annotated[
        int,
        about(
            "Time without a message after which a sub-device is offline; 0: never.",
            "seconds",
            ge=0,
            le=31_536_000,
        ),
    ] = 3_600
    public: PublicSettings = PublicSettings()
    http: ApiSettings = ApiSettings()
    mqtt: MqttSettings = MqttSettings()
    tcp: TcpSettings = TcpSettings()
    app: AppSettings = AppSettings()
    account: AccountSettings = AccountSettings()
    notify: NotifySettings = NotifySettings()
    storage: StorageSettings = StorageSettings()
    cluster: ClusterSettings = ClusterSettings()
    forwarding: ForwardingSettings = ForwardingSettings()
    functions: FunctionSettings = FunctionSettings()
    tasks: TaskSettings = TaskSettings()
    modbus: ModbusSettings = ModbusSettings()
    ota: OtaSettings = OtaSettings()
    tracing: TracingSettings = TracingSettings()

    @property
    def data_path(self) -> Path:
        """The data folder."""
        return Path(self.data_dir)

    @property
    def listener_specs(self) -> list[ListenerSpec]:
        """Every port to open: first the ports with settings of their own, then ``listeners``."""
        specs = [
            ListenerSpec("http_port", self._filled(Listener(kind="http", port=self.http_port))),
            ListenerSpec("mqtt_port", self._filled(Listener(kind="mqtt", port=self.mqtt_port))),
        ]
        if self.tcp_port != "off":
            port = TCP_PORT if self.tcp_port == "auto" else self.tcp_port
            specs.append(
                ListenerSpec("tcp_port", self._filled(Listener(kind="tcp", port=port)), self.tcp_port == "auto")
            )
        if self.mqtts_port != "off":
            specs.append(ListenerSpec("mqtts_port", self._filled(Listener(kind="mqtts", port=self.mqtts_port))))
        if self.https_port != "off":
            specs.append(ListenerSpec("https_port", self._filled(Listener(kind="https", port=self.https_port))))
        if self.open_mqtt_port != "off":
            open_port = Listener(kind="open", port=self.open_mqtt_port, host=LOOPBACK)
            specs.append(ListenerSpec("open_mqtt_port", open_port))
        more = (ListenerSpec(f"listeners[{index}]", self._filled(each)) for index, each in enumerate(self.listeners))
        return [*specs, *more]

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
    unit: str  # "" if it has none
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


def check_listeners(config: Config) -> None:
    """Raises ConfigError if ports collide, or a port lacks what it needs or has what it cannot use."""
    taken: dict[tuple[str, int], str] = {}
    for setting, listener, optional in config.listener_specs:
        here = (listener.host, listener.port)
        if listener.port and here in taken and not optional:
            raise ConfigError(f"{taken[here]} and {setting} are both {listener.port}; they must differ")
        taken[here] = setting
        given = [name for name in ("certificate", "key", "client_ca") if getattr(listener, name)]
        if listener.secure and not (listener.certificate and listener.key):
            raise ConfigError(f"{setting}: TLS needs a certificate and its key (tls_certificate, tls_key)")
        if listener.kind == "open" and not _is_loopback(listener.host):
            raise ConfigError(f"{setting}: an open port needs no credential, so it must be on a loopback address")
        if given and not listener.secure:
            raise ConfigError(f"{setting}: {given[0]} requires TLS, and {listener.kind} is without TLS")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
