"""Closes the subscription of a browser when its session ends."""

from typing import Protocol

from thingstead.broker.net.tasks import Tasks
from thingstead.broker.net.upgrade import Upgrade
from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import NotAuthenticated, ThingsteadError
from thingstead.model.browser_session import BrowserSession
from thingstead.model.messages import BrowserSessionsEnded
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.accounts.browser_sessions import BrowserSessionService, Person
from thingstead.timers import Deadline, Deadlines

LOOK_INTERVAL_S = 3600.0  # longest time between two checks of a session: the clock may have been set
RETRY_S = 60.0  # after a failed read


class Closable(Protocol):
    """A connection that is closed when its session ends."""

    def close(self, reason_code: ReasonCode, reason: str) -> None: ...


class Opened(Protocol):
    """A handler whose connection was opened with a session."""

    @property
    def connection(self) -> Closable: ...


class _Watch:
    __slots__ = ("deadline", "session")

    def __init__(self, session: BrowserSession) -> None:
        self.session = session
        self.deadline: Deadline | None = None


class WatchedSessions:
    """Admits pages of this server by the browser's session, and closes their connections when that session ends."""

    def __init__(
        self, sessions: BrowserSessionService, bus: Bus, deadlines: Deadlines, clock: Clock, tasks: Tasks
    ) -> None:
        self._sessions = sessions
        self._deadlines = deadlines
        self._now_s = clock.monotonic_s
        self._tasks = tasks
        self._watched: dict[Opened, _Watch] = {}
        self._ended = bus.subscribe(BrowserSessionsEnded, self._end)

    async def admit(self, upgrade: Upgrade) -> Person:
        """Returns the administrator whose browser session the request has.

        Raises:
            NotAuthenticated: the session is not valid, or the page is not from this server.
        """
        if not upgrade.from_own_page:
            raise NotAuthenticated("foreign_origin")
        name = await self._sessions.cookie_name(secure=upgrade.secure)
        return await self._sessions.authenticate(upgrade.secrets.get(name, ""))

    def watch(self, opened: Opened, session: BrowserSession) -> None:
        """Closes a connection when the session ends, unless :meth:`left` is called before."""
        watch = self._watched[opened] = _Watch(session)
        self._look_in(0.0, opened, watch)

    def left(self, opened: Opened) -> None:
        """Stops watching a closed connection. Does nothing if it was not watched."""
        watch = self._watched.pop(opened, None)
        if watch is not None and watch.deadline is not None:
            watch.deadline.cancel()

    def close(self) -> None:
        """Cancels the bus subscriptions and the timers."""
        self._ended.cancel()

    def _end(self, message: BrowserSessionsEnded) -> None:
        ended = set(message.session_ids)
        for opened, watch in list(self._watched.items()):
            if watch.session.id in ended:
                opened.connection.close(ReasonCode.ADMINISTRATIVE_ACTION, message.reason)

    def _look_in(self, delay_s: float, opened: Opened, watch: _Watch) -> None:
        due_s = self._now_s() + min(delay_s, LOOK_INTERVAL_S)
        watch.deadline = self._deadlines.add(due_s, lambda: self._tasks.spawn(self._look(opened, watch)))

    async def _look(self, opened: Opened, watch: _Watch) -> None:
        try:
            left_s = await self._sessions.left_s(watch.session)
        except ThingsteadError:  # the store cannot be read now
            left_s = RETRY_S
        if self._watched.get(opened) is not watch:
            return
        if left_s > 0:
            self._look_in(left_s, opened, watch)
        else:
            opened.connection.close(ReasonCode.ADMINISTRATIVE_ACTION, "the session has expired")
