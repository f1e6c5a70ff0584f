"""The ASGI application of a node that stands by: health and metrics; everything else is refused."""

from collections.abc import Callable, Sequence

from thingstead.api.app import AsgiApp, EndpointRoute, HttpApp
from thingstead.api.body import Receive, Scope
from thingstead.api.device import dialect as device_dialect
from thingstead.api.dialect import HttpAnswer, failure
from thingstead.api.pages import HealthPage, MetricsPage
from thingstead.api.router import Router
from thingstead.api.routes import ENDPOINTS
from thingstead.config import ApiSettings
from thingstead.errors import ThingsteadError, Unavailable
from thingstead.metrics import HttpRequests, Metrics
from thingstead.model.health import HealthWarning
from thingstead.refusals import reason

STANDBY = failure(Unavailable("standby"))
# In place of an answer that was made while the node was active, to a request that may have changed something.
OUTCOME_UNKNOWN = failure(ThingsteadError("outcome_unknown"))._replace(status=500)


def create_standby_app(
    settings: ApiSettings, metrics: Metrics, warnings: Callable[[], Sequence[HealthWarning]]
) -> AsgiApp:
    """Makes the ASGI application: ``/healthz`` 200, ``/readyz`` 503, ``/metrics``, all others 503 in the dialect of
    their plane."""
    router: Router[EndpointRoute] = Router()
    for endpoint in ENDPOINTS:
        if endpoint.for_devices:
            router.add(endpoint.method, endpoint.path, EndpointRoute(_refuse_device))
    router.add("GET", "/healthz", EndpointRoute(HealthPage(lambda: None, warnings)))
    router.add("GET", "/readyz", EndpointRoute(HealthPage(lambda: reason("standby"), warnings)))
    router.add("GET", "/metrics", EndpointRoute(MetricsPage(metrics, settings)))
    return HttpApp(router, HttpRequests(), access_log=settings.access_log, unknown=STANDBY)


async def _refuse_device(scope: Scope, receive: Receive, path: dict[str, str]) -> HttpAnswer:
    return device_dialect.failure(Unavailable("standby"))
