"""From the bus to the applications that subscribe: nothing is heard of which nobody wants to hear."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import cast

import structlog

from thingstead.bus.base import Bus, Subscription
from thingstead.clock import Clock
from thingstead.errors import ThingsteadError
from thingstead.gateway.app_messages import ATTRIBUTES, KINDS, OneDeviceNews, attributes, message, suffix
from thingstead.gateway.app_routes import AppRoutes, deliver
from thingstead.gateway.app_subscriber import AppSubscriber
from thingstead.gateway.counters import AppCounters
from thingstead.gateway.tasks import Tasks
from thingstead.model.messages import Message, ReportsCommitted
from thingstead.model.report import Report
from thingstead.mqtt.properties import NO_PROPERTIES
from thingstead.mqtt.topics import parse_shared
from thingstead.services.subscriptions import SubscriptionService

log = structlog.get_logger("thingstead.gateway")

BACKLOG_LIMIT = 100_000  # messages that wait for their devices to be read; over it the oldest are dropped
TURN_MESSAGES = 200  # after which others have their turn, while a backlog is told

News = Report | OneDeviceNews


class AppHub:
    """Tells subscribers what happens to devices, in the order in which it happened.

    Whose device it was is remembered; where it must be read first, everything behind waits in a backlog.

    Args:
        listened: is told when the first subscriber of reports has come.
    """

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        subscriptions: SubscriptionService,
        counters: AppCounters,
        tasks: Tasks,
        listened: Callable[[], None],
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._cards = subscriptions
        self._counters = counters
        self._tasks = tasks
        self._listened = listened
        self._routes = AppRoutes()
        self._heard: dict[type[Message], Subscription] = {}
        self._wanted: Counter[type[Message]] = Counter()  # filters that may match messages of a kind
        self._begun: list[AppSubscriber] = []  # to be drained at the end of this turn
        self._backlog: deque[News] = deque()

    # Subscriptions

    def subscribe(self, topic_filter: str, subscriber: AppSubscriber, identifier: int, *, new: bool) -> None:
        """A filter, or a ``new`` identifier for one that was subscribed to already."""
        self._routes.subscribe(topic_filter, subscriber, identifier)
        if new:
            self._counters.subscriptions += 1
            for kind in _kinds(topic_filter):
                self._wanted[kind] += 1
                if self._wanted[kind] == 1:
                    self._listen(kind)

    def unsubscribe(self, topic_filter: str, subscriber: AppSubscriber) -> None:
        """A filter that was subscribed to."""
        self._routes.unsubscribe(topic_filter, subscriber)
        self._counters.subscriptions -= 1
        for kind in _kinds(topic_filter):
            self._wanted[kind] -= 1
            if not self._wanted[kind]:
                self._heard.pop(kind).cancel()

    def _listen(self, kind: type[Message]) -> None:
        if kind is ReportsCommitted:
            self._heard[kind] = self._bus.subscribe(ReportsCommitted, self._hear_reports)
            self._listened()
        else:
            self._heard[kind] = self._bus.subscribe(cast(type[OneDeviceNews], kind), self._hear)

    def close(self) -> None:
        """Hears the bus no more."""
        for subscription in self._heard.values():
            subscription.cancel()
        self._heard.clear()
        self._backlog.clear()

    # News

    def _hear_reports(self, news: ReportsCommitted) -> None:
        for report in news.reports:
            if self._backlog or not self._tell_report(report):
                self._defer(report)
        self._drain()

    def _hear(self, news: OneDeviceNews) -> None:
        if news.device_id and suffix(news) is not None:
            if self._backlog or not self._tell_one(news):
                self._defer(news)
            self._drain()

    def _tell_report(self, report: Report) -> bool:
        """False where the device must be read first."""
        card = self._cards.card(report.device_number)
        if card is None:
            return False
        route = self._routes.route(card.prefix + ATTRIBUTES)
        if not route.empty:
            self._begun += deliver(route, attributes(card, report), NO_PROPERTIES)
        return True

    def _tell_one(self, news: OneDeviceNews) -> bool:
        """As :meth:`_tell_report`."""
        card, levels = self._cards.card_by_id(news.device_id), suffix(news)
        if card is None or levels is None:
            return levels is None
        route = self._routes.route(card.prefix + levels)
        if not route.empty:
            told = message(card, news, self._clock.now_ms())
            self._begun += deliver(route, told.payload, told.properties)
        return True

    def _drain(self) -> None:
        begun, self._begun = self._begun, []
        for subscriber in begun:
            subscriber.drain()

    # What must wait

    def _defer(self, news: News) -> None:
        self._backlog.append(news)
        if len(self._backlog) == 1:
            self._tasks.spawn(self._catch_up())
        elif len(self._backlog) > BACKLOG_LIMIT:
            # The first one is being read for.
            del self._backlog[1]
            self._counters.news_dropped += 1

    async def _catch_up(self) -> None:
        turn = 0
        while self._backlog:
            news = self._backlog[0]
            try:
                await self._read_and_tell(news)
            except ThingsteadError as exc:
                log.warning("a device could not be read for its subscribers", reason=exc.message)
                self._counters.news_dropped += 1
            if self._backlog:  # else the hub was closed
                self._backlog.popleft()
            turn += 1
            if turn % TURN_MESSAGES == 0:
                self._drain()
                await asyncio.sleep(0)
        self._drain()

    async def _read_and_tell(self, news: News) -> None:
        if not self._tell(news):
            self._drain()
            device = news.device_number if isinstance(news, Report) else news.device_id
            if await self._cards.read_card(device) is not None:
                self._tell(news)

    def _tell(self, news: News) -> bool:
        return self._tell_report(news) if isinstance(news, Report) else self._tell_one(news)


def _kinds(topic_filter: str) -> list[type[Message]]:
    """What a filter ``<ProjectViewKey>/…`` may match, by its third level."""
    levels = parse_shared(topic_filter).topic_filter.split("/", 3)
    if levels[1:2] == ["#"] or levels[2:3] in (["#"], ["+"]):
        return list(KINDS.values())
    kind = KINDS.get(levels[2]) if len(levels) > 2 else None
    return [] if kind is None else [kind]
