"""Bounded queue of messages whose device must be loaded from the store first; keeps their order."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from thingstead.broker.apps.messages import OneDeviceNews
from thingstead.broker.net.counters import AppCounters
from thingstead.broker.net.tasks import Tasks
from thingstead.errors import ThingsteadError
from thingstead.model.report import Report

log = structlog.get_logger("thingstead.broker")

BACKLOG_LIMIT = 100_000  # waiting messages; over it the oldest are dropped
BACKLOG_LIMIT_BYTES = 32 << 20  # the same in bytes
TURN_MESSAGES = 200  # sent from the backlog before control returns to the event loop

News = Report | OneDeviceNews
_encode = msgspec.msgpack.Encoder().encode


class AppBacklog:
    """Queue of bus messages behind one whose device is being read from the store; keeps their order.

    Args:
        tell: sends a message to its subscribers; returns False if the device must be read first.
        read: reads the device of a message; returns False if the device no longer exists.
        drain: writes what ``tell`` queued.
    """

    def __init__(
        self,
        tell: Callable[[News], bool],
        read: Callable[[News], Awaitable[bool]],
        drain: Callable[[], None],
        counters: AppCounters,
        tasks: Tasks,
    ) -> None:
        self._tell = tell
        self._read = read
        self._drain = drain
        self._counters = counters
        self._tasks = tasks
        self._waiting: deque[tuple[News, int]] = deque()  # message and its size in bytes
        self._bytes = 0
        self._working = False

    def __bool__(self) -> bool:
        """Whether messages are queued; a new message must then be queued behind them."""
        return bool(self._waiting)

    def add(self, news: News) -> None:
        """Queues a message. Over the limits the oldest is dropped, except for the first one, whose device is being
        read."""
        size = len(_encode(news))
        self._waiting.append((news, size))
        self._bytes += size
        while len(self._waiting) > 1 and (len(self._waiting) > BACKLOG_LIMIT or self._bytes > BACKLOG_LIMIT_BYTES):
            self._bytes -= self._waiting[1][1]
            del self._waiting[1]
            self._counters.news_dropped += 1
        if not self._working:
            self._working = True
            self._tasks.spawn(self._work())

    def clear(self) -> None:
        """Drops all queued messages."""
        self._waiting.clear()
        self._bytes = 0

    async def _work(self) -> None:
        turn = 0
        try:
            while self._waiting:
                await self._take_first()
                turn += 1
                if turn % TURN_MESSAGES == 0:
                    self._drain()
                    await asyncio.sleep(0)
        finally:
            self._working = False
            self._drain()

    async def _take_first(self) -> None:
        first = self._waiting[0]
        news, size = first
        try:
            await self._read_and_tell(news)
        except ThingsteadError as exc:
            log.warning("a device could not be read for its subscribers", reason=exc.message)
            self._counters.news_dropped += 1
        except Exception:
            # A bug: logged here, and it costs this message only.
            log.exception("a message for subscribers failed")
            self._counters.news_dropped += 1
        if self._waiting and self._waiting[0] is first:  # otherwise clear() was called meanwhile
            self._waiting.popleft()
            self._bytes -= size

    async def _read_and_tell(self, news: News) -> None:
        if not self._tell(news):
            self._drain()
            if await self._read(news):
                self._tell(news)
