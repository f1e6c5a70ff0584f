"""The ASGI application: finds what a request names, answers it, and is the one place where a bug in it is logged."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import structlog
from starlette.middleware.cors import CORSMiddleware

from thingstead.api import dialect
from thingstead.api.body import Bodies, BodyTooSlow, PeerGone, Receive, Scope, Send
from thingstead.api.device import dialect as device_dialect
from thingstead.api.device.operation import DeviceOperation
from thingstead.api.dialect import UNKNOWN_RESOURCE, HttpAnswer, unknown_resource
from thingstead.api.documents.serving import DocumentPages
from thingstead.api.downloads import OtaDownloadPage
from thingstead.api.encodings import GZIPPED, gzipped, may_be_compressed, takes_gzip
from thingstead.api.endpoint import Endpoint
from thingstead.api.operation import Operation
from thingstead.api.pages import HealthPage, MetricsPage
from thingstead.api.router import Resource, Router
from thingstead.api.routes import ENDPOINTS
from thingstead.api.streamed import send_pieces
from thingstead.config import ApiSettings
from thingstead.errors import ThingsteadError
from thingstead.metrics import HttpRequests, Metrics
from thingstead.model.health import HealthWarning
from thingstead.mqtt.budget import Budget
from thingstead.refusals import Reason
from thingstead.services.platform import Platform

log = structlog.get_logger("thingstead.api")
access_log = structlog.get_logger("thingstead.access")

Headers = tuple[tuple[bytes, bytes], ...]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Respond = Callable[[Scope, Receive, dict[str, str]], Awaitable[HttpAnswer]]
CORS_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
CORS_HEADERS = ("Authorization", "Content-Type", "Project-Key")


class EndpointRoute(NamedTuple):
    """Handler of a path and method, and its error responses."""

    respond: Respond
    body_too_slow: HttpAnswer = dialect.BODY_TOO_SLOW
    fault: HttpAnswer = dialect.FAULT
    acts: bool = False  # a GET with effects, for which HEAD is refused


def create_app(
    platform: Platform,
    settings: ApiSettings,
    health: Callable[[], Reason | None],
    metrics: Metrics | None = None,
    endpoints: Sequence[Endpoint] = ENDPOINTS,
    warnings: Callable[[], Sequence[HealthWarning]] = tuple,
    requests: HttpRequests | None = None,
    buffers: Budget | None = None,
    ready: Callable[[], Reason | None] | None = None,
) -> AsgiApp:
    """Makes the ASGI application.

    Args:
        platform: the services.
        settings: settings of the API.
        health: returns why data cannot be stored now; None: it can.
        metrics: content of ``/metrics``, to which HTTP requests are added; None: these only.
        warnings: returns the warnings of ``/healthz``.
        requests: counter of responses.
        buffers: parent of the budget of request bodies.
        ready: returns why requests and connections belong elsewhere; default: as ``health``.
        endpoints: endpoints to serve; default: the Project API and the device planes.
    """
    router: Router[EndpointRoute] = Router()
    bodies = Bodies(settings.body_limit_bytes, buffers)
    for endpoint in endpoints:
        router.add(endpoint.method, endpoint.path, _route(endpoint, platform, settings, bodies))
    metrics = metrics or Metrics()
    documents = DocumentPages(endpoints)
    router.add("GET", "/healthz", EndpointRoute(HealthPage(health, warnings)))
    router.add("GET", "/readyz", EndpointRoute(HealthPage(ready or health, warnings)))
    router.add("GET", "/metrics", EndpointRoute(MetricsPage(metrics, settings)))
    router.add("GET", "/openapi.json", EndpointRoute(documents.openapi))
    router.add("GET", "/docs", EndpointRoute(documents.start))
    router.add("GET", "/docs/assets/{file}", EndpointRoute(documents.asset))
    router.add("GET", "/ota/{token}/{name}", EndpointRoute(OtaDownloadPage(platform)))
    for path in ("/docs/{language}", "/docs/{language}/{page}"):
        router.add("GET", path, EndpointRoute(documents.page))
    counted = requests or HttpRequests()
    metrics.read("thingstead_http_requests_total", lambda: counted.counts)
    metrics.read("thingstead_http_request_seconds", lambda: counted.durations)
    metrics.read("thingstead_api_refusals_total", lambda: {(code,): n for code, n in counted.refusals.items()})
    app: AsgiApp = HttpApp(router, counted, access_log=settings.access_log)
    if settings.cors_origins:
        cors: Any = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=CORS_METHODS,
            allow_headers=CORS_HEADERS,
            expose_headers=("Retry-After",),
            max_age=3600,
        )
        app = cors
    return app


def _route(endpoint: Endpoint, platform: Platform, settings: ApiSettings, bodies: Bodies) -> EndpointRoute:
    if endpoint.for_devices:
        respond = DeviceOperation(endpoint, platform, settings, bodies)
        return EndpointRoute(respond, device_dialect.BODY_TOO_SLOW, device_dialect.FAULT, endpoint.acts)
    return EndpointRoute(Operation(endpoint, platform, settings, bodies))


async def _sent(pieces: AsyncIterator[bytes], receive: Receive, send: Send, template: str) -> bool:
    """Sends the body; False if it was ended early, so that the connection must be closed."""
    try:
        await send_pieces(pieces, receive, send)
    except PeerGone:
        return False
    except TimeoutError:
        log.info("a file was ended: a piece was not made or not read in time", route=template)
        return False
    except ThingsteadError as exc:
        log.info("a file was ended", route=template, reason=exc.reason.message)
        return False
    return True


class HttpApp:
    """ASGI application that answers from a router.

    Args:
        unknown: answers what the router does not know.
    """

    def __init__(
        self,
        router: Router[EndpointRoute],
        requests: HttpRequests,
        *,
        access_log: bool = False,
        unknown: HttpAnswer = UNKNOWN_RESOURCE,
    ) -> None:
        self._router = router
        self._unknown = unknown
        self._requests = requests
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun_s = time.perf_counter()
        method = scope["method"]
        resource, parameters = self._router.find(scope["path"])
        try:
            answer = await self._answer(resource, parameters, scope, receive)
        except PeerGone:
            return
        body = answer.body
        encoding: Headers = ()
        if may_be_compressed(answer) and takes_gzip(scope):
            body, encoding = answer.gzip_body or await gzipped(body), GZIPPED
        template = resource.path if resource is not None else "unknown"
        headers = [(b"content-type", answer.content_type)]
        if answer.pieces is None:
            headers.append((b"content-length", b"%d" % len(body)))
        headers += answer.headers
        headers += encoding
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if answer.pieces is None or method == "HEAD":
            await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
        elif not await _sent(answer.pieces, receive, send, template):
            return
        took_s = time.perf_counter() - begun_s
        self._requests.count(method, template, answer.status, took_s, answer.code)
        if self._access_log:
            client = scope.get("client")
            access_log.info(
                "http request",
                method=method,
                route=template,  # not the path, which may contain a device's AccessToken
                status=answer.status,
                took_ms=round(took_s * 1000, 1),
                size_bytes=len(body),
                remote_address=client[0] if client else "",
                **({"code": answer.code} if answer.code else {}),
            )

    async def _answer(
        self, resource: Resource[EndpointRoute] | None, parameters: dict[str, str], scope: Scope, receive: Receive
    ) -> HttpAnswer:
        if resource is None:
            return self._unknown
        method = scope["method"]
        route = resource.methods.get("GET" if method == "HEAD" else method)
        if route is None or (route.acts and method == "HEAD"):
            return _allowed(resource, answered=method == "OPTIONS")
        try:
            return await route.respond(scope, receive, parameters)
        except BodyTooSlow:
            return route.body_too_slow
        except PeerGone:
            raise
        except Exception:
            # Not the path itself, which may contain a device's AccessToken.
            log.exception("a request failed", method=method, path=resource.path)
            return route.fault


def _allowed(resource: Resource[EndpointRoute], *, answered: bool) -> HttpAnswer:
    """Lists the methods of a path: in the answer to OPTIONS, or beside the 404 for another method."""
    read = resource.methods.get("GET")
    methods = sorted({*resource.methods, "OPTIONS", *(["HEAD"] if read is not None and not read.acts else [])})
    allow = ((b"allow", ", ".join(methods).encode()),)
    if answered:
        return HttpAnswer(200, b"", headers=allow)
    taken = " and ".join(sorted(resource.methods))
    return unknown_resource(f"this path takes {taken}")._replace(headers=allow)


async def _live(receive: Receive, send: Send) -> None:
    """Answers the lifespan protocol: there is nothing to start or stop here."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
