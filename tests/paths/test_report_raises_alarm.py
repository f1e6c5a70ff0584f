"""The path of an alarm: report, rules, the same commit, bus, notice; and what a killed server leaves behind."""

import itertools
import json
import queue
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.project_api import ProjectApi
from tests.raw_device import PINGREQ, PINGRESP, RawDevice, puback_packet, publish_packet
from tests.running import Running, disk_held, eventually
from tests.server_process import ServerProcess, StartServer

TIMEOUT_S = 30
HOT = {"attribute": "t", "op": ">", "value": 80}


class Webhook:
    """An HTTP server that is told of alarms; while it is not :attr:`open` it answers 503."""

    def __init__(self) -> None:
        self.told: queue.Queue[Any] = queue.Queue()
        self.open = True
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                taken = webhook.open
                self.send_response(200 if taken else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()
                if taken:
                    webhook.told.put(body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/in"

    def next(self) -> Any:
        return self.told.get(timeout=TIMEOUT_S)

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    webhook = Webhook()
    yield webhook
    webhook.close()


def add_rule(running: Running, webhook: Webhook, **members: Any) -> str:
    """A rule for the device, in effect."""
    body = {"name": "Too hot", "devices": [running.device_id], "raise": HOT, "notify": [{"webhook": webhook.url}]}
    rule_id = str(running.api.call("POST", "/alarm_rule", json={**body, **members})["id"])
    eventually(lambda: running.api.call("GET", f"/alarm_rule/{rule_id}/trace?device={running.device_id}")["watched"])
    return rule_id


def alarm(api: ProjectApi, device_id: str) -> Any:
    return api.device(device_id)["alarm"]


def test_a_report_raises_an_alarm_and_the_webhook_is_told(running: Running, webhook: Webhook) -> None:
    add_rule(running, webhook, level=3)
    with running.device() as device:
        device.report({"t": 81})
        assert alarm(running.api, running.device_id)["alarm_level"] == 3
        told = webhook.next()
        assert (told["alarm"]["alarm_status"], told["alarm"]["alarm_info"]["attributes"]) == (1, {"t": 81})
        device.report({"t": 70})
    assert alarm(running.api, running.device_id) == {}
    assert webhook.next()["alarm"]["alarm_status"] == 0
    (_, raised) = running.api.call("GET", "/alarm_logs")["items"]
    eventually(lambda: [log["state"] for log in notify_logs(running.api)] == ["sent", "sent"])
    assert raised["alarm_id"] == told["alarm"]["id"]


def notify_logs(api: ProjectApi) -> list[Any]:
    return list(api.call("GET", "/notify_logs")["items"])


def test_a_report_is_not_acknowledged_before_its_alarm_is_on_disk(
    running: Running, webhook: Webhook, start_server: StartServer
) -> None:
    add_rule(running, webhook)
    with RawDevice(running.server.mqtt_port, running.certificate) as device, disk_held(running.server.data_dir):
        device.send(publish_packet(7, b'{"t":81}') + PINGREQ)
        assert device.receive(len(PINGRESP)) == PINGRESP
        running.server.kill()
        assert device.receive(1) == b""
    server = start_server(running.server.data_dir)
    with ProjectApi(server.url, running.credentials) as api:
        assert alarm(api, running.device_id) == {}
        with RawDevice(server.mqtt_port, running.certificate) as device:
            device.send(publish_packet(7, b'{"t":81}'))
            assert device.receive(4) == puback_packet(7)
        assert alarm(api, running.device_id)["alarm_level"] == 1


def test_every_acknowledged_report_has_its_alarm_after_a_kill_and_every_alarm_its_notice(
    running: Running, webhook: Webhook, start_server: StartServer
) -> None:
    webhook.open = False
    add_rule(running, webhook)
    with running.device() as device:
        for number in range(20):
            device.report({"t": 81 + number})
            device.report({"t": 70})
        eventually(lambda: bool(notify_logs(running.api)))  # the channel has failed, and waits
        running.server.kill()
    webhook.open = True
    server = start_server(running.server.data_dir)
    with ProjectApi(server.url, running.credentials) as api:
        logs = api.call("GET", "/alarm_logs?page_records=100")["items"]
        assert [log["alarm_status"] for log in reversed(logs)] == [1, 0] * 20
        told = [webhook.next() for _ in range(40)]
        assert [each["alarm"]["id"] for each in told] == [log["id"] for log in reversed(logs)]
        assert webhook.told.empty()


def test_a_hold_ends_after_a_kill_in_its_middle(running: Running, webhook: Webhook, start_server: StartServer) -> None:
    add_rule(running, webhook, raise_delay_ms=3_000)
    with running.device() as device:
        device.report({"t": 81})
        since = running.api.call("GET", f"/device/{running.device_id}/attributes")[0]["ts"]
        running.server.kill()
    server = start_server(running.server.data_dir)
    with ProjectApi(server.url, running.credentials) as api:
        assert webhook.next()["alarm"]["ts"] == since + 3_000
        assert alarm(api, running.device_id)["ts"] == since + 3_000


def flap_until_killed(running: Running, server: ServerProcess, kill_after: int) -> None:
    """Values raise and clear in turns; the server is killed when it has acknowledged so many, with others on their
    way."""
    with RawDevice(server.mqtt_port, running.certificate) as device:
        for number in range(kill_after):
            if number % 5 == 0:
                values = (70 - n if n % 2 else 81 + n for n in range(2 * number, 2 * number + 10))
                device.send(b"".join(publish_packet(1, b'{"t":%d}' % value) for value in values))
            device.receive(4)
        server.kill()


@pytest.mark.parametrize("seed", [1, 2])
def test_values_and_alarms_agree_after_kills_at_random_instants(
    running: Running, webhook: Webhook, start_server: StartServer, seed: int
) -> None:
    webhook.open = False
    add_rule(running, webhook)
    chance, server = random.Random(seed), running.server
    for _ in range(2):
        flap_until_killed(running, server, chance.randint(1, 50))
        server = start_server(server.data_dir)
        with ProjectApi(server.url, running.credentials) as api:
            points = api.call("GET", f"/device/{running.device_id}/attribute/t/series?page_records=500")
            crossings = [point["value"] > 80 for point in reversed(points)]
            expected = [now for before, now in zip([False, *crossings], crossings, strict=False) if now is not before]
            assert [log["alarm_status"] == 1 for log in reversed(all_logs(api))] == expected
            assert bool(alarm(api, running.device_id)) is crossings[-1]
            stat = api.call("GET", "/devices_alarm_stat")
            assert stat["alarm_1_total"] == int(crossings[-1])


def all_logs(api: ProjectApi) -> list[Any]:
    """Alarm messages, newest first."""
    logs: list[Any] = []
    for page in itertools.count(1):
        items = api.call("GET", f"/alarm_logs?page_records=100&page={page}")["items"]
        logs += items
        if not items:
            break
    return logs
