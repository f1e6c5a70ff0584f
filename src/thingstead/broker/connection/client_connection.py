"""What connections over MQTT and over raw TCP share: waiting for room in the history, and the idle timer."""

from thingstead.broker.connection.handler import BackPressure
from thingstead.broker.net.admission import Arrival
from thingstead.broker.net.idle_timers import IdleTimer, IdleTimers
from thingstead.broker.net.stream import Stream
from thingstead.mqtt.budget import Budget


class ClientConnection(Stream):
    """Connection that is not read while the history has no room, and that is closed when its peer is silent.

    Args:
        send_buffer_max_bytes: as of :class:`~thingstead.broker.net.stream.Stream`, like ``arrival`` and ``unread``.
        back_pressure: tells when reading must pause.
        idle_timers: the idle timers of all connections.
    """

    __slots__ = ("_back_pressure", "_read_bytes", "_timer")

    # Reasons for not reading a connection, beside Stream.UNREAD; subclasses add more.
    ADMITTING, CONGESTED = 2, 4
    # Reasons for which the server stopped reading: the idle timer must not close the connection meanwhile.
    OURS = ADMITTING | CONGESTED | Stream.TURN

    def __init__(
        self,
        send_buffer_max_bytes: int,
        arrival: Arrival | None,
        unread: Budget,
        back_pressure: BackPressure,
        idle_timers: IdleTimers,
    ) -> None:
        super().__init__(send_buffer_max_bytes, arrival, unread)
        self._back_pressure = back_pressure
        self._timer = IdleTimer(idle_timers, self)
        self._read_bytes = 0  # bytes the client had read when the idle timer last expired

    @property
    def is_admitted(self) -> bool:
        """Whether the client has logged in."""
        raise NotImplementedError

    def pause_until_room(self, crowded: int | None) -> None:
        """Pauses reading until the history has room.

        Args:
            crowded: number of the device whose share is used up; None: no device's is.
        """
        back_pressure = self._back_pressure
        if (crowded is not None or back_pressure.congested) and not self.paused_for(self.CONGESTED):
            self.pause(self.CONGESTED)
            back_pressure.when_room(lambda: self.resume(self.CONGESTED), crowded)

    def late(self, timer: IdleTimer) -> None:
        """Called when no packet arrived for too long: closes the connection, unless reading was paused meanwhile."""
        if not self.is_admitted:
            self.admission_timed_out()
        elif self.paused_for(self.OURS) or self._reads_slowly():
            timer.start(timer.patience_s)
        else:
            self.idle_timed_out()

    def _reads_slowly(self) -> bool:
        """Whether reading is paused because the client does not read, but it has read something since the last call."""
        before_bytes, self._read_bytes = self._read_bytes, self.read_bytes
        return self.paused_for(self.UNREAD) and self._read_bytes > before_bytes

    def admission_timed_out(self) -> None:
        """Closes a connection whose log-in did not arrive in time."""
        raise NotImplementedError

    def idle_timed_out(self) -> None:
        """Closes an admitted connection whose peer is silent."""
        raise NotImplementedError
