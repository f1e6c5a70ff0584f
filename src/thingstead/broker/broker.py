"""The MQTT broker of one server: its ports, the connections behind them, and its shutdown."""

from dataclasses import replace

import structlog

from thingstead.broker.apps.app_handler import AppAccess
from thingstead.broker.apps.fanout import AppFanout
from thingstead.broker.apps.sessions import WatchedSessions
from thingstead.broker.apps.token_watch import WatchedTokens
from thingstead.broker.connection.listener_context import ListenerContext
from thingstead.broker.connection.mqtt_connection import MqttConnection
from thingstead.broker.connection.queue_bounds import QueueBounds
from thingstead.broker.devices.access import DeviceAccess, DeviceLogIn
from thingstead.broker.devices.router import DeviceRouter
from thingstead.broker.devices.sessions import DeviceSessions
from thingstead.broker.net.admission import Arrival, Arrivals
from thingstead.broker.net.connections import Clients
from thingstead.broker.net.counters import AppCounters, Counters
from thingstead.broker.net.idle_timers import IdleTimers
from thingstead.broker.net.listening import Listening, Port, listen
from thingstead.broker.net.tasks import TaskLimiter, Tasks
from thingstead.broker.net.websocket import Registry, WebSocketConnection
from thingstead.broker.open_port.open_port import OpenPort
from thingstead.broker.sessions.context import SessionContext
from thingstead.broker.sessions.restored import Restored, cut
from thingstead.broker.tcp.tcp import TcpClient, TcpListenerContext
from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.config import Config
from thingstead.mqtt.budget import Budget
from thingstead.services.platform import Platform
from thingstead.timers import Deadlines

log = structlog.get_logger("thingstead.broker")

STOP_TIMEOUT_S = 5.0  # for clients to read their last packets and for their sessions to end


