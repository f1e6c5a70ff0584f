"""The path of a report to an application: ingest, commit, bus, gateway, client; and when a part of it is gone."""

import json
import queue
import threading
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.project_api import ProjectApi
from tests.raw_device import PINGREQ, PINGRESP, RawDevice, puback_packet, publish_packet
from tests.running import Running, disk_held
from tests.server_process import ServerProcess, StartServer
from thingstead.services.registry.projects import Credentials

TIMEOUT_S = 30


class Application:
    """Subscribed to everything of its project inside a ``with`` block, over WebSocket."""

    def __init__(self, server: ServerProcess, credentials: Credentials) -> None:
        self._server = server
        self._filter = f"{credentials.view_key}/#"
        self._subscribed = threading.Event()
        self._messages: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, transport="websockets", reconnect_on_failure=False)
        self._client.username_pw_set(credentials.view_key, credentials.view_secret)
        self._client.on_connect = lambda client, *_: client.subscribe(self._filter)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message

    def __enter__(self) -> "Application":
        self._client.connect("127.0.0.1", self._server.http_port)
        self._client.loop_start()
        assert self._subscribed.wait(TIMEOUT_S), "no SUBACK"
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self._messages.put((message.topic.split("/", 2)[2], json.loads(message.payload)))

    def next(self, kind: str) -> Any:
        """The body of the next message of this kind; others before it are skipped."""
        while True:
            found, body = self._messages.get(timeout=TIMEOUT_S)
            if found == kind:
                return body

    @property
    def waiting(self) -> list[str]:
        """The kinds of the messages that came and were not asked for."""
        return [kind for kind, _ in list(self._messages.queue)]


def test_an_application_sees_a_device_come_report_and_go(running: Running) -> None:
    with Application(running.server, running.credentials) as application:
        with running.device() as device:
            assert application.next("online")["online"] is True
            device.report({"n": 1})
            body = application.next("attributes")
            assert (body["attributes"], body["device"]["id"]) == ({"n": 1}, running.device_id)
        assert application.next("online")["online"] is False


def test_nothing_is_told_that_is_not_on_disk(running: Running) -> None:
    application = Application(running.server, running.credentials)
    with application, RawDevice(running.server.mqtt_port, running.certificate) as device:
        application.next("online")
        with disk_held(running.server.data_dir):
            device.send(publish_packet(7, b'{"n":1}') + PINGREQ)
            assert device.receive(len(PINGRESP)) == PINGRESP
            assert application.waiting == []
        assert device.receive(4) == puback_packet(7)
        assert application.next("attributes")["attributes"] == {"n": 1}


def test_an_application_that_is_gone_holds_nobody_up(running: Running) -> None:
    application = Application(running.server, running.credentials)
    with application, running.device() as device:
        sock = application._client.socket()
        assert sock is not None
        sock.close()  # without a word
        for number in range(20):
            device.report({"n": number})
    assert running.api.attributes(running.device_id) == {"n": 19}


def test_after_a_restart_an_application_subscribes_again_with_the_same_keys(
    running: Running, start_server: StartServer
) -> None:
    with Application(running.server, running.credentials):
        running.server.kill()
    server = start_server()
    with Application(server, running.credentials) as application, ProjectApi(server.url, running.credentials) as api:
        api.call("POST", f"/control/device/{running.device_id}/attributes", json={"relay": True})
        assert application.next("attributes")["attributes"] == {"relay": True}
