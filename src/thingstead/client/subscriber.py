"""An application that listens to a project over MQTT (docs/app-subscription.md). For asyncio."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from thingstead.client.mqtt_session import Broker, MqttSession

INBOX_LIMIT = 1_000  # notices that wait to be consumed; over it the connection is not read
GAP = "gap"


@dataclass(frozen=True, slots=True)
class ViewKeys:
    """ProjectViewKey and ProjectViewSecret."""

    view_key: str
    view_secret: str

    def __repr__(self) -> str:
        return f"ViewKeys({self.view_key})"


class Notice(NamedTuple):
    """A message about a device. ``kind`` is the topic after the device: ``attributes``, ``event/report``,
    ``command``, ``command/reply``, ``data/<identifier>``, ``alarm``, ``online``; ``trace``, if a device was given;
    or ``gap``: the connection was lost and is back, and messages in between were missed."""

    kind: str
    view_token: str  # DeviceViewToken of the device
    payload: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The payload decoded from JSON; custom data may not be JSON."""
        return msgspec.json.decode(self.payload, type=dict[str, Any])


class Subscriber:
    """Messages of a project's devices, in an ``async with`` block, by ``async for``.

    Args:
        kinds: kinds of messages, optionally with ``+`` and ``#``; default: all.
        device: DeviceViewToken of a device; default: all devices.
    """

    def __init__(
        self,
        keys: ViewKeys,
        broker: Broker | None = None,
        *,
        kinds: Sequence[str] = ("#",),
        device: str = "+",
        keep_alive_s: int = 60,
    ) -> None:
        self._prefix = f"{keys.view_key}/"
        self._session = MqttSession(
            broker or Broker(),
            keys.view_key,
            keys.view_secret,
            [f"{self._prefix}{device}/{kind}" for kind in kinds],
            self._received,
            self._opened,
            lambda: None,
            qos=0,
            keep_alive_s=keep_alive_s,
        )
        self._inbox: deque[Notice] = deque()
        self._arrived = asyncio.Event()
        self._was_open = False

    async def __aenter__(self) -> Self:
        await self._session.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def __aiter__(self) -> AsyncIterator[Notice]:
        """All messages, in order. Raises NotAuthenticated if the secret was reset meanwhile."""
        ended = asyncio.ensure_future(self._session.ended())
        try:
            while True:
                while self._inbox:
                    notice = self._inbox.popleft()
                    if len(self._inbox) == INBOX_LIMIT // 2:
                        self._session.hold(False)
                    yield notice
                self._arrived.clear()
                arrived = asyncio.ensure_future(self._arrived.wait())
                await asyncio.wait([arrived, ended], return_when=asyncio.FIRST_COMPLETED)
                arrived.cancel()
                if ended.done() and not self._inbox:
                    await ended
        finally:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)

    def _opened(self) -> None:
        if self._was_open:
            self._put(Notice(GAP, "", b""))
        self._was_open = True

    def _received(self, topic: str, payload: bytes) -> None:
        view_token, _, kind = topic.removeprefix(self._prefix).partition("/")
        self._put(Notice(kind, view_token, payload))

    def _put(self, notice: Notice) -> None:
        self._inbox.append(notice)
        self._arrived.set()
        if len(self._inbox) >= INBOX_LIMIT:
            self._session.hold(True)
