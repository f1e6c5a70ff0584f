"""Receivers of notices that answer without end or never, and rules as costly as they may be: others notice nothing."""

import contextlib
import http.client
import json
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.hostile.attacker import Target
from tests.hostile.stand import Stand

FIELDS = b"".join(b"x-%d: %s\r\n" % (number, b"y" * 1000) for number in range(60))
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {  # how an answer begins, and what comes again and again
    "/headers": (HEAD, FIELDS),
    "/header": (HEAD + b"x: ", b"y" * 65_536),
    "/interim": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500),
    "/extension": (CHUNKED + b"1;", b"e" * 65_536),
    "/trailers": (CHUNKED + b"0\r\n", FIELDS),
    "/body": (HEAD + b"\r\n", b"y" * 65_536),
}
PITS = 100  # channels to a receiver that never answers
PER_GROUP = 20


class Receiver(socketserver.BaseRequestHandler):
    """Answers as the path says, for as long as anybody reads."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            path = self.request.recv(65_536).split(b" ")[1].decode()
            begin, more = ENDLESS.get(path, (b"", b""))
            self.request.sendall(begin)
            while more:
                self.request.sendall(more)
            while self.request.recv(65_536):  # nothing is answered
                pass


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 500


@contextlib.contextmanager
def receiver() -> Iterator[str]:
    """The address of a receiver."""
    server = Server(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Api:
    """The Project API as the attacker calls it."""

    def __init__(self, target: Target) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", target.http_port, timeout=60)
        self._headers = {"Authorization": f"Bearer {target.token}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        self._connection.request(method, f"/api/v1{path}", json.dumps(body), self._headers)
        return json.loads(self._connection.getresponse().read())

    def tell(self, urls: list[str]) -> None:
        """A test notice to each of these addresses."""
        for start in range(0, len(urls), PER_GROUP):
            channels = [{"webhook": url} for url in urls[start : start + PER_GROUP]]
            group = self.call("POST", "/notify_group", {"name": "hostile", "channels": channels})["info"]["id"]
            self.call("POST", f"/notify_group/{group}/test", {})


def answer_without_end(target: Target) -> dict[str, int]:
    """Lets the server tell receivers that answer without end, or never; what its log says of them, and how often."""
    api = Api(target)
    said: Counter[str] = Counter()
    with receiver() as url:
        api.tell([f"{url}{path}" for path in ENDLESS])
        for number in target.until_over():
            items = api.call("GET", "/notify_logs?page_records=100")["info"]["items"]
            said = Counter(item["message"] for item in items)
            if number == 2:
                api.tell([f"{url}/never"] * PITS)
            threading.Event().wait(0.2)
    return dict(said)


def fence(target: Target) -> int:
    """Watches a device with as many rules as it may have, each as costly as it may be, and reports; how many rules."""
    api = Api(target)
    polygon = [{"lat": number / 100, "lng": side} for side in (0, 1) for number in range(0, 9_000, 90)]
    condition = {"or": [{"attribute": "place", "op": "outside", "polygon": polygon} for _ in range(12)]}
    device_id, access_token, project_key = target.device
    rules = 0
    while api.call("POST", "/alarm_rule", {"name": "fence", "devices": [device_id], "raise": condition})["result"] == 1:
        rules += 1
    reports = http.client.HTTPConnection("127.0.0.1", target.http_port, timeout=60)
    for number in target.until_over():
        place = {"place": {"lat": 0.5 + number % 2, "lng": 0.5}}
        headers = {"Project-Key": project_key, "Content-Type": "application/json"}
        reports.request("POST", f"/device/v1/{access_token}/attributes", json.dumps(place), headers)
        reports.getresponse().read()
    return rules


def test_receivers_that_answer_without_end_or_never_cost_others_nothing(stand: Stand) -> None:
    outcome = stand.withstand(answer_without_end)
    outcome.check()
    [said] = outcome.attack
    assert said["HTTP 200"] >= 3  # where only the body has no end, the status is enough
    assert said["the answer has more than 65536 bytes"] >= 3


def test_rules_as_costly_as_they_may_be_hold_nobody_up(stand: Stand) -> None:
    outcome = stand.withstand(fence)
    outcome.check()
    assert 1 <= outcome.attack[0] <= 5
