"""A device on MQTT: reports, reads, and takes what is sent to it. For asyncio."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from thingstead.client.expectations import Answer, Expectations
from thingstead.client.mqtt_session import Broker, MqttSession
from thingstead.client.planes import Certificate, PastReport
from thingstead.errors import Unavailable

log = logging.getLogger("thingstead.client")

TIMEOUT_S = 30.0  # for one message, including the time to reconnect
INBOX_LIMIT = 100  # messages that wait for the handlers; over it the connection is not read
FILTERS = (
    "attributes/response",
    "attributes/series/response",
    "attributes/get/response/+",
    "attributes/push",
    "event/response/+",
    "command/send/+",
    "data/+/set",
)
T = TypeVar("T")


class ReceivedCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command for the device."""

    method: str
    params: Any = {}
    id: int = 0


PushHandler = Callable[[dict[str, Any]], Awaitable[None] | None]
CommandHandler = Callable[[ReceivedCommand], Awaitable[Mapping[str, Any] | None] | Mapping[str, Any] | None]
DataHandler = Callable[[str, bytes], Awaitable[None] | None]

_decode_push = msgspec.json.Decoder(dict[str, Any]).decode
_decode_command = msgspec.json.Decoder(ReceivedCommand).decode
encode = msgspec.json.Encoder().encode


class MqttDevice:
    """A device with an MQTT connection that reconnects automatically. Use it in an ``async with`` block.

    Methods that send return when the message is on the server's disk. They raise the error of a refusal, or Unavailable
    after ``timeout_s``; the message may arrive after that all the same. A message whose acknowledgement was lost is
    sent again and may be stored twice, except reports with a timestamp of their own.

    Handlers run one at a time, in the order of the messages. They may be coroutine functions. Their exceptions are
    logged.

    Args:
        push: called with the attributes of ``attributes/push``.
        command: executes a command; its result is the reply's ``params``, None: no reply.
        data: called with identifier and bytes of custom data.
    """

    filters: Sequence[str] = FILTERS

    def __init__(
        self,
        certificate: Certificate,
        broker: Broker | None = None,
        *,
        push: PushHandler | None = None,
        command: CommandHandler | None = None,
        data: DataHandler | None = None,
        client_id: str = "",
        keep_alive_s: int = 60,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._expectations = Expectations()
        self._session = MqttSession(
            broker or Broker(),
            certificate.access_token,
            certificate.project_key,
            self.filters,
            self._received,
            self._opened,
            self._expectations.lost,
            client_id=client_id,
            keep_alive_s=keep_alive_s,
        )
        self._push = push
        self._command = command
        self._data = data
        self._timeout_s = timeout_s
        self._inbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._handling: asyncio.Task[None] | None = None
        self._request_id = 0

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connects. Raises NotAuthenticated, or Unavailable."""
        await self._session.start()
        self._handling = asyncio.create_task(self._handle_all(), name="mqtt device")

    async def close(self) -> None:
        """Disconnects."""
        if self._handling is not None:
            self._handling.cancel()
            await asyncio.gather(self._handling, return_exceptions=True)
        await self._session.close()

    @property
    def connected(self) -> bool:
        """Whether the connection is up."""
        return self._session.connected.is_set()

    async def wait_connected(self) -> None:
        """Returns when the connection is up."""
        await self._session.connected.wait()

    async def ended(self) -> None:
        """Waits until the connection is given up, and raises the reason: NotAuthenticated, or Conflict if another
        client has taken over with the same certificate. Never returns."""
        await self._session.ended()

    # Uplink

    async def report(self, attributes: Mapping[str, Any]) -> list[str]:
        """Reports values. Returns the reasons for refused ones."""
        return (await self.send("attributes", attributes, "attributes/response")).refused

    async def report_past(self, reports: Sequence[PastReport]) -> list[str]:
        """Reports values with timestamps of their own. Returns the reasons for refused ones."""
        return (await self.send("attributes/series", reports, "attributes/series/response")).refused

    async def event(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Reports an event."""
        number = self.next_id()
        body = {"method": method, "params": params or {}}
        await self.send(f"event/report/{number}", body, f"event/response/{number}")

    async def data(self, identifier: str, payload: bytes) -> None:
        """Sends custom data to the cloud."""
        await self.send(f"data/{identifier}", payload, None)

    async def attributes(self, *keys: str) -> dict[str, Any]:
        """Reads current values from the cloud: existing ones of ``keys``, or all."""
        number = self.next_id()
        body = {"keys": keys} if keys else {}
        topic = f"attributes/get/response/{number}"
        return (await self.send(f"attributes/get/{number}", body, topic, needed=True)).attributes

    async def reply(self, command: ReceivedCommand, params: Mapping[str, Any]) -> None:
        """Replies to a command later; a command handler can simply return the reply."""
        body = {"method": command.method, "params": params, "id": command.id}
        await self.send(f"command/reply/{command.id}", body, None)

    async def send(self, topic: str, body: Any, answer_topic: str | None, *, needed: bool = False) -> Answer:
        """Publishes bytes, or a value as JSON. Returns the answer, if there is a topic for it.

        Args:
            needed: the acknowledgement without the answer does not suffice.
        """
        payload = body if isinstance(body, bytes) else encode(body)
        expected = self._expectations.expect(answer_topic, needed=needed)
        try:
            self._session.publish(topic, payload, expected.acknowledge)
        except BaseException:
            self._expectations.withdraw(answer_topic, expected)
            raise
        try:
            # Not wait_for(): in Python 3.11 it loses a cancellation that arrives together with the answer.
            async with asyncio.timeout(self._timeout_s):
                return await expected.outcome
        except TimeoutError as exc:
            raise Unavailable("no_answer", detail=f"{topic} was not acknowledged within {self._timeout_s:g} s") from exc

    def next_id(self) -> int:
        """A number that matches an answer to its request."""
        self._request_id = self._request_id % 1_000_000 + 1
        return self._request_id

    # Downlink

    def _opened(self) -> None:
        """Called after each connect and reconnect."""

    def _received(self, topic: str, payload: bytes) -> None:
        if not self._expectations.answered(topic, payload) and not topic.partition("/response")[1]:
            self._inbox.put_nowait((topic, payload))
            if self._inbox.qsize() >= INBOX_LIMIT:
                self._session.hold(True)

    async def _handle_all(self) -> None:
        while True:
            topic, payload = await self._inbox.get()
            if self._inbox.qsize() == INBOX_LIMIT // 2:
                self._session.hold(False)
            try:
                await self._handle(topic, payload)
            except Exception:
                # A bad message or handler must not end the task: the next message is handled all the same.
                log.exception("%s could not be handled", topic)

    async def _handle(self, topic: str, payload: bytes) -> None:
        if topic == "attributes/push":
            if self._push is not None:
                await result_of(self._push(_decode_push(payload)))
        elif topic.startswith("command/send/"):
            command = _decode_command(payload)
            params = None if self._command is None else await result_of(self._command(command))
            if params is not None:
                await self.reply(command, params)
        elif topic.startswith("data/") and self._data is not None:
            await result_of(self._data(topic.split("/")[1], payload))


async def result_of(outcome: Awaitable[T] | T) -> T:
    """Result of a handler, which may be a coroutine function or a plain function."""
    if inspect.isawaitable(outcome):
        result: T = await outcome
        return result
    return outcome
