"""Fans messages of the bus out to subscribed applications; subscribes to the bus only while an application needs it."""

from collections import Counter
from collections.abc import Callable
from typing import cast

import structlog

from thingstead.broker.apps.backlog import AppBacklog, News
from thingstead.broker.apps.messages import (
    ATTRIBUTES,
    CHANGED,
    KINDS,
    PROJECT,
    TRACE,
    OneDeviceNews,
    attributes,
    changed,
    message,
    suffixes,
)
from thingstead.broker.apps.routes import AppRoutes, deliver
from thingstead.broker.apps.subscriber import AppSubscriber
from thingstead.broker.net.counters import AppCounters
from thingstead.broker.net.tasks import Tasks
from thingstead.bus.base import Bus, BusSubscription
from thingstead.clock import Clock
from thingstead.model.messages import BusMessage, MessageTraced, ReportsCommitted, ThingChanged
from thingstead.model.report import Report
from thingstead.mqtt.properties import NO_PROPERTIES
from thingstead.mqtt.topics import parse_shared
from thingstead.services.mqtt.subscriptions import SubscriptionService

log = structlog.get_logger("thingstead.broker")


class AppFanout:
    """Sends messages of devices to subscribers, in the order in which they were published.

    Caches the project and DeviceViewToken of each device. While they are loaded, later messages wait in the backlog, so
    that order is kept.

    Args:
        listened: called when the first subscriber of reports has subscribed.
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
        subscriptions.stale = self._forget_scopes
        self._scoped = 0  # subscriptions of scoped tokens
        self._counters = counters
        self._listened = listened
        self._routes = AppRoutes()
        self._trace_routes = AppRoutes()  # of filters that name the trace of a device
        self._project_routes = AppRoutes()  # of filters that name $project, which no wildcard matches
        self._heard: dict[type[BusMessage], BusSubscription] = {}
        self._wanted: Counter[type[BusMessage]] = Counter()  # filters that may match messages of a kind
        self._begun: list[AppSubscriber] = []  # to be drained at the end of this turn of the event loop
        self._backlog = AppBacklog(self._tell, self._read, self._drain, counters, tasks)

    # Subscriptions

    def subscribe(self, topic_filter: str, subscriber: AppSubscriber, identifier: int, *, new: bool) -> None:
        """Adds a subscription (``new``), or changes the identifier of an existing one."""
        self._routes_of(topic_filter).subscribe(topic_filter, subscriber, identifier)
        if new:
            self._counters.subscriptions += 1
            self._scoped += subscriber.scope is not None
            for kind in _kinds(topic_filter):
                self._wanted[kind] += 1
                if self._wanted[kind] == 1:
                    self._listen(kind)

    def unsubscribe(self, topic_filter: str, subscriber: AppSubscriber) -> None:
        """Removes an existing subscription."""
        self._routes_of(topic_filter).unsubscribe(topic_filter, subscriber)
        self._counters.subscriptions -= 1
        self._scoped -= subscriber.scope is not None
        for kind in _kinds(topic_filter):
            self._wanted[kind] -= 1
            if not self._wanted[kind]:
                self._heard.pop(kind).cancel()

    def _forget_scopes(self) -> None:
        """A device may have moved into a scope, or out of it."""
        if self._scoped:
            self._routes.forget()

    def _routes_of(self, topic_filter: str) -> AppRoutes:
        if _second_level(topic_filter) == PROJECT:
            return self._project_routes
        return self._trace_routes if traced_token(topic_filter) is not None else self._routes

    def _listen(self, kind: type[BusMessage]) -> None:
        if kind is ReportsCommitted:
            self._heard[kind] = self._bus.subscribe(ReportsCommitted, self._hear_reports)
            self._listened()
        elif kind is ThingChanged:
            self._heard[kind] = self._bus.subscribe(ThingChanged, self._hear_change)
        else:
            self._heard[kind] = self._bus.subscribe(cast(type[OneDeviceNews], kind), self._hear)

    def close(self) -> None:
        """Cancels the bus subscriptions and drops the backlog."""
        for subscription in self._heard.values():
            subscription.cancel()
        self._heard.clear()
        self._backlog.clear()

    # Messages from the bus

    def _hear_reports(self, news: ReportsCommitted) -> None:
        for report in news.reports:
            self._hear_one(report)
        self._drain()

    def _hear(self, news: OneDeviceNews) -> None:
        if news.device_id and suffixes(news):
            self._hear_one(news)
            self._drain()

    def _hear_change(self, news: ThingChanged) -> None:
        view_key = self._cards.view_key_of(news.project_id)
        if view_key is not None:
            route = self._project_routes.route(f"{view_key}/{CHANGED}")
            if not route.empty:
                deliver(route, changed(news, self._clock.now_ms()), NO_PROPERTIES, self._begun)
                self._drain()

    def _hear_one(self, news: News) -> None:
        try:
            if self._backlog or not self._tell(news):
                self._backlog.add(news)
        except Exception:
            # A bug: logged here, and it costs this message only.
            log.exception("a message for subscribers failed")
            self._counters.news_dropped += 1

    def _tell(self, news: News) -> bool:
        """Sends a message to its subscribers. Returns False if the device must be read first."""
        return self._tell_report(news) if isinstance(news, Report) else self._tell_one(news)

    def _tell_report(self, report: Report) -> bool:
        card = self._cards.card(report.device_number)
        if card is None:
            return False
        route = self._routes.route(card.prefix + ATTRIBUTES, card)
        if not route.empty:
            deliver(route, attributes(card, report), NO_PROPERTIES, self._begun)
        return True

    def _tell_one(self, news: OneDeviceNews) -> bool:
        card = self._cards.card_by_id(news.device_id)
        if card is None:
            return False
        routes = self._trace_routes if isinstance(news, MessageTraced) else self._routes
        for levels in suffixes(news):
            route = routes.route(card.prefix + levels, card)
            if not route.empty:
                told = message(card, news, levels, self._clock.now_ms())
                deliver(route, told.payload, told.properties, self._begun)
        return True

    def _drain(self) -> None:
        begun, self._begun = self._begun, []
        for subscriber in begun:
            subscriber.drain()

    async def _read(self, news: News) -> bool:
        """Reads the device of a message. Returns False if the device no longer exists."""
        device = news.device_number if isinstance(news, Report) else news.device_id
        return await self._cards.read_card(device) is not None


def traced_token(topic_filter: str) -> str | None:
    """The second level of ``<ProjectViewKey>/<DeviceViewToken>/trace``; None of another filter."""
    levels = parse_shared(topic_filter).topic_filter.split("/")
    return levels[1] if levels[2:3] == [TRACE] else None


def _second_level(topic_filter: str) -> str:
    levels = parse_shared(topic_filter).topic_filter.split("/", 2)
    return levels[1] if len(levels) > 1 else ""


def _kinds(topic_filter: str) -> list[type[BusMessage]]:
    """Kinds of bus messages that a filter ``<ProjectViewKey>/…`` may match, by its third level."""
    levels = parse_shared(topic_filter).topic_filter.split("/", 3)
    if levels[1:2] == [PROJECT]:
        return [ThingChanged]
    if levels[1:2] == ["#"] or levels[2:3] in (["#"], ["+"]):
        return [kind for kinds in KINDS.values() for kind in kinds]
    if levels[2:3] == [TRACE]:
        return [MessageTraced]
    return list(KINDS.get(levels[2], ())) if len(levels) > 2 else []
