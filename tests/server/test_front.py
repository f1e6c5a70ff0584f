"""The HTTP ports of a node: an answer leaves it only while its lease is held."""

from typing import Any

import httpx
import pytest

from thingstead.api.standby import OUTCOME_UNKNOWN, create_standby_app
from thingstead.config import ApiSettings
from thingstead.metrics import Metrics
from thingstead.model.health import HealthWarning
from thingstead.server.cluster.front import Front

URL = "http://localhost"


class Node:
    """The front of a node whose lease the test holds and ends."""

    def __init__(self) -> None:
        self.lease_held = True
        self.warnings: list[HealthWarning] = []
        metrics = Metrics()
        metrics.read("thingstead_node_active", lambda: 0)
        standby = create_standby_app(ApiSettings(), metrics, lambda: self.warnings)
        self.front = Front(standby, lambda: self.lease_held, OUTCOME_UNKNOWN)
        self.ends_lease = False  # within the next request

    async def site(self, scope: Any, receive: Any, send: Any) -> None:
        """Says "yes" in two pieces."""
        if self.ends_lease:
            self.lease_held = False
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"y", "more_body": True})
        await send({"type": "http.response.body", "body": b"es"})

    async def request(self, method: str, path: str) -> httpx.Response:
        transport = httpx.ASGITransport(self.front)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            return await client.request(method, path)


@pytest.fixture
def node() -> Node:
    return Node()


async def test_a_node_that_stands_by_answers_health_and_metrics_and_refuses_the_rest(node: Node) -> None:
    assert (await node.request("GET", "/healthz")).json() == {"status": "ok"}
    ready = await node.request("GET", "/readyz")
    assert (ready.status_code, ready.json()["code"]) == (503, "standby")
    assert "thingstead_node_active 0.0" in (await node.request("GET", "/metrics")).text
    for method, path in (("GET", "/api/v1/devices"), ("POST", "/api/v1/devices"), ("GET", "/docs"), ("GET", "/")):
        refused = await node.request(method, path)
        assert (refused.status_code, refused.json()["code"]) == (503, "standby")
        assert refused.headers["retry-after"] == "1"


async def test_a_device_is_refused_in_the_words_of_its_plane(node: Node) -> None:
    refused = await node.request("POST", "/device/v1/token/attributes")
    body = refused.json()
    assert (refused.status_code, body["result"], body["errcode"], body["code"]) == (503, 0, 503, "standby")


async def test_warnings_show_on_both_pages_of_health(node: Node) -> None:
    node.warnings = [HealthWarning("database_not_reached", "no")]
    for path in ("/healthz", "/readyz"):
        assert (await node.request("GET", path)).json()["warnings"][0]["code"] == "database_not_reached"


async def test_the_site_answers_from_its_beginning_to_its_end(node: Node) -> None:
    node.front.serve(node.site)
    assert (await node.request("GET", "/")).text == "yes"
    node.front.retire()
    assert (await node.request("GET", "/")).status_code == 503


async def test_a_site_whose_lease_has_ended_is_not_asked(node: Node) -> None:
    node.front.serve(node.site)
    node.lease_held = False
    assert not node.front.serving
    assert (await node.request("GET", "/readyz")).json()["code"] == "standby"


async def test_an_answer_that_was_read_before_the_lease_ended_is_not_sent_after_it(node: Node) -> None:
    node.front.serve(node.site)
    node.ends_lease = True
    answer = await node.request("GET", "/api/v1/devices")
    assert (answer.status_code, answer.json()["code"]) == (503, "standby")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_of_a_change_whose_answer_comes_too_late_the_outcome_is_unknown(node: Node, method: str) -> None:
    node.front.serve(node.site)
    node.ends_lease = True
    answer = await node.request(method, "/api/v1/devices")
    assert (answer.status_code, answer.json()["code"]) == (500, "outcome_unknown")


async def test_a_long_answer_breaks_off_where_the_lease_ends(node: Node) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        node.lease_held = False

    node.front.serve(node.site)
    await node.front({"type": "http", "method": "GET", "path": "/"}, None, send)
    assert [message["type"] for message in sent] == ["http.response.start"]


async def test_whoever_waits_until_the_site_is_idle_waits_for_requests_under_way_but_not_for_ever(node: Node) -> None:
    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            await node.front.wait_idle(0.01)  # within the request itself

    node.front.serve(node.site)
    await node.front({"type": "http", "method": "GET", "path": "/"}, None, send)
    await node.front.wait_idle(20)
