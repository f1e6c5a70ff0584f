"""A device on MQTT, played by paho-mqtt."""

import json
import queue
import socket
import ssl
import threading
from typing import Any, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.project_api import Certificate

TIMEOUT_S = 30
DOWNLINKS = (
    "attributes/push",
    "attributes/response",
    "attributes/get/response/+",
    "attributes/series/response",
    "event/response/+",
    "command/send/+",
    "command/reply/response/+",
    "data/+/set",
)


class MqttDevice:
    """Connected and subscribed to its downlinks inside a ``with`` block."""

    def __init__(
        self,
        port: int,
        certificate: Certificate,
        *,
        version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
        transport: Literal["tcp", "websockets"] = "tcp",
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self._host = host
        self._port = port
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, protocol=version, transport=transport, reconnect_on_failure=False
        )
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.username_pw_set(certificate.access_token, certificate.project_key)
        self._client.max_inflight_messages_set(20)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        self._subscribed = threading.Event()
        self._connected = threading.Event()
        self.disconnected = threading.Event()
        self.received: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.acknowledged: list[int] = []  # packet identifiers, in the order of their PUBACKs
        self.connack = -1  # reason code of CONNACK
        self.reason = -1  # reason code of the server's DISCONNECT (MQTT 5.0)

    def __enter__(self) -> "MqttDevice":
        self.connect()
        assert self.connack == 0, f"CONNECT was refused with {self.connack}"
        self._client.subscribe([(topic, 1) for topic in DOWNLINKS])
        assert self._subscribed.wait(TIMEOUT_S), "no SUBACK"
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def subscribe(self, topic: str) -> None:
        """Subscribes to one more topic, and waits for the SUBACK."""
        self._subscribed.clear()
        self._client.subscribe(topic, 1)
        assert self._subscribed.wait(TIMEOUT_S), "no SUBACK"

    def connect(self) -> int:
        """The reason code of CONNACK."""
        self._client.connect(self._host, self._port, keepalive=30)
        self._client.loop_start()
        assert self._connected.wait(TIMEOUT_S), "no CONNACK"
        return self.connack

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def connect_and_close(self) -> int:
        """The reason code of CONNACK; nothing stays open."""
        reason = self.connect()
        self.close()
        return reason

    def break_off(self) -> None:
        """Closes the socket without a DISCONNECT, as a lost network or a dead device does."""
        sock = self._client.socket()
        assert isinstance(sock, socket.socket)
        sock.shutdown(socket.SHUT_RDWR)

    def publish(self, topic: str, body: Any, qos: int = 1) -> paho.MQTTMessageInfo:
        """Sends a JSON body without waiting."""
        return self._client.publish(topic, json.dumps(body), qos)

    def publish_bytes(self, topic: str, payload: bytes) -> None:
        """Sends bytes with QoS 1 and waits for their PUBACK."""
        self._client.publish(topic, payload, 1).wait_for_publish(TIMEOUT_S)

    def report(self, body: Any, topic: str = "attributes") -> None:
        """Sends a JSON body with QoS 1 and waits for its PUBACK."""
        self.publish(topic, body).wait_for_publish(TIMEOUT_S)

    def next(self, topic: str) -> Any:
        """The JSON body of the next message to this topic; others before it are skipped."""
        while True:
            found, payload = self.received.get(timeout=TIMEOUT_S)
            if found == topic:
                return json.loads(payload)

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.connack = reason.value
        self._connected.set()

    def _on_subscribe(self, *_: Any) -> None:
        self._subscribed.set()

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.received.put((message.topic, bytes(message.payload)))

    def _on_publish(self, _client: Any, _data: Any, packet_id: int, *_: Any) -> None:
        self.acknowledged.append(packet_id)

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.reason = reason.value
        self.disconnected.set()
