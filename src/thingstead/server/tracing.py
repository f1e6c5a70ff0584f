"""Traces of HTTP requests by OpenTelemetry, sent by OTLP: one span a request, below the span of its caller.

This module is imported only if an address is configured, since it needs an extra. A span bears the path template, never
the path, which may contain a device's AccessToken.
"""

import asyncio
from contextvars import ContextVar
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from thingstead import __version__
from thingstead.api.app import AsgiApp
from thingstead.config import TracingSettings
from thingstead.metrics import HttpRequests

EXPORT_TIMEOUT_S = 5.0
SPANS_WAITING_COUNT = 2_048  # the newest are dropped beyond
SPANS_PER_EXPORT_COUNT = 512
CARRIED = (b"traceparent", b"tracestate")

_REQUEST: ContextVar[tuple[Span, str] | None] = ContextVar("span and method of the request", default=None)


class Tracing:
    """Makes and sends the spans. :meth:`close` must be awaited.

    Args:
        requests: tells the route and the status of each answer.
    """

    def __init__(self, settings: TracingSettings, requests: HttpRequests) -> None:
        # A caller does not decide that its request is sampled: strangers would.
        self._provider = TracerProvider(
            sampler=TraceIdRatioBased(settings.sample_ratio),
            resource=Resource.create({"service.name": "thingstead", "service.version": __version__}),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint, timeout=EXPORT_TIMEOUT_S)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                exporter, max_queue_size=SPANS_WAITING_COUNT, max_export_batch_size=SPANS_PER_EXPORT_COUNT
            )
        )
        self._tracer = self._provider.get_tracer("thingstead", __version__)
        self._propagator = TraceContextTextMapPropagator()
        requests.observer = _note

    def traced(self, app: AsgiApp) -> AsgiApp:
        """The application, with a span around each HTTP request."""

        async def serve(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            carrier = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in CARRIED}
            method = scope["method"] if scope["method"] in HttpRequests.METHODS else "HTTP"
            span = self._tracer.start_span(method, context=self._propagator.extract(carrier), kind=SpanKind.SERVER)
            span.set_attribute("http.request.method", method if method != "HTTP" else "_OTHER")
            token = _REQUEST.set((span, method))
            try:
                await app(scope, receive, send)
            finally:
                _REQUEST.reset(token)
                span.end()

        return serve

    async def close(self) -> None:
        """Sends the spans that wait, then ends the thread of the exporter."""
        await asyncio.to_thread(self._provider.shutdown)


def _note(route: str, status: int, code: str) -> None:
    request = _REQUEST.get()
    if request is None:  # of the local socket
        return
    span, method = request
    span.update_name(f"{method} {route}")
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if code:
        span.set_attribute("thingstead.code", code)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))
