"""What is served besides the API and its documentation: health and metrics."""

import hmac
from collections.abc import Callable, Sequence

import msgspec

from thingstead.api.body import Receive, Scope
from thingstead.api.credentials import bearer_token
from thingstead.api.dialect import HttpAnswer, not_authenticated
from thingstead.config import ApiSettings
from thingstead.errors import NotAuthenticated
from thingstead.metrics import CONTENT_TYPE, Metrics
from thingstead.model.addresses import is_loopback, is_own_host
from thingstead.model.health import HealthWarning
from thingstead.model.http_headers import value_of
from thingstead.refusals import Reason

HEALTHY = HttpAnswer(200, b'{"status":"ok"}')
# Headers that proxies add.
FORWARDING_HEADERS = frozenset(
    {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"}
)


class HealthPage:
    """``/healthz`` and ``/readyz``: 200 while every port is open and data can be stored, otherwise 503 with the reason
    and its code. ``warnings`` list what an operator should check."""

    def __init__(self, health: Callable[[], Reason | None], warnings: Callable[[], Sequence[HealthWarning]]) -> None:
        self._health = health
        self._warnings = warnings

    async def __call__(self, scope: Scope, receive: Receive, path: dict[str, str]) -> HttpAnswer:
        trouble = self._health()
        warnings = self._warnings()
        if trouble is None and not warnings:
            return HEALTHY
        body: dict[str, str | Sequence[HealthWarning]] = {"status": trouble.message if trouble else "ok"}
        if trouble is not None:
            body["code"] = trouble.code
        if warnings:
            body["warnings"] = warnings
        return HttpAnswer(200 if trouble is None else 503, msgspec.json.encode(body))


class MetricsPage:
    """``/metrics``: with the token of the setting; without such a setting, for programs on this machine, unless a proxy
    among them may forward requests of others."""

    def __init__(self, metrics: Metrics, settings: ApiSettings) -> None:
        self._metrics = metrics
        self._token = settings.metrics_token
        self._for_local = not settings.metrics_token and not settings.trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, path: dict[str, str]) -> HttpAnswer:
        if not self._may_read(scope):
            return not_authenticated(NotAuthenticated("metrics_token_required"))
        await self._metrics.prepare()
        return HttpAnswer(200, self._metrics.render(), content_type=CONTENT_TYPE.encode())

    def _may_read(self, scope: Scope) -> bool:
        try:
            given = bearer_token(scope)
        except NotAuthenticated:
            return self._for_local and is_local(scope)
        return bool(self._token) and hmac.compare_digest(given.encode(), self._token.encode())


def is_local(scope: Scope) -> bool:
    """Whether the peer is a program on this machine, neither a proxy nor a browser. Browsers are excluded because any
    name can resolve to this machine (DNS rebinding)."""
    peer = scope.get("client")
    if not peer or any(name in FORWARDING_HEADERS for name, _ in scope["headers"]):
        return False
    host = value_of(scope["headers"], b"host")
    return is_loopback(peer[0]) and (host is None or is_own_host(host.decode("latin-1")))
