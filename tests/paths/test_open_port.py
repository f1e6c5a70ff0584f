"""The open port of a server of its own, with clients that are not ours: paho, aiomqtt and mosquitto's tools."""

import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.running import eventually
from tests.server_process import ServerProcess, StartServer

TIMEOUT_S = 30


class Session:
    """A client of paho whose session goes on with every connection."""

    def __init__(self, client_id: str, *topic_filters: str) -> None:
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=False, reconnect_on_failure=False
        )
        self._topic_filters = topic_filters
        self._ready = threading.Event()
        self.received: queue.Queue[bytes] = queue.Queue()
        client.max_queued_messages_set(0)
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self._ready.set()
        client.on_message = self._on_message

    def connect(self, server: ServerProcess) -> None:
        """Returns when it is subscribed."""
        self._ready.clear()
        self._client.connect("127.0.0.1", server.ports["open_mqtt_port"])
        self._client.loop_start()
        assert self._ready.wait(TIMEOUT_S)

    def lose(self) -> None:
        """The server is gone."""
        self._client.loop_stop()
        self._client._reset_sockets()  # paho forgets a pair of its own at each start

    def close(self) -> None:
        self._client.disconnect()
        self.lose()

    def publish(self, payload: bytes, qos: int) -> paho.MQTTMessageInfo:
        return self._client.publish("a/b", payload, qos)

    def _on_connect(self, client: paho.Client, *_: Any) -> None:
        if self._topic_filters:
            client.subscribe([(each, 2) for each in self._topic_filters])
        else:
            self._ready.set()

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.received.put(bytes(message.payload))


def test_qos_2_is_exactly_once_over_a_server_that_is_killed_again_and_again(
    tmp_path: Path, start_server: StartServer
) -> None:
    subscriber, publisher = Session("subscriber", "a/#"), Session("publisher")
    published, received = [], []
    for life in range(4):
        server = start_server(tmp_path / "data", "--open-mqtt-port", "0")
        for client in (subscriber, publisher):
            client.connect(server)
        if life < 3:
            published += [publisher.publish(b"%d" % (100 * life + number), 2) for number in range(100)]
            received += [subscriber.received.get(timeout=TIMEOUT_S) for _ in range(10)]
            server.kill()
            for client in (subscriber, publisher):
                client.lose()
    for info in published:
        info.wait_for_publish(TIMEOUT_S)
    eventually(lambda: len(received) + subscriber.received.qsize() >= len(published))
    received += [subscriber.received.get() for _ in range(subscriber.received.qsize())]
    assert sorted(received, key=int) == [b"%d" % number for number in range(300)], "each of them, once"
    for client in (subscriber, publisher):
        client.close()


def test_what_was_acknowledged_waits_for_its_subscriber_although_the_server_is_killed(
    tmp_path: Path, start_server: StartServer
) -> None:
    server = start_server(tmp_path / "data", "--open-mqtt-port", "0")
    subscriber, publisher = Session("subscriber", "a/b"), Session("publisher")
    subscriber.connect(server)
    subscriber.close()
    publisher.connect(server)
    for number in range(50):
        publisher.publish(b"%d" % number, 1 + number % 2).wait_for_publish(TIMEOUT_S)
    server.kill()
    publisher.lose()
    server = start_server(tmp_path / "data", "--open-mqtt-port", "0")
    subscriber.connect(server)
    received = [subscriber.received.get(timeout=TIMEOUT_S) for _ in range(50)]
    for qos in (1, 2):  # paho hands out a message at QoS 2 when it is released, behind later ones at QoS 1
        numbers = [int(payload) for payload in received if int(payload) % 2 == qos - 1]
        assert numbers == list(range(qos - 1, 50, 2))
    subscriber.close()


@pytest.fixture
def open_port(tmp_path: Path, start_server: StartServer) -> int:
    return start_server(tmp_path / "data", "--open-mqtt-port", "0").ports["open_mqtt_port"]


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])
async def test_aiomqtt_publishes_and_subscribes(open_port: int, version: aiomqtt.ProtocolVersion) -> None:
    async with (
        aiomqtt.Client("127.0.0.1", open_port, protocol=version) as subscriber,
        aiomqtt.Client("127.0.0.1", open_port, protocol=version, will=aiomqtt.Will("a/will", b"gone")) as publisher,
    ):
        await publisher.publish("a/kept", b"retained", qos=1, retain=True)
        await subscriber.subscribe("a/#", qos=2)
        for qos in range(3):
            await publisher.publish("a/b", b"%d" % qos, qos=qos)
        messages = [await anext(subscriber.messages) for _ in range(4)]
        assert [(each.payload, each.qos, each.retain) for each in messages] == [
            (b"retained", 1, True),
            (b"0", 0, False),
            (b"1", 1, False),
            (b"2", 2, False),
        ]


@pytest.mark.external("mosquitto_pub", "mosquitto_sub")
@pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "mqttv5"])
def test_mosquitto_s_tools_meet(open_port: int, version: str) -> None:
    where = ("-h", "127.0.0.1", "-p", str(open_port), "-V", version, "-q", "2")
    subscribe = ("mosquitto_sub", *where, "-t", "a/+", "-i", "subscriber")
    subprocess.run([*subscribe, "-c", "-E"], timeout=TIMEOUT_S, check=True)
    for number in range(3):
        subprocess.run(
            ["mosquitto_pub", *where, "-t", f"a/{number}", "-m", f"message {number}"], timeout=TIMEOUT_S, check=True
        )
    expiry = ("-x", "600") if version == "mqttv5" else ()
    if expiry:
        # Without an expiry interval the session of the first call ended with its connection.
        subprocess.run([*subscribe, "-c", "-E", *expiry], timeout=TIMEOUT_S, check=True)
        for number in range(3):
            subprocess.run(
                ["mosquitto_pub", *where, "-t", f"a/{number}", "-m", f"message {number}"], timeout=TIMEOUT_S, check=True
            )
    done = subprocess.run(
        [*subscribe, "-c", *expiry, "-C", "3", "-W", "10"],
        timeout=TIMEOUT_S,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ["message 0", "message 1", "message 2"]


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv31, MQTTProtocolVersion.MQTTv5])
def test_the_open_port_knows_nothing_of_devices(tmp_path: Path, start_server: StartServer, version: Any) -> None:
    server = start_server(tmp_path / "data", "--open-mqtt-port", "0")
    heard: queue.Queue[bytes] = queue.Queue()
    ready = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, "client", protocol=version)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: heard.put(bytes(message.payload))
    client.connect("127.0.0.1", server.ports["open_mqtt_port"])
    client.loop_start()
    client.subscribe("#", 1)
    assert ready.wait(TIMEOUT_S)
    for payload in (b'{"temperature": 1}', b"end"):
        client.publish("attributes", payload, 1).wait_for_publish(TIMEOUT_S)
    assert [heard.get(timeout=TIMEOUT_S) for _ in range(2)] == [b'{"temperature": 1}', b"end"]
    client.disconnect()
    client.loop_stop()
    assert server.logged("serving")[0]["open_mqtt_port"] == server.ports["open_mqtt_port"]
