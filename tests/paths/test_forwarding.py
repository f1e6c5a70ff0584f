"""The path of a forwarded message: over MQTT, through the store, to a receiver; and what a killed server leaves."""

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.project_api import ProjectApi
from tests.raw_device import RawDevice, puback_packet, publish_packet
from tests.running import Running, eventually
from tests.server_process import StartServer

DEVICES = 4
REPORTS = 50


class Inbox:
    """What a receiver got: message ids and contents, by device."""

    def __init__(self) -> None:
        self.ids: Counter[str] = Counter()
        self.numbers: dict[str, list[int]] = defaultdict(list)  # in the order of their first arrival
        self.entries: list[Any] = []
        self.lock = threading.Lock()
        self.url = ""

    def take(self, body: bytes) -> None:
        with self.lock:
            for entry in json.loads(body):
                self.ids[entry["id"]] += 1
                self.entries.append(entry)
                if self.ids[entry["id"]] == 1 and "n" in entry.get("attributes", ()):
                    self.numbers[entry["device"]["id"]].append(entry["attributes"]["n"])

    def kinds(self) -> list[str]:
        with self.lock:
            return [entry["kind"] for entry in self.entries]


@contextmanager
def receiver() -> Iterator[Inbox]:
    """An HTTP server that stores what it gets, and answers 200."""
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            inbox.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    inbox.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield inbox
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def add_target(api: ProjectApi, inbox: Inbox, *kinds: str) -> str:
    body = {"name": "ERP", "kinds": kinds, "url": {"url": inbox.url}}
    return str(api.call("POST", "/forward_target", json=body)["id"])


def test_every_kind_of_message_arrives(running: Running) -> None:
    with receiver() as inbox:
        api = running.api
        kinds = ("attributes", "set_attributes", "event", "data", "alarm", "presence", "command_reply")
        target_id = add_target(api, inbox, *kinds)
        hot = {"attribute": "t", "op": ">", "value": 30}
        rule = {"name": "hot", "devices": [running.device_id], "raise": hot}
        rule_id = api.call("POST", "/alarm_rule", json=rule)["id"]
        with running.device() as device:
            device.report({"t": 31})
            device.report({"method": "opened", "params": {"by": "guest"}}, "event/report/1")
            device.report("hello", "data/stream")
            api.call("POST", f"/control/device/{running.device_id}/attributes", json={"lamp": True})
            api.call("POST", f"/control/device/{running.device_id}/command", json={"method": "beep", "params": {}})
            assert device.next("command/send/1000")["method"] == "beep"
            device.report({"method": "beep", "params": {"done": True}, "id": 1000}, "command/reply/1000")
        api.call("DELETE", f"/alarm_rule/{rule_id}")
        eventually(lambda: Counter(inbox.kinds()) >= Counter([*kinds, "presence", "alarm"]))
        by_kind = {entry["kind"]: entry for entry in reversed(inbox.entries)}
        assert by_kind["attributes"]["attributes"] == {"t": 31}
        assert by_kind["set_attributes"]["attributes"] == {"lamp": True}
        assert by_kind["event"]["event"]["params"] == {"by": "guest"}
        assert by_kind["data"]["data"] == {"identifier": "stream", "type": "text", "msg": '"hello"'}
        assert by_kind["command_reply"]["command_reply"]["params"] == {"done": True}
        presence = [entry["presence"]["online"] for entry in inbox.entries if entry["kind"] == "presence"]
        assert presence == [True, False]
        statuses = [entry["alarm"]["alarm_status"] for entry in inbox.entries if entry["kind"] == "alarm"]
        assert statuses == [1, 0]
        statistics = api.call("GET", f"/forward_target/{target_id}/statistics")
        assert (statistics["state"], statistics["refused"], statistics["dropped"]) == ("running", 0, 0)


@pytest.mark.parametrize("absent", [False, True])
def test_no_acknowledged_message_is_missing_after_kills_and_repeated_ones_have_their_ids(
    running: Running, start_server: StartServer, absent: bool
) -> None:
    """Killed anywhere between the commit of a report and the cursor of its target; and with a receiver that comes
    late."""
    devices = [running.certificate, *(running.api.create_device() for _ in range(DEVICES - 1))]
    with ExitStack() as stack:
        inbox = stack.enter_context(receiver())
        target_id = add_target(running.api, inbox, "attributes")
        if absent:
            running.api.call("PUT", f"/forward_target/{target_id}", json={"url": {"url": "http://127.0.0.1:9/"}})
        server = running.server
        acknowledged: dict[str, int] = {}
        for turn in range(2):
            with ExitStack() as connections:
                connected = [connections.enter_context(RawDevice(server.mqtt_port, each)) for each in devices]
                begin = turn * REPORTS
                for device in connected:
                    device.send(b"".join(publish_packet(n + 1, b'{"n":%d}' % (begin + n)) for n in range(REPORTS)))
                for certificate, device in zip(devices, connected, strict=True):
                    awaited = REPORTS if turn < 1 else 1 + int(certificate.device_id, 36) % REPORTS
                    for number in range(awaited):
                        assert device.receive_packet() == puback_packet(number + 1)
                    acknowledged[certificate.device_id] = begin + awaited
                server.kill()
            server = start_server()
        with ProjectApi(server.url, running.credentials) as api:
            if absent:
                api.call("PUT", f"/forward_target/{target_id}", json={"url": {"url": inbox.url}})
            path = f"/forward_target/{target_id}/statistics"
            eventually(lambda: api.call("GET", path)["waiting_items"] == 0)
            for device_id, count in acknowledged.items():
                eventually(lambda device_id=device_id, count=count: len(inbox.numbers[device_id]) >= count)  # type: ignore[misc]
                numbers = inbox.numbers[device_id]
                assert numbers == list(range(len(numbers)))  # in order, none twice under another id
        assert server.stop() == 0
