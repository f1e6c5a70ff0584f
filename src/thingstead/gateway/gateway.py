"""The gateway of one server: its ports, the connections behind them, and how they end."""

import asyncio
import socket

import structlog

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.config import MqttSettings
from thingstead.gateway.access import DeviceAccess
from thingstead.gateway.client import Client, Surroundings
from thingstead.gateway.clients import Clients
from thingstead.gateway.counters import Counters
from thingstead.gateway.hub import Hub
from thingstead.gateway.tasks import Tasks
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.platform import Platform

log = structlog.get_logger("thingstead.gateway")

BACKLOG = 4096  # connections that wait to be accepted: a whole fleet may come back at once
STOP_TIMEOUT_S = 5.0  # for clients to read their last packets, and for their sessions to end


class Gateway:
    """Devices over MQTT. :meth:`listen` opens a port, :meth:`stop` ends everything."""

    def __init__(self, platform: Platform, bus: Bus, clock: Clock, settings: MqttSettings) -> None:
        self.counters = Counters()
        self._hub = Hub(bus, platform.sub_devices)
        self._tasks = Tasks()
        self._clients: Clients[Client] = Clients()
        self._servers: list[asyncio.Server] = []
        self._surroundings = Surroundings(
            settings=settings,
            access=DeviceAccess(platform, self._hub, clock, settings),
            counters=self.counters,
            relief=platform.ingest,
            tasks=self._tasks,
            clients=self._clients,
        )

    async def listen(self, sock: socket.socket) -> int:
        """Accepts connections on a bound socket, which it takes over; returns its port."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Client(self._surroundings), sock=sock, backlog=BACKLOG)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Closes the ports, tells every client that the server shuts down, and ends their sessions."""
        for server in self._servers:
            server.close()
        for client in self._clients:
            client.close(ReasonCode.SERVER_SHUTTING_DOWN, "the server is shutting down")
        await self._clients.wait_until_none(STOP_TIMEOUT_S)
        for client in self._clients:
            client.abort()
        await self._clients.wait_until_none(STOP_TIMEOUT_S)
        await self._tasks.close(STOP_TIMEOUT_S)
        self._hub.close()
