"""Settings `mqtt.*`."""

from typing import Annotated

import msgspec

from thingstead.config.settings.declaring import about


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
            "How long a client may be unreachable over TCP, as in a radio gap, before its connection is closed; 0: one"
            " and a half of its keep alives, or of `mqtt.keep_alive_max_s` where it has none; at least a minute.",
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
