"""Publishes to one broker at QoS 1, over one connection that is opened when something waits and closed when it is idle.

The session outlives a connection: its client id stays the same, clean start is 0, and what was not acknowledged is sent
again with DUP on the next connection, before anything else. A message is complete when the broker acknowledges it.
After a connection that was lost, another one follows at once; if that fails, or acknowledges nothing, every waiting
message fails, and the next connection waits, longer each time.
"""

import asyncio
import random
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import structlog

from thingstead.model.outbound.mqtt import BrokerAddress, MqttEndpoint, broker_address
from thingstead.mqtt.outbound import Entry, Outbound, Settled
from thingstead.mqtt.properties import NO_PROPERTIES, Properties, Property
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.refusals import reason
from thingstead.services.outbound.addresses import is_private
from thingstead.services.outbound.http import SendFailed, connection_failure
from thingstead.services.outbound.mqtt.link import V5, VERSIONS, BrokerLimits, MqttLink, message_bytes, told
from thingstead.services.outbound.network import SHORTEST_TRY_S, Resolver
from thingstead.services.outbound.tls import client_context

log = structlog.get_logger("thingstead.outbound")

QUEUE_LIMIT = 4_096  # messages of one broker that wait or are in flight
QUEUE_BYTES_LIMIT = 16_777_216  # of them
IDLE_TIMEOUT_S = 60.0
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
# Answers to a PUBLISH that stay the same when it is repeated. Others (quota, not authorized) may be mended.
PERMANENT = frozenset({ReasonCode.TOPIC_NAME_INVALID, ReasonCode.PAYLOAD_FORMAT_INVALID, ReasonCode.PACKET_TOO_LARGE})


class MqttMessage(NamedTuple):
    """A message to publish. ``id`` stays the same when it is repeated, and is a user property in MQTT 5."""

    id: str
    topic: str
    payload: bytes


class _Waiter:
    """A message that waits for its acknowledgement, or stays in the session after its caller gave up."""

    __slots__ = ("entry", "future", "id", "publish")

    def __init__(self, message_id: str, publish: Publish, future: asyncio.Future[None]) -> None:
        self.id = message_id
        self.publish = publish
        self.future = future
        self.entry: Entry | None = None  # in the session


