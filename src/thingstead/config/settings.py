"""The settings by subject: each with its range, unit and description."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta


def about(description: str, unit: str = "", *, secret: bool = False, **limits: Any) -> Meta:
    """What the documentation tells of a setting, and the limits of its values."""
    return Meta(description=description, extra={"unit": unit, "secret": secret}, **limits)


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP port."""

    body_limit_bytes: Annotated[
        int,
        about(
            "Largest request body; a larger one is refused. Imports state a greater limit of their own.",
            "bytes",
            ge=1024,
            le=1 << 30,
        ),
    ] = 1 << 20
    head_timeout_s: Annotated[
        float,
        about("How long a request line and its headers may take to arrive.", "seconds", ge=1, le=3600),
    ] = 20.0
    body_timeout_s: Annotated[float, about("How long a request body may take to arrive.", "seconds", ge=1, le=3600)] = (
        30.0
    )
    keep_alive_timeout_s: Annotated[
        int, about("How long a connection may stay open between two requests.", "seconds", ge=1, le=3600)
    ] = 75
    max_connections: Annotated[
        int,
        about(
            "Open HTTP connections; for one more the one that is idle the longest is closed, or it is closed itself.",
            "connections",
            ge=1,
        ),
    ] = 10_000
    malformed_json_status: Annotated[
        Literal[404, 400],
        about("HTTP status that answers a body which is not JSON: 404 as the reference documents it, or 400."),
    ] = 404
    cors_origins: Annotated[
        tuple[str, ...],
        about("Origins (`https://app.example.com`) whose pages may call the API from a browser; `*` admits all."),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        about(
            "Addresses and networks (`10.0.0.0/8`) of reverse proxies whose `X-Forwarded-For`, `X-Forwarded-Proto` or"
            " `Forwarded` is believed; those of others are ignored."
        ),
    ] = ()
    metrics_token: Annotated[
        str,
        about(
            "Bearer token of `/metrics`, asked of everyone. Without one only programs on this machine may read it, and"
            " nobody where `trusted_proxies` is set.",
            secret=True,
        ),
    ] = ""
    certificate_failures_max: Annotated[
        int,
        about(
            "Wrong device certificates, over HTTP, MQTT and TCP, and DeviceKeys that lead to none, of one address"
            " within the window, before more of them are throttled.",
            "failures",
            ge=1,
        ),
    ] = 100
    certificate_project_failures_max: Annotated[
        int,
        about(
            "DeviceKeys of one project that lead to no certificate, from any addresses; an address from which one led"
            " to one before still may ask.",
            "failures",
            ge=1,
        ),
    ] = 1_000
    certificate_window_s: Annotated[int, about("The window of these two.", "seconds", ge=1, le=86_400)] = 60
    certificates_once: Annotated[
        bool,
        about(
            "Whether a device that asks by its DeviceKey gets its certificate only until it has connected or reported"
            " for the first time."
        ),
    ] = False
    auto_create_per_minute_max: Annotated[
        int, about("Devices of one project that may create themselves in a minute.", "devices", ge=1)
    ] = 600
    auto_create_devices_max: Annotated[
        int,
        about(
            "Devices of one project, of types that let devices create themselves, beyond which no further one does.",
            "devices",
            ge=0,
        ),
    ] = 100_000


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The MQTT port."""

    max_packet_size_bytes: Annotated[
        int, about("Largest MQTT packet that is accepted.", "bytes", ge=1024, le=268_435_460)
    ] = 262_144
    max_connect_size_bytes: Annotated[
        int,
        about(
            "Largest CONNECT, its will included; it comes from strangers, so it gets less than an admitted client's"
            " packets.",
            "bytes",
            ge=1024,
            le=268_435_460,
        ),
    ] = 16_384
    keep_alive_max_s: Annotated[
        int,
        about("Longest keep alive; MQTT 5.0 clients that ask for more are told this one.", "seconds", ge=5, le=65_535),
    ] = 1200
    unreachable_timeout_s: Annotated[
        int,
        about(
            "How long TCP may reach a client no more, as in a radio gap, before its connection is given up; 0: one and"
            " a half of its keep alives, or of `mqtt.keep_alive_max_s` where it has none; at least a minute.",
            "seconds",
            ge=0,
            le=604_800,
        ),
    ] = 0
    connect_timeout_s: Annotated[
        int, about("How long a new connection may take until its CONNECT has arrived.", "seconds", ge=1, le=300)
    ] = 10
    packet_timeout_s: Annotated[
        int,
        about(
            "How long a packet may take to arrive once it has begun; over it the connection is closed.",
            "seconds",
            ge=1,
            le=3600,
        ),
    ] = 120
    websocket_subprotocol_required: Annotated[
        bool,
        about(
            "Whether a WebSocket must offer the subprotocol `mqtt`, as MQTT demands; `false` admits one that offers"
            " none, as mini programs of WeChat do."
        ),
    ] = True
    max_connections: Annotated[
        int, about("Open MQTT connections; one more is closed at once.", "connections", ge=1)
    ] = 100_000
    max_device_subscriptions: Annotated[
        int, about("Topic filters that one device may subscribe to.", "filters", ge=1, le=10_000)
    ] = 100
    receive_maximum: Annotated[
        int, about("QoS 1 messages of one client that may wait for their PUBACK.", "messages", ge=1, le=65_535)
    ] = 1024
    in_flight_max: Annotated[
        int,
        about(
            "QoS 1 and 2 messages that may be on their way to one client at once; a client's own Receive Maximum may be"
            " lower.",
            "messages",
            ge=1,
            le=65_535,
        ),
    ] = 1024
    in_flight_max_bytes: Annotated[
        int,
        about(
            "The same in bytes, so that a slow link has its answer to a PINGREQ in time; one message may be larger.",
            "bytes",
            ge=1024,
        ),
    ] = 65_536
    command_window: Annotated[
        int,
        about(
            "Commands that may be on their way to one device at once; the next waits for an answer. Counts at QoS 1.",
            "commands",
            ge=1,
            le=65_535,
        ),
    ] = 1
    send_buffer_max_bytes: Annotated[
        int, about("Bytes that may wait to be read by one client; over it the client is dropped.", "bytes", ge=16_384)
    ] = 1 << 20
    send_buffers_max_bytes: Annotated[
        int,
        about(
            "Bytes that may wait to be read by all clients that read too slowly. The fuller it is, the less each may"
            " hold, in equal parts; one that holds more is dropped.",
            "bytes",
            ge=1 << 20,
        ),
    ] = 128 << 20
    session_expiry_max_s: Annotated[
        int,
        about(
            "Longest time that a session outlives its connection; 0 keeps none. Clients that ask for more get this.",
            "seconds",
            ge=0,
            le=0xFFFF_FFFF,
        ),
    ] = 604_800
    max_sessions: Annotated[
        int, about("Sessions of the open port that outlive their connections; one more is refused.", "sessions", ge=1)
    ] = 10_000
    max_subscriptions: Annotated[
        int,
        about(
            "Topic filters that one client of the open port may subscribe to, with 20 levels on average.",
            "filters",
            ge=1,
            le=1_000_000,
        ),
    ] = 1_000
    queue_max_messages: Annotated[
        int,
        about(
            "QoS 1 and 2 messages that may wait for one session; over it the oldest are dropped.",
            "messages",
            ge=1,
            le=65_535,
        ),
    ] = 1_000
    queue_max_bytes: Annotated[int, about("The same in bytes.", "bytes", ge=65_536)] = 4 << 20
    queues_max_bytes: Annotated[
        int,
        about(
            "The same for all sessions and connections together. The fuller it is, the less each may hold, in equal"
            " parts.",
            "bytes",
            ge=1 << 20,
        ),
    ] = 128 << 20
    retained_max_bytes: Annotated[
        int, about("Retained messages of the open port; what would go over it is refused.", "bytes", ge=0)
    ] = 64 << 20


class NotifySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Notices of alarms."""

    smtp_host: Annotated[str, about("SMTP server that takes mails; without one none is sent.")] = ""
    smtp_port: Annotated[int, about("Its TCP port.", ge=1, le=65_535)] = 587
    smtp_security: Annotated[
        Literal["starttls", "tls", "none"],
        about("How the connection to it is encrypted: `starttls`, `tls` or `none`."),
    ] = "starttls"
    smtp_user: Annotated[str, about("User name at the SMTP server; without one nobody logs in.")] = ""
    smtp_password: Annotated[str, about("Password at the SMTP server.", secret=True)] = ""
    mail_from: Annotated[str, about("Sender of mails, such as `alarms@example.com`.")] = ""
    language: Annotated[Literal["en", "zh"], about("Language of notices to people: `en` or `zh`.")] = "en"
    telegram_api: Annotated[str, about("Base address of the Telegram Bot API.")] = "https://api.telegram.org"
    private_addresses: Annotated[
        bool | Literal["auto"],
        about(
            "Whether webhooks and robots may be at private and loopback addresses: `true`, `false`, or `auto`, which"
            " allows them while there is one project alone; link-local addresses never are."
        ),
    ] = "auto"
    timeout_s: Annotated[int, about("How long one attempt to send may take.", "seconds", ge=1, le=25)] = 10
    project_daily_max: Annotated[
        int, about("Notices to people a day and project; more go into a digest. 0: no cap.", "notices", ge=0)
    ] = 1000
    device_daily_max: Annotated[int, about("The same of one device.", "notices", ge=0)] = 100
    digest_interval_s: Annotated[
        int, about("How long notices over a cap wait for their digest.", "seconds", ge=60, le=86_400)
    ] = 3600


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Log-in of applications, administrators and customers."""

    access_token_life_s: Annotated[
        int, about("Life of a token from `access_token`.", "seconds", ge=60, le=31_536_000)
    ] = 86_400
    admin_token_life_s: Annotated[
        int, about("Life of a token from `admin_login`.", "seconds", ge=60, le=31_536_000)
    ] = 604_800
    login_failures_max: Annotated[
        int,
        about(
            "Failed log-ins of one account from one address, within the window, before more of them are throttled.",
            "log-ins",
            ge=1,
        ),
    ] = 10
    login_address_failures_max: Annotated[
        int,
        about(
            "The same from one address, with any accounts; of applications and subscribers with any keys.",
            "log-ins",
            ge=1,
        ),
    ] = 100
    login_account_failures_max: Annotated[
        int,
        about(
            "The same of one account, from any addresses; an address from which it logged in before still may.",
            "log-ins",
            ge=1,
        ),
    ] = 500
    login_window_s: Annotated[int, about("The window of these three.", "seconds", ge=1, le=86_400)] = 300
    password_hash_memory_kib: Annotated[
        int, about("Memory that hashing one password takes (argon2id).", "KiB", ge=8192, le=1 << 20)
    ] = 19_456
    password_hash_passes: Annotated[int, about("Passes over that memory.", "passes", ge=1, le=16)] = 2


class StorageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept on disk."""

    low_disk_bytes: Annotated[
        int,
        about(
            "Free space on the disk under which reports and events are refused, before it is full; 0 never refuses.",
            "bytes",
            ge=0,
        ),
    ] = 256 << 20
    retention_days: Annotated[
        float,
        about("How long history is kept where a project has no rule of its own; 0 keeps it for ever.", "days", ge=0),
    ] = 0
    history_max_bytes: Annotated[
        int,
        about("History of all projects over which the oldest is dropped; 0 sets no bound.", "bytes", ge=0),
    ] = 0
    retention_grace_days: Annotated[
        float,
        about(
            "How long new rules that would drop history wait, so that they can be taken back; 0 lets them begin at"
            " once.",
            "days",
            ge=0,
            le=365,
        ),
    ] = 7
    project_history_max_bytes: Annotated[
        int,
        about(
            "History of one project over which its oldest is dropped, whatever its own rules allow; 0 sets no bound.",
            "bytes",
            ge=0,
        ),
    ] = 0
    project_daily_max_bytes: Annotated[
        int,
        about(
            "Reports, pushes and events that one project may have stored on a day (UTC), as JSON; more are refused with"
            " 429 until the next day. 0 sets no bound.",
            "bytes",
            ge=0,
        ),
    ] = 0
    retention_interval_s: Annotated[
        float,
        about("How often what is past its time is dropped.", "seconds", ge=1, le=86_400),
    ] = 300
    event_retention_days: Annotated[int, about("How long an event is kept; 0 keeps it for ever.", "days", ge=0)] = 365
    events_per_device_max: Annotated[
        int, about("Events of one device that are kept, the newest; 0 sets no bound.", "events", ge=0)
    ] = 100_000
    command_retention_days: Annotated[
        int, about("How long a command that has ended is kept; 0 keeps it for ever.", "days", ge=0)
    ] = 365
    commands_per_device_max: Annotated[
        int,
        about("Commands of one device that are kept after their end, the newest; 0 sets no bound.", "commands", ge=0),
    ] = 10_000
    alarm_retention_days: Annotated[
        int, about("How long an alarm that is cleared is kept, with its messages; 0 keeps it for ever.", "days", ge=0)
    ] = 365
    alarms_per_device_max: Annotated[
        int,
        about(
            "Alarms of one device that are kept after they cleared, the newest, with their messages; 0 sets no bound.",
            "alarms",
            ge=0,
        ),
    ] = 10_000
    notice_retention_days: Annotated[
        int, about("How long a notice is kept, with the log of its attempts; 0 keeps it for ever.", "days", ge=0)
    ] = 90
    notices_per_device_max: Annotated[
        int,
        about(
            "Notices of one device that are kept after they were sent or given up, the newest; 0 sets no bound.",
            "notices",
            ge=0,
        ),
    ] = 10_000


class TcpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The port of devices that send raw bytes."""

    registration_timeout_s: Annotated[
        int,
        about("How long a new connection may take until its registration packet is complete.", "seconds", ge=1, le=300),
    ] = 10
    idle_timeout_s: Annotated[
        int,
        about(
            "A connection over which nothing came for so long is closed; 0 keeps it until the network says otherwise.",
            "seconds",
            ge=0,
            le=604_800,
        ),
    ] = 3_600
    unreachable_timeout_s: Annotated[
        int,
        about(
            "How long TCP may reach a device no more, as in a radio gap, before its connection is given up; 0: as long"
            " as `tcp.idle_timeout_s`; at least a minute.",
            "seconds",
            ge=0,
            le=604_800,
        ),
    ] = 0
    heartbeats: Annotated[
        tuple[str, ...],
        about(
            "Packets that say only that the device is there, and are no data: texts, or bytes as `hex:0102`. Its"
            " registration packet, sent again, always is one."
        ),
    ] = ()
    max_connections: Annotated[
        int, about("Open connections of this kind; one more is closed at once.", "connections", ge=1)
    ] = 100_000

    @property
    def heartbeat_packets(self) -> frozenset[bytes]:
        """The bytes of ``heartbeats``. ValueError where one is not hexadecimal."""
        return frozenset(bytes.fromhex(t[4:]) if t.startswith("hex:") else t.encode() for t in self.heartbeats)


class AppSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Applications that subscribe to a project."""

    max_subscriptions: Annotated[
        int, about("Topic filters that one application may subscribe to.", "filters", ge=1, le=1_000_000)
    ] = 1_000
    project_max_subscriptions: Annotated[
        int, about("The same for all applications of one project together.", "filters", ge=1, le=1_000_000)
    ] = 10_000
    queue_max_bytes: Annotated[
        int,
        about(
            "Messages that may wait for one application that reads slowly; over it the oldest are dropped.",
            "bytes",
            ge=65_536,
        ),
    ] = 1 << 20
    queues_max_bytes: Annotated[
        int,
        about(
            "The same for all applications together. The fuller it is, the less each may hold, in equal parts.",
            "bytes",
            ge=1 << 20,
        ),
    ] = 64 << 20
