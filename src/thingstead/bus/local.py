"""The bus of a single node: subscribers are called synchronously."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import structlog

from thingstead.bus.base import BusSubscription
from thingstead.model.messages import AnyMessage, BusMessage

M = TypeVar("M", bound=BusMessage)
log = structlog.get_logger("thingstead.bus")


class _LocalSubscription:
    def __init__(self, receivers: list[Callable[[Any], None]], receive: Callable[[Any], None]) -> None:
        self._receivers = receivers
        self._receive = receive

    def cancel(self) -> None:
        if self._receive in self._receivers:
            self._receivers.remove(self._receive)


class LocalBus:
    """Calls subscribers in the order of subscription, before :meth:`publish` returns.

    Args:
        round_trip: encode and decode every message, so that a message that a network bus could not carry fails here
            too. Used by tests.
    """

    def __init__(self, *, round_trip: bool = False) -> None:
        self._receivers: dict[type[BusMessage], list[Callable[[Any], None]]] = {}
        self._round_trip = round_trip

    def publish(self, message: BusMessage) -> None:
        receivers = self._receivers.get(type(message))
        if not receivers:
            return
        if self._round_trip:
            message = msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=AnyMessage)
        for receive in tuple(receivers):
            try:
                receive(message)
            except Exception:
                log.exception("a bus subscriber failed", message=type(message).__name__)

    def subscribe(self, kind: type[M], receive: Callable[[M], None]) -> BusSubscription:
        receivers = self._receivers.setdefault(kind, [])
        receivers.append(receive)
        return _LocalSubscription(receivers, receive)

    def listens(self, kind: type[BusMessage]) -> bool:
        return bool(self._receivers.get(kind))

    async def close(self) -> None:
        self._receivers.clear()
