"""Traces of HTTP requests arrive at a collector, and name no secret."""

import gzip
import http.server
import queue
import sys
import threading
from collections.abc import Iterator

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.server_process import StartServer
from thingstead.config import Config, TracingSettings
from thingstead.errors import ConfigError
from thingstead.metrics import HttpRequests
from thingstead.server.running import open_tracing

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


class Collector:
    """Takes traces by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: queue.Queue[Span] = queue.Queue()
        spans = self.spans

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        for span in scope.spans:
                            spans.put(span)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Prints nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}/v1/traces"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def all(self) -> list[Span]:
        """The spans that have come, in the order of their ends."""
        spans = []
        while not self.spans.empty():
            spans.append(self.spans.get())
        return sorted(spans, key=lambda span: span.end_time_unix_nano)


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


def members(span: Span) -> dict[str, object]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_each_request_is_a_span_below_that_of_its_caller_and_names_no_path(
    start_server: StartServer, collector: Collector
) -> None:
    server = start_server(THINGSTEAD_TRACING_OTLP_ENDPOINT=collector.endpoint)
    caller = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}
    assert httpx.get(f"{server.url}/api/v1/device/secret-of-a-path", headers=caller).status_code == 401
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    server.stop()  # sends what waits

    refused, ready = collector.all()
    assert (refused.name, ready.name) == ("GET /api/v1/device/{device_id}", "GET /readyz")
    assert refused.trace_id.hex() == TRACE_ID
    assert refused.parent_span_id.hex() == "b7ad6b7169203331"
    assert refused.kind == Span.SPAN_KIND_SERVER
    code = members(refused).pop("thingstead.code")
    assert members(refused) == {
        "http.request.method": "GET",
        "http.route": "/api/v1/device/{device_id}",
        "http.response.status_code": 401,
        "thingstead.code": code,
    }
    assert ready.trace_id.hex() != TRACE_ID
    assert "secret-of-a-path" not in str(refused) + str(ready)


def test_a_ratio_of_0_sends_nothing_whatever_the_caller_asks_for(
    start_server: StartServer, collector: Collector
) -> None:
    server = start_server(THINGSTEAD_TRACING_OTLP_ENDPOINT=collector.endpoint, THINGSTEAD_TRACING_SAMPLE_RATIO="0")
    caller = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}
    assert httpx.get(f"{server.url}/readyz", headers=caller).status_code == 200
    server.stop()
    assert collector.all() == []


def test_a_collector_that_is_away_delays_no_answer_and_no_stop(start_server: StartServer) -> None:
    server = start_server(THINGSTEAD_TRACING_OTLP_ENDPOINT="http://127.0.0.1:1/v1/traces")
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    assert server.stop() == 0
    assert server.logged("a component did not stop in time") == []


def test_without_the_extra_the_configuration_is_refused_and_without_an_address_nothing_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith(("opentelemetry", "thingstead.server.tracing"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    requests = HttpRequests()
    assert open_tracing(Config(), requests) is None
    assert requests.observer is None
    with pytest.raises(ConfigError, match=r"thingstead\[tracing\]"):
        open_tracing(Config(tracing=TracingSettings(otlp_endpoint="http://127.0.0.1:1")), requests)
