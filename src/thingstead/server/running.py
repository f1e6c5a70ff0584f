"""The working server over an open store: services, MQTT and TCP ports, and what its HTTP ports answer."""

import importlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from thingstead.api.app import AsgiApp, create_app
from thingstead.broker.broker import STOP_TIMEOUT_S, MqttBroker
from thingstead.broker.net.admission import Arrivals
from thingstead.bus.local import LocalBus
from thingstead.clock import Clock
from thingstead.config import Config
from thingstead.console.files import packaged_files
from thingstead.console.pages import ConsolePages
from thingstead.errors import ConfigError
from thingstead.metrics import HttpRequests, Metrics
from thingstead.model.health import HealthWarning
from thingstead.mqtt.budget import Budget
from thingstead.server.listeners import Listeners
from thingstead.server.metric_sources import read_metric_sources
from thingstead.server.platforms import build_platform, close_services, within
from thingstead.server.site import site
from thingstead.services.history.removal import RemovalService
from thingstead.services.platform import Platform
from thingstead.storage.base import Store

if TYPE_CHECKING:
    from thingstead.server.tracing import Tracing


class WorkingServer(NamedTuple):
    """A working server, whose MQTT and TCP ports are open."""

    platform: Platform
    gateway: MqttBroker
    api: AsgiApp  # of the local socket
    site: AsgiApp  # of the HTTP ports
    metrics: Metrics


@asynccontextmanager
async def open_running(
    store: Store,
    config: Config,
    clock: Clock,
    listeners: Listeners,
    buffers: Budget,
    arrivals: Arrivals | None = None,
    *,
    stop_timeout_s: float = STOP_TIMEOUT_S,
) -> AsyncIterator[WorkingServer]:
    """Starts everything over an open store but the HTTP ports, and stops it at the end of the block.

    Args:
        arrivals: the connections of the process; None: those of this server.
        stop_timeout_s: at the end, for clients to read their last packets.
    """
    async with AsyncExitStack() as stack:
        bus = LocalBus()
        stack.push_async_callback(bus.close)
        platform = build_platform(store, bus, clock, config, listeners.public)
        stack.push_async_callback(close_services, platform)
        await platform.forwarding.forwarder.start()
        await platform.presence.recover()
        platform.control.start()
        platform.retention.start()
        removal = RemovalService(store, bus)
        stack.push_async_callback(within, "removal", removal.close)
        removal.start()
        await platform.alarms.engine.start()
        await platform.message_rules.start()
        await platform.modbus_polls.start()
        platform.ota.start()
        platform.clock_watch.start(await store.history.newest_uplink())
        platform.notify.dispatcher.start()
        platform.jobs.start()
        platform.tasks.scheduler.start()
        platform.message_stat.start()
        gateway = MqttBroker(platform, bus, clock, config, buffers, arrivals)
        stack.push_async_callback(within, "mqtt", partial(gateway.stop, stop_timeout_s))
        for port in listeners.of("mqtt", "mqtts"):
            await gateway.listen(port)
        for port in listeners.of("open"):
            await gateway.listen_open(port)
        for port in listeners.of("tcp", "tcps"):
            await gateway.listen_tcp(port)
        requests = HttpRequests()
        running = _running(store, config, listeners, buffers, platform, gateway, requests)
        if tracing := open_tracing(config, requests):
            stack.push_async_callback(within, "tracing", tracing.close)
            running = running._replace(site=tracing.traced(running.site))
        yield running


def open_tracing(config: Config, requests: HttpRequests) -> "Tracing | None":
    """Traces of the requests, if they are configured. Raises ConfigError if the extra for it is not installed."""
    if not config.tracing.otlp_endpoint:
        return None
    try:
        tracing = importlib.import_module("thingstead.server.tracing")
    except ModuleNotFoundError as exc:
        if exc.name is None or not exc.name.startswith("opentelemetry"):
            raise
        raise ConfigError("tracing.otlp_endpoint: it needs an extra: pip install 'thingstead[tracing]'") from exc
    opened: Tracing = tracing.Tracing(config.tracing, requests)
    return opened


def _running(
    store: Store,
    config: Config,
    listeners: Listeners,
    buffers: Budget,
    platform: Platform,
    gateway: MqttBroker,
    requests: HttpRequests,
) -> WorkingServer:
    metrics = Metrics()
    read_metric_sources(metrics, store, platform, gateway, buffers, listeners.certificate_expiries)

    def warnings() -> list[HealthWarning]:
        watched = (
            store,
            platform.clock_watch,
            platform.retention.trusted_clock,
            platform.forwarding.forwarder,
            platform.ota.files,
            gateway.arrivals,
            listeners,
        )
        return [warning for part in watched for warning in part.warnings()]

    platform.server_status.warnings, platform.server_status.ports = warnings, listeners.described
    app = create_app(
        platform,
        config.http,
        store.trouble,
        metrics,
        warnings=warnings,
        requests=requests,
        buffers=buffers,
        # The active node of a database is the right one until its lease ends, also while the database restarts: a
        # balancer that saw 503 would close every connection.
        ready=(lambda: None) if config.database else None,
    )
    console = ConsolePages(packaged_files(), requests, config.http.hsts_max_age_s)
    return WorkingServer(platform, gateway, app, site(app, console), metrics)
