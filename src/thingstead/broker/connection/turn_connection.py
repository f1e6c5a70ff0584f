"""Connection that keeps packets until its project has another share of what its messages cost."""

from collections.abc import Sequence

import structlog

from thingstead.broker.connection.client_connection import ClientConnection
from thingstead.broker.connection.handler import BackPressure
from thingstead.broker.net.admission import Arrival
from thingstead.broker.net.idle_timers import IdleTimers
from thingstead.mqtt.budget import Budget
from thingstead.mqtt.decoder import Packet
from thingstead.services.shared.turn_budget import TurnBudget

log = structlog.get_logger("thingstead.broker")


class TurnConnection(ClientConnection):
    """Connection whose packets may have to wait for the turn of their project; in their order, and unread behind them.

    Args: as of :class:`~thingstead.broker.connection.client_connection.ClientConnection`.
    """

    __slots__ = ("_held_packets",)

    HELD = 1 << 9  # a reason for not reading the connection
    OURS = ClientConnection.OURS | HELD

    def __init__(
        self,
        send_buffer_max_bytes: int,
        arrival: Arrival | None,
        unread: Budget,
        back_pressure: BackPressure,
        idle_timers: IdleTimers,
    ) -> None:
        super().__init__(send_buffer_max_bytes, arrival, unread, back_pressure, idle_timers)
        self._held_packets: Sequence[Packet] = ()  # the rest of what was received at once

    def _take(self, packets: Sequence[Packet]) -> None:
        """Handles packets, or holds some of them."""
        raise NotImplementedError

    def hold(self, turns: TurnBudget, project_id: str, packets: Sequence[Packet]) -> None:
        """Keeps packets until it is the turn of their project."""
        self._held_packets = packets
        self.pause(self.HELD)
        turns.wait(project_id, self._go_on)

    def keep_for_later(self, data: bytes) -> None:
        """Keeps bytes that were received although reading is paused."""
        self._rest = data + self._rest
        self.pause(self.TURN)

    def _go_on(self) -> None:
        packets, self._held_packets = self._held_packets, ()
        if self.closing:
            return
        try:
            self._take(packets)
        except Exception:
            # A bug: logged here, and it costs this connection only.
            log.exception("a connection failed", remote_address=self.remote_address)
            self.abort("it failed")
        if not self._held_packets:
            self.resume(self.HELD)