class MqttBroker:
    """Accepts devices and subscribers over MQTT, and devices over raw TCP. :meth:`stop` closes all its ports.

    Args:
        buffers: budget of all send and receive buffers of clients.
        arrivals: the connections of the process; None: those of this broker.
    """

    def __init__(
        self,
        platform: Platform,
        bus: Bus,
        clock: Clock,
        config: Config,
        buffers: Budget | None = None,
        arrivals: Arrivals | None = None,
    ) -> None:
        self.counters = Counters()
        self.tcp_counters = Counters()
        self.app_counters = AppCounters()
        self.deadlines = Deadlines(clock)
        self.bounds = bounds = QueueBounds(config.mqtt, buffers)
        context = SessionContext(platform.mqtt_sessions, clock, config.mqtt, self.counters, self.deadlines, bounds)
        self.device_sessions = DeviceSessions(context, bus)
        self._hub = DeviceRouter(
            bus, clock, platform.sub_devices, platform.device_logs.trace, self.device_sessions.push
        )
        platform.diagnosis.follow(self._hub)
        self._tasks = Tasks()
        log_ins, ends = TaskLimiter(self._tasks), TaskLimiter(self._tasks)
        self._idle_timers = IdleTimers()
        self.arrivals = arrivals or Arrivals(clock)
        self.refused_connections = self.arrivals.refused_connections
        self.entrance = self.arrivals.entrance("MQTT", config.mqtt.max_connections)
        self.tcp_entrance = self.arrivals.entrance("TCP", config.tcp.max_connections)
        self._clients: Clients[MqttConnection] = Clients()
        self._tcp_clients: Clients[TcpClient] = Clients()
        log_in = DeviceLogIn(platform, self._hub, clock)
        listened = platform.ingest.listened
        self._app_hub = AppFanout(bus, clock, platform.subscriptions, self.app_counters, self._tasks, listened)
        self._access = AppAccess(
            DeviceAccess(log_in, self.device_sessions, config.mqtt),
            platform.subscriptions,
            WatchedSessions(platform.browser_sessions, bus, self.deadlines, clock, self._tasks),
            WatchedTokens(platform.scoped_tokens, bus, self.deadlines, clock, self._tasks),
            self._app_hub,
            bus,
            self.app_counters,
            config.app,
            platform.device_logs.trace,
            buffers,
        )
        self.open_port = OpenPort(replace(context, counters=Counters()))
        self._mqtt_sessions = platform.mqtt_sessions
        self._loaded = False
        self._ports: list[Listening] = []
        self._surroundings = ListenerContext(
            settings=config.mqtt,
            bounds=bounds,
            access=self._access,
            counters=self.counters,
            back_pressure=platform.ingest.history,
            turns=platform.ingest.triggers.conditions,
            tasks=self._tasks,
            log_ins=log_ins,
            ends=ends,
            clients=self._clients,
            clock=clock,
            idle_timers=self._idle_timers,
            refused_connections=self.refused_connections,
        )
        self._tcp_surroundings = TcpListenerContext(
            settings=config.tcp,
            log_in=log_in,
            counters=self.tcp_counters,
            back_pressure=platform.ingest.history,
            log_ins=log_ins,
            ends=ends,
            clients=self._tcp_clients,
            heartbeats=config.tcp.heartbeat_packets,
            unread=bounds.unread,
            idle_timers=self._idle_timers,
            refused_connections=self.refused_connections,
        )

    async def listen(self, port: Port) -> None:
        """Accepts MQTT connections on a port, and takes ownership of its socket."""
        await self._load()
        self._ports.append(await listen(port, self.client, self.entrance))

    async def listen_open(self, port: Port) -> None:
        """Accepts everyone on a port, and takes ownership of its socket; see :class:`~.open_port.OpenPort`."""
        await self._load()
        surroundings = replace(self._surroundings, access=self.open_port, counters=self.open_port.counters)
        self._ports.append(await listen(port, lambda arrival: MqttConnection(surroundings, arrival), self.entrance))

    async def listen_tcp(self, port: Port) -> None:
        """Accepts devices on raw TCP, and takes ownership of the socket."""
        context = self._tcp_surroundings
        self._ports.append(await listen(port, lambda arrival: TcpClient(context, arrival), self.tcp_entrance))

    async def _load(self) -> None:
        """Loads the sessions of an earlier run, once. Sessions of an open port that is closed now are loaded too,
        because they expire all the same."""
        if not self._loaded:
            self._loaded = True
            kept = await self._mqtt_sessions.load()
            self.device_sessions.load(kept)
            self.open_port.load(kept)
            cut(
                self.bounds.queued,
                Restored(self.device_sessions.all, self.counters),
                Restored(self.open_port.sessions.all, self.open_port.counters),
            )

    def client(self, arrival: Arrival | None = None) -> MqttConnection:
        """Makes the server's end of a new MQTT connection."""
        return MqttConnection(self._surroundings, arrival)

    def websocket(self, registry: Registry, arrival: Arrival) -> WebSocketConnection:
        """Makes the server's end of a new WebSocket connection that carries MQTT."""
        context = self._surroundings
        return WebSocketConnection(self.client(arrival), context.settings, registry, arrival, context.bounds.incomplete)

    async def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Closes the ports, tells every client that the server is shutting down, and ends their sessions.

        Args:
            timeout_s: for clients to read their last packets, and for their sessions to end.
        """
        for port in self._ports:
            port.close()
        for clients in (self._clients, self._tcp_clients):
            for client in clients:
                client.shut_down()
        for clients in (self._clients, self._tcp_clients):
            await clients.wait_until_none(timeout_s)
            for client in clients:
                client.abort()
            await clients.wait_until_none(timeout_s)
        for port in self._ports:
            await port.wait_closed()
        await self._tasks.close(timeout_s)
        self._idle_timers.close()
        self.deadlines.stop()
        self.device_sessions.close()
        self._hub.close()
        self._access.close()
        self._app_hub.close()
