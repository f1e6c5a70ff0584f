"""Kafka: a record for each message, whose key is the id of the device, so that its messages stay in order.

The library opens connections by itself, also to brokers that others name. Each is made here instead: to a checked
address, with a limit of received bytes.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import aiokafka.client
from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka
from aiokafka.conn import AIOKafkaConnection, ScramAuthenticator

from thingstead.model.forwarding.configs.kafka import KafkaConfig
from thingstead.model.forwarding.message import ForwardMessage, listed_one
from thingstead.model.forwarding.target import ANSWER_BYTES
from thingstead.refusals import Reason, reason
from thingstead.services.forwarding.target import OpenContext, TargetRefusal, TransientFailure
from thingstead.services.outbound.addresses import is_private
from thingstead.services.outbound.http import SendFailed, connection_failure
from thingstead.services.outbound.network import AddressForbidden, Resolver, Unresolved
from thingstead.services.outbound.scram import check_rounds
from thingstead.services.outbound.tls import client_context

TIMEOUT_MS = 9_000  # of a request, and of a record; shorter than that of a batch
LINGER_MS = 5
PARTITION_BATCH_BYTES = 131_072  # of one partition, sent at once
RECORD_MAX_BYTES = 1_048_576  # what brokers take by default
# Of all connections of a target. The library decodes in the event loop: a MiB of metadata takes it 0.2 s and more.
RECEIVED_MAX_BYTES = 524_288  # at once: the metadata of some 10,000 partitions …
RECEIVED_BYTES_PER_S = 32_768  # … in the long run …
RECEIVED_BYTES_EACH = 128  # … and for each record sent
CLOSE_TIMEOUT_S = 5.0
REFUSED = (kafka.MessageSizeTooLargeError, kafka.InvalidMessageError, kafka.RecordListTooLargeError)
PAUSING = (
    kafka.AuthenticationFailedError, kafka.AuthenticationMethodNotSupported, kafka.ClusterAuthorizationFailedError,
    kafka.InvalidTopicError, kafka.TopicAuthorizationFailedError, kafka.UnknownTopicOrPartitionError,
    kafka.UnsupportedSaslMechanismError, kafka.UnsupportedVersionError,
)  # fmt: skip

# What fails is told by the state of the target.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


class Guard:
    """Opens the connections of one target, and bounds what is received over them."""

    def __init__(self, resolver: Resolver, private: Callable[[], bool]) -> None:
        self._resolver = resolver
        self._private = private
        self._left_bytes = float(RECEIVED_MAX_BYTES)
        self._at_s = time.monotonic()
        self.inner = False  # a broker has a private address
        self.failed: SendFailed | None = None  # the last refused address or overrun

    def allow(self, records: int) -> None:
        """Tells that records are sent, which have answers."""
        self._left_bytes = min(RECEIVED_MAX_BYTES, self._left_bytes + records * RECEIVED_BYTES_EACH)

    async def connect(
        self, loop: asyncio.AbstractEventLoop, make: Callable[[], Any], host: str, port: int, tls: Any
    ) -> Any:
        """A connection to a checked address. Raises OSError, which the library expects."""
        try:
            allowed = await self._resolver.permitted(host, port, private=self._private())
        except (AddressForbidden, Unresolved) as exc:
            self.failed = connection_failure(exc, TIMEOUT_MS / 1000, inner=False)
            raise OSError(self.failed.reason) from exc
        self.inner = self.inner or any(is_private(each) for each in allowed)
        name = host if tls is not None else None
        for address in allowed[:-1]:
            with suppress(OSError):
                return await loop.create_connection(
                    lambda: self._counted(make()), address, port, ssl=tls, server_hostname=name
                )
        return await loop.create_connection(
            lambda: self._counted(make()), allowed[-1], port, ssl=tls, server_hostname=name
        )

    def _counted(self, protocol: Any) -> Any:
        """A protocol of the library that receives no more than it may."""
        receive = protocol.data_received

        def received(data: bytes) -> None:
            now_s = time.monotonic()
            refill = (now_s - self._at_s) * RECEIVED_BYTES_PER_S
            self._left_bytes = min(RECEIVED_MAX_BYTES, self._left_bytes + refill) - len(data)
            self._at_s = now_s
            if self._left_bytes < 0:
                self.failed = SendFailed(reason("answers_too_long"))
                protocol._transport.abort()
            else:
                receive(data)

        protocol.data_received = received
        return protocol


_GUARD: ContextVar[Guard] = ContextVar("_GUARD")  # of the producer whose task it is


class _Loop:
    """The event loop, as a connection of the library sees it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, guard: Guard) -> None:
        self._loop = loop
        self.guard = guard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(self, make: Callable[[], Any], host: str, port: int, *, ssl: Any = None) -> Any:
        return await self.guard.connect(self._loop, make, host, port, ssl)


class _Scram(ScramAuthenticator):  # type: ignore[misc]
    """Refuses to hash for long: it would take a thread of all, and a core."""

    def __init__(self, guard: Guard, **options: Any) -> None:
        super().__init__(**options)
        self._guard = guard

    def process_server_first_message(self, server_first: str) -> None:
        try:
            check_rounds(server_first)
        except SendFailed as exc:
            self._guard.failed = exc
            raise kafka.AuthenticationFailedError(exc.reason) from exc
        super().process_server_first_message(server_first)


