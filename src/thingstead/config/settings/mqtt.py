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
            "Largest CONNECT packet, including its will; smaller than other packets, because the client is not "
            "authenticated yet.",
            "bytes",
            ge=1024,
            le=268_435_460,
        ),
    ] = 16_384
    keep_alive_max_s: Annotated[
        int,
        about(
            "Longest keep alive; MQTT 5.0 clients that ask for more get this as Server Keep Alive.",
            "seconds",
            ge=5,
            le=65_535,
        ),
    ] = 1200
    unreachable_timeout_s: Annotated[
        int,
        about(
            "How long a client may be unreachable over TCP, as in a radio gap, before its connection is closed, "
            "at least a minute; 0: one and a half times its keep alive, or times `mqtt.keep_alive_max_s` if it "
            "has none.",
            "seconds",
            ge=0,
            le=604_800,
        ),
    ] = 0
    connect_timeout_s: Annotated[
        int, about("Time-out for the CONNECT packet of a new connection.", "seconds", ge=1, le=300)
    ] = 10
    packet_timeout_s: Annotated[
        int,
        about(
            "Time-out for the rest of a packet that has begun to arrive; then the connection is closed.",
            "seconds",
            ge=1,
            le=3600,
        ),
    ] = 120
    websocket_subprotocol_required: Annotated[
        bool,
        about(
            "Whether a WebSocket must offer the subprotocol `mqtt`, as MQTT requires; `false` accepts one that "
            "offers none, as WeChat mini programs do."
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
            "QoS 1 and 2 messages in flight to one client; its own Receive Maximum may be lower.",
            "messages",
            ge=1,
            le=65_535,
        ),
    ] = 1024
    in_flight_max_bytes: Annotated[
        int,
        about(
            "The same in bytes, so that a slow link gets PINGRESP in time; a single message may be larger.",
            "bytes",
            ge=1024,
        ),
    ] = 65_536
    command_window: Annotated[
        int,
        about(
            "Commands in flight to one device at QoS 1; the next one waits for an acknowledgement or reply.",
            "commands",
            ge=1,
            le=65_535,
        ),
    ] = 1
    send_buffer_max_bytes: Annotated[
        int,
        about("Bytes that wait to be read by one client; beyond it the client is disconnected.", "bytes", ge=16_384),
    ] = 1 << 20
    send_buffers_max_bytes: Annotated[
        int,
        about(
            "The same for all clients that read too slowly; the fuller it is, the smaller the equal share of "
            "each. A client beyond its share is disconnected.",
            "bytes",
            ge=1 << 20,
        ),
    ] = 128 << 20
    session_expiry_max_s: Annotated[
        int,
        about(
            "Longest time that a session outlives its connection; clients that ask for more get this. 0: no sessions.",
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
            "QoS 1 and 2 messages queued for one session; beyond it the oldest are dropped.",
            "messages",
            ge=1,
            le=65_535,
        ),
    ] = 1_000
    queue_max_bytes: Annotated[int, about("The same in bytes.", "bytes", ge=65_536)] = 4 << 20
    queues_max_bytes: Annotated[
        int,
        about(
            "The same for all sessions and connections together; the fuller it is, the smaller the equal share "
            "of each.",
            "bytes",
            ge=1 << 20,
        ),
    ] = 128 << 20
    retained_max_bytes: Annotated[
        int, about("Retained messages of the open port; one beyond it is refused.", "bytes", ge=0)
    ] = 64 << 20
