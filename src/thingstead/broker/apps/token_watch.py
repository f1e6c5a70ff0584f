"""Closes the subscription of a scoped token when the token expires, or is not valid any more."""

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from thingstead.broker.apps.sessions import Closable
from thingstead.broker.net.tasks import Tasks
from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import NotAuthenticated, ThingsteadError, TooManyRequests
from thingstead.model.messages import ThingChanged
from thingstead.model.token_scope import SCOPED_CONNECTIONS_COUNT
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.accounts.scoped_tokens import ScopedClaims, ScopedTokenService
from thingstead.timers import Deadline, Deadlines

LOOK_INTERVAL_S = (
    60.0  # longest time between two checks of a token: the secret that signs tokens may have been replaced
)
ISSUERS = ("application", "administrator")  # kinds of things whose change may end tokens


class OpenedByToken(Protocol):
    """A handler whose connection was opened with a scoped token."""

    @property
    def connection(self) -> Closable: ...


@dataclass(slots=True)
class _TokenWatch:
    token: str
    claims: ScopedClaims
    deadline: Deadline | None = None


class WatchedTokens:
    """Connections that were opened with scoped tokens."""

    def __init__(self, tokens: ScopedTokenService, bus: Bus, deadlines: Deadlines, clock: Clock, tasks: Tasks) -> None:
        self._tokens = tokens
        self._deadlines = deadlines
        self._now_s = clock.monotonic_s
        self._tasks = tasks
        self._watched: dict[OpenedByToken, _TokenWatch] = {}
        self._connections: Counter[str] = Counter()  # by token
        self._changed = bus.subscribe(ThingChanged, self._look_at_issued)

    async def admit(self, token: str) -> ScopedClaims:
        """What a token says.

        Raises:
            NotAuthenticated: the token is not valid.
            TooManyRequests: too many connections use it.
        """
        claims = await self._tokens.authenticate(token)
        if self._connections[claims.id] >= SCOPED_CONNECTIONS_COUNT:
            raise TooManyRequests("too_many_token_connections", retry_after_s=1)
        return claims

    def watch(self, opened: OpenedByToken, token: str, claims: ScopedClaims) -> None:
        """Closes a connection when its token ends, unless :meth:`left` is called before."""
        watch = self._watched[opened] = _TokenWatch(token, claims)
        self._connections[claims.id] += 1
        self._look_in(0.0, opened, watch)

    def left(self, opened: OpenedByToken) -> None:
        """Stops watching a closed connection. Does nothing if it was not watched."""
        watch = self._watched.pop(opened, None)
        if watch is None:
            return
        if watch.deadline is not None:
            watch.deadline.cancel()
        self._connections[watch.claims.id] -= 1
        if not self._connections[watch.claims.id]:
            del self._connections[watch.claims.id]

    def close(self) -> None:
        """Cancels the bus subscription."""
        self._changed.cancel()

    def _look_at_issued(self, message: ThingChanged) -> None:
        if message.kind in ISSUERS:
            for opened, watch in list(self._watched.items()):
                if watch.claims.project_id == message.project_id:
                    self._look_in(0.0, opened, watch)

    def _look_in(self, delay_s: float, opened: OpenedByToken, watch: _TokenWatch) -> None:
        if watch.deadline is not None:
            watch.deadline.cancel()
        due_s = self._now_s() + min(delay_s, LOOK_INTERVAL_S)
        watch.deadline = self._deadlines.add(due_s, lambda: self._tasks.spawn(self._look(opened, watch)))

    async def _look(self, opened: OpenedByToken, watch: _TokenWatch) -> None:
        delay_s = LOOK_INTERVAL_S
        try:
            await self._tokens.authenticate(watch.token)
            delay_s = self._tokens.left_ms(watch.claims) / 1000
        except NotAuthenticated:
            opened.connection.close(ReasonCode.ADMINISTRATIVE_ACTION, "the token has expired or is not valid any more")
            return
        except ThingsteadError:  # the store cannot be read now
            if not self._tokens.left_ms(watch.claims):
                opened.connection.close(ReasonCode.ADMINISTRATIVE_ACTION, "the token has expired")
                return
        if self._watched.get(opened) is watch:
            self._look_in(delay_s, opened, watch)