class _GuardedConnection(AIOKafkaConnection):  # type: ignore[misc]
    """A connection of the library, with the log-in above."""

    def authenticator_scram(self) -> ScramAuthenticator:
        return _Scram(
            self._loop.guard,
            loop=self._loop,
            sasl_plain_password=self._sasl_plain_password,
            sasl_plain_username=self._sasl_plain_username,
            sasl_mechanism=self._sasl_mechanism,
        )


async def _create_conn(host: str, port: int, **options: Any) -> AIOKafkaConnection:
    """In place of the library's function of the same meaning."""
    connection = _GuardedConnection(host, port, **options)
    connection._loop = _Loop(connection._loop, _GUARD.get())
    await connection.connect()
    return connection


aiokafka.client.create_conn = _create_conn


class KafkaSession:
    """See :class:`~thingstead.services.forwarding.target.TargetSession`. One producer, which all lanes share."""

    def __init__(self, context: OpenContext, config: KafkaConfig) -> None:
        self._context = context
        self._config = config
        self._guard = Guard(context.http.resolver, context.private_addresses)
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def send(self, batch: Sequence[ForwardMessage]) -> Sequence[TargetRefusal | None] | None:
        try:
            producer = await self._started()
            self._guard.allow(len(batch))
            results = await self._sent(producer, batch)
        except asyncio.CancelledError:
            self._drop()
            raise
        except Exception as exc:
            self._drop()
            raise self._transient(exc) from exc
        failed = next((each for each in results if each is not None and not isinstance(each, REFUSED)), None)
        if failed is not None:
            self._drop()
            raise self._transient(failed) from failed
        refusals = [None if each is None else TargetRefusal(self._why(each)) for each in results]
        return refusals if any(refusals) else None

    async def close(self) -> None:
        """Drops all connections."""
        self._drop()
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _sent(self, producer: AIOKafkaProducer, batch: Sequence[ForwardMessage]) -> list[Exception | None]:
        """The outcome of each message: None, or why it failed."""
        sent: list[Any] = []
        for message in batch:
            try:
                sent.append(
                    await producer.send(
                        self._config.topic,
                        listed_one(message),
                        message.device.id.encode(),
                        timestamp_ms=message.ts,
                        headers=[("id", message.id.encode()), ("kind", message.kind.encode())],
                    )
                )
            except REFUSED as exc:
                sent.append(exc)
        pending = [each for each in sent if not isinstance(each, Exception)]
        if pending:
            await asyncio.wait(pending)
        return [each if isinstance(each, Exception) else each.exception() for each in sent]

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                self._guard.failed = None
                _GUARD.set(self._guard)  # tasks of the producer inherit it
                producer = AIOKafkaProducer(**await asyncio.to_thread(_options, self._config))
                try:
                    await producer.start()
                except BaseException:
                    self._close_later(producer)
                    raise
                self._producer = producer
            return self._producer

    def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            self._close_later(producer)

    def _close_later(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.create_task(_stop(producer), name="kafka-close")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _why(self, error: BaseException) -> Reason:
        if self._guard.inner and not self._context.shows_private():
            return reason("notice_not_taken")
        said = str(error) or type(error).__name__
        return reason("kafka_failed", detail=said[: ANSWER_BYTES // 4])

    def _transient(self, error: BaseException) -> TransientFailure:
        failed = self._guard.failed
        if isinstance(error, SendFailed):
            failed = error
        if failed is not None:
            return TransientFailure(failed.why, pause=failed.permanent)
        return TransientFailure(self._why(error), pause=isinstance(error, PAUSING))


async def _stop(producer: AIOKafkaProducer) -> None:
    """Ends a producer; what it did not send yet is sent again by another one."""
    with suppress(Exception):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await producer.stop()
    with suppress(Exception):
        await producer.client.close()


def _options(config: KafkaConfig) -> dict[str, Any]:
    protocol = "SASL_" if config.sasl is not None else ""
    options: dict[str, Any] = {
        "bootstrap_servers": list(config.servers),
        "client_id": "thingstead",
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": LINGER_MS,
        "max_batch_size": PARTITION_BATCH_BYTES,
        "max_request_size": RECORD_MAX_BYTES,
        "request_timeout_ms": TIMEOUT_MS,
        "compression_type": None if config.compression == "none" else config.compression,
        "security_protocol": protocol + ("SSL" if config.tls else "PLAINTEXT"),
    }
    if config.tls:
        options["ssl_context"] = client_context(config.ca, None, None)
    if config.sasl is not None:
        options |= {
            "sasl_mechanism": config.sasl,
            "sasl_plain_username": config.user_name,
            "sasl_plain_password": config.password,
        }
    return options


async def open_target(context: OpenContext, config: Any) -> KafkaSession:
    """Opens a cluster; connections are made when something is sent."""
    return KafkaSession(context, config)