class MqttClient:
    """A session with one broker. Not connected until something is published.

    Args:
        client_id: of the session; the one of the endpoint goes before it.
        private_addresses: whether the broker may have a private address now.
        timeout_s: for a connection with its CONNACK, and for each answer after that.
    """

    def __init__(
        self,
        endpoint: MqttEndpoint,
        client_id: str,
        resolver: Resolver,
        private_addresses: Callable[[], bool],
        timeout_s: float,
        idle_s: float = IDLE_TIMEOUT_S,
    ) -> None:
        self._endpoint = endpoint
        self._client_id = endpoint.client_id or client_id
        self._resolver = resolver
        self._private_addresses = private_addresses
        self._timeout_s = timeout_s
        self._idle_s = idle_s
        self._version = VERSIONS[endpoint.version]
        self._outbound = Outbound(QUEUE_LIMIT, QUEUE_BYTES_LIMIT)
        self._waiting: dict[str, _Waiter] = {}  # by id of the message
        self._packet_bytes: int | None = None  # longest packet that the broker takes; None: not known, or any
        self._tls: ssl.SSLContext | None = None
        self._link: MqttLink | None = None
        self._task: asyncio.Task[None] | None = None
        self._pump_scheduled = False
        self._acknowledged = 0
        self._failures = 0
        self._not_before = 0.0  # of the next connection, on the clock of the event loop
        self._failed: SendFailed | None = None  # the last failure
        self._inner = False  # the broker has a private address
        self._closing = False
        self.connections = 0  # that were accepted

    async def publish(self, message: MqttMessage) -> None:
        """Returns when the broker has acknowledged the message.

        Raises:
            SendFailed: it did not, or refused it. What was sent stays in the session, and is sent again with DUP.
        """
        future = self.offer(message)
        try:
            await future
        finally:
            if future.cancelled():
                self.abandon(message.id)

    def offer(self, message: MqttMessage) -> asyncio.Future[None]:
        """Queues a message, behind those that were offered before. The future is done when the broker has acknowledged
        it, or fails as :meth:`publish` does. After it was cancelled, call :meth:`abandon`."""
        loop = asyncio.get_running_loop()
        waiter = self._waiting.get(message.id)
        if waiter is not None and not waiter.future.done():
            return waiter.future
        future: asyncio.Future[None] = loop.create_future()
        failed = self._refusal(message, loop.time())
        if failed is None and waiter is not None:  # still in flight
            waiter.future = future
        elif failed is None:
            waiter = _Waiter(message.id, self._packet(message), future)
            size_bytes = message_bytes(message.topic, message.payload)
            waiter.entry = self._outbound.offer(waiter.publish, waiter, size_bytes=size_bytes)
            if waiter.entry is None:
                failed = SendFailed(reason("mqtt_queue_full", maximum=QUEUE_LIMIT))
            else:
                self._waiting[message.id] = waiter
        if failed is None:
            self._start()
        else:
            _fail(future, failed)
        return future

    def abandon(self, message_id: str) -> None:
        """Forgets a message that nobody waits for, unless it is in flight."""
        waiter = self._waiting.get(message_id)
        if waiter is not None and waiter.entry is not None and not waiter.entry.sent:
            self._outbound.withdraw(waiter.entry)
            del self._waiting[message_id]

    async def close(self) -> None:
        """Ends the connection."""
        self._closing = True
        if self._link is not None:
            self._link.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._fail_all(SendFailed(reason("mqtt_closed")))

    @property
    def idle(self) -> bool:
        """Whether no message waits and no connection is open."""
        return self._task is None and not self._any_waits()

    def _refusal(self, message: MqttMessage, now_s: float) -> SendFailed | None:
        if self._closing:
            return SendFailed(reason("mqtt_closed"))
        if self._task is None and self._failed is not None and self._not_before > now_s:
            return _again(self._failed, self._not_before - now_s)
        if self._packet_bytes is not None and len(self._packet(message).serialize(self._version)) > self._packet_bytes:
            return self._too_large()
        return None

    def _too_large(self) -> SendFailed:
        why = reason("mqtt_too_large", maximum=self._packet_bytes or 0)
        return SendFailed(why, permanent=True, inner=self._inner)

    def _packet(self, message: MqttMessage) -> Publish:
        """The PUBLISH of a message; the session sets its packet identifier."""
        properties = _properties(message) if self._version is V5 else NO_PROPERTIES
        return Publish(message.topic, message.payload, 1, 1, retain=self._endpoint.retain, properties=properties)

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="outgoing-mqtt")
        elif not self._pump_scheduled:
            self._pump_scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_scheduled = False
        if self._link is not None:
            self._link.pump()

    # Connections

    async def _run(self) -> None:
        try:
            while await self._serve():
                pass
        except Exception:
            log.exception("a connection to a broker failed")  # a bug
            self._broke(SendFailed(reason("notice_not_made")))
        finally:
            self._task, self._link = None, None
            if not self._closing and self._any_waits():  # offered in the meantime
                self._start()

    async def _serve(self) -> bool:
        """Opens one connection, and waits for its end. Returns whether another one is to follow."""
        acknowledged = self._acknowledged
        try:
            self._link = link = await self._connect()
        except SendFailed as exc:
            self._broke(exc)
            return False
        ended = await self._watch(link)
        self._link = None
        if ended is None:  # idle
            return False
        ended = _copy(ended, inner=self._inner)
        if self._acknowledged == acknowledged and self._any_waits():
            self._broke(ended)
            return False
        self._failed = ended
        return self._any_waits() and not self._closing

    def _any_waits(self) -> bool:
        return any(not waiter.future.done() for waiter in self._waiting.values())

    async def _watch(self, link: MqttLink) -> SendFailed | None:
        """Waits for the end of a connection; closes it when it is idle."""
        while True:
            done, _ = await asyncio.wait([link.ended], timeout=self._idle_s)
            if done:
                return link.ended.result()
            if not self._any_waits():
                link.close()

    def _broke(self, failed: SendFailed) -> None:
        """Notes that connecting, or a connection, failed; every waiting message fails."""
        self._failures += 1
        longest_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self._failures - 1, 10))
        self._not_before = asyncio.get_running_loop().time() + random.uniform(longest_s / 2, longest_s)  # noqa: S311 - jitter
        self._failed = failed
        self._fail_all(failed)

    def _fail_all(self, failed: SendFailed) -> None:
        for waiter in list(self._waiting.values()):
            if not waiter.future.done():
                _fail(waiter.future, _copy(failed))
            self.abandon(waiter.id)

    async def _connect(self) -> MqttLink:
        """A connection that the broker has accepted, and whose session is resumed."""
        address = broker_address(self._endpoint.url)
        self._inner = False
        try:
            async with asyncio.timeout(self._timeout_s):
                private = self._private_addresses()
                allowed = await self._resolver.permitted(address.host, address.port, private=private)
                self._inner = any(is_private(each) for each in allowed)
                link = await self._open(address, allowed)
                try:
                    limits = await asyncio.shield(link.connected)
                except BaseException:
                    link.close()
                    raise
        except SendFailed as exc:
            raise _copy(exc, inner=self._inner) from None
        except Exception as exc:
            raise connection_failure(exc, self._timeout_s, inner=self._inner) from exc
        if self._endpoint.retain and not limits.retain:
            link.close()
            raise SendFailed(reason("mqtt_no_retain"), inner=self._inner)
        self.connections += 1
        self._packet_bytes = limits.packet_bytes
        self._resume(link, limits)
        return link

    async def _open(self, address: BrokerAddress, allowed: list[str]) -> MqttLink:
        if address.tls and self._tls is None:
            endpoint = self._endpoint
            # In a thread: reading the authorities of the system takes some 20 ms.
            self._tls = await asyncio.to_thread(client_context, endpoint.ca, endpoint.certificate, endpoint.key)
        loop = asyncio.get_running_loop()
        try_s = max(SHORTEST_TRY_S, self._timeout_s / len(allowed))
        for left, host in zip(range(len(allowed) - 1, -1, -1), allowed, strict=True):
            try:
                async with asyncio.timeout(try_s):
                    _, link = await loop.create_connection(
                        self._make_link,
                        host,
                        address.port,
                        ssl=self._tls,
                        server_hostname=(self._endpoint.server_name or address.host) if address.tls else None,
                    )
                    return link
            except OSError:  # TimeoutError, too
                if not left:
                    raise
        raise AssertionError("the last one raises")

    def _make_link(self) -> MqttLink:
        return MqttLink(self._endpoint, self._client_id, self._outbound, self._settle, self._timeout_s)

    def _resume(self, link: MqttLink, limits: BrokerLimits) -> None:
        """Resumes the session on a new connection, without messages that the broker does not take."""
        if limits.packet_bytes is not None:
            for entry in self._outbound.entries():
                if len(entry.message.serialize(self._version)) > limits.packet_bytes:
                    self._outbound.withdraw(entry)
                    self._forget(entry.context, self._too_large())
        if not limits.session_present:
            # What was in flight is published anew, in the same order.
            for settled in self._outbound.clear():
                waiter: _Waiter = settled.context
                waiter.publish.dup = False
                waiter.entry = self._outbound.offer(waiter.publish, waiter, size_bytes=settled.entry.size_bytes)
        link.resume(limits.receive_maximum)

    def _settle(self, settled: Settled) -> None:
        self._acknowledged += 1
        self._failures, self._not_before = 0, 0.0
        code, failed = settled.reason_code, None
        if code >= 0x80:
            why = reason("mqtt_not_taken", detail=told(code, NO_PROPERTIES))
            failed = SendFailed(why, permanent=code in PERMANENT, inner=self._inner)
        self._forget(settled.context, failed)

    def _forget(self, waiter: _Waiter, failed: SendFailed | None) -> None:
        """Ends the waiting for a message."""
        del self._waiting[waiter.id]
        if waiter.future.done():
            return
        if failed is None:
            waiter.future.set_result(None)
        else:
            _fail(waiter.future, failed)


def _fail(future: asyncio.Future[None], failed: SendFailed) -> None:
    future.set_exception(failed)
    future.exception()  # it may be that nobody waits for it


def _properties(message: MqttMessage) -> Properties:
    return {
        Property.PAYLOAD_FORMAT_INDICATOR: 1,
        Property.CONTENT_TYPE: "application/json",
        Property.USER_PROPERTY: (("id", message.id),),
    }


def _copy(failed: SendFailed, *, inner: bool | None = None) -> SendFailed:
    """A failure for one of several that wait: an exception that is raised twice collects tracebacks."""
    return SendFailed(
        failed.why,
        permanent=failed.permanent,
        retry_after_s=failed.retry_after_s,
        slow=failed.slow,
        inner=failed.inner if inner is None else inner,
    )


def _again(failed: SendFailed, wait_s: float) -> SendFailed:
    """The last failure, while the next connection waits."""
    return SendFailed(failed.why, retry_after_s=max(1, round(wait_s)), slow=failed.slow, inner=failed.inner)
