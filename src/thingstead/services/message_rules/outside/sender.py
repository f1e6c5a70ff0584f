"""Sends messages of rules over HTTP and MQTT."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from thingstead.clock import Clock
from thingstead.config import NotifySettings
from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.outgoing import OutgoingMessage
from thingstead.model.outbound.mqtt import MqttEndpoint, topic_of
from thingstead.refusals import reason
from thingstead.services.outbound.addresses import private_allowed
from thingstead.services.outbound.http import HttpResponse, HttpSender, SendFailed
from thingstead.services.outbound.mqtt.client import MqttClient, MqttMessage
from thingstead.services.outbound.network import Resolver
from thingstead.services.outbound.signing import signed_headers
from thingstead.storage.base import Store

BROKERS_LIMIT = 256  # connections to brokers, of all projects
PROJECT_BROKERS_LIMIT = 64  # of one project
REQUESTS_LIMIT = 8  # of one action, at once, for different devices
TURN_S = 10.0  # after which an action begins no further request, so that slow addresses do not keep others waiting
LOOK_S = 10.0  # from one count of the projects to the next
RETRY_STATUS = frozenset({401, 403, 407, 408, 425, 429})  # credentials may be mended in time
RETRY_AFTER_MAX_S = 3_600

Delivered = Mapping[int, SendFailed | None]  # by number of the message; None: it was accepted


class OutsideSender:
    """Connections to addresses and brokers of rules."""

    def __init__(self, store: Store, clock: Clock, settings: NotifySettings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._http = HttpSender(timeout_s=settings.timeout_s, private_addresses=False)
        self._resolver = Resolver()
        self._brokers: dict[tuple[str, MqttEndpoint], MqttClient] = {}  # by project; the one used last is the last
        self._private = False
        self._tenants = 1
        self._looked_s: float | None = None

    async def deliver(self, action: Action, messages: Sequence[OutgoingMessage]) -> Delivered:
        """Sends messages of one action, those of a device in order; one that fails and may be repeated holds back the
        later ones of its device, which are left out of the result. So are those that are not sent within a turn."""
        await self._look()
        if action.mqtt is not None:
            found = await self._publish(action.mqtt, messages)
        else:
            found = await self._post(action, messages)
        return {number: None if failed is None else self._shown(failed) for number, failed in found.items()}

    async def close(self) -> None:
        """Drops all connections."""
        await self._http.close()
        await asyncio.gather(*(client.close() for client in self._brokers.values()))
        self._brokers.clear()
        self._resolver.close()

    async def _look(self) -> None:
        """Counts the projects: with several, private addresses are refused unless the operator allows them."""
        now_s = self._clock.monotonic_s()
        if self._looked_s is not None and now_s - self._looked_s < LOOK_S:
            return
        self._tenants = await self._store.projects.count()
        self._private = private_allowed(self._settings.private_addresses, self._tenants)
        self._http.private_addresses = self._private
        self._looked_s = now_s

    def _shown(self, failed: SendFailed) -> SendFailed:
        """A failure at a private address, reduced to what a tenant may see."""
        if not failed.inner or self._tenants <= 1:
            return failed
        return SendFailed(
            reason("notice_not_taken"), permanent=failed.permanent, retry_after_s=failed.retry_after_s, inner=True
        )

    # HTTP

    async def _post(self, action: Action, messages: Sequence[OutgoingMessage]) -> Delivered:
        devices: dict[str, list[OutgoingMessage]] = {}
        for message in messages:
            devices.setdefault(message.device_id, []).append(message)
        found: dict[int, SendFailed | None] = {}
        turns = asyncio.Semaphore(REQUESTS_LIMIT)
        stopped = False
        until_s = self._clock.monotonic_s() + TURN_S

        async def send(of_device: Sequence[OutgoingMessage]) -> None:
            nonlocal stopped
            async with turns:
                for message in of_device:
                    if stopped or self._clock.monotonic_s() >= until_s:
                        return
                    failed = found[message.number] = await self._request(action, message)
                    if failed is not None and not failed.permanent:
                        stopped = True
                        return

        async with asyncio.TaskGroup() as tasks:
            for of_device in devices.values():
                tasks.create_task(send(of_device))
        return found

    async def _request(self, action: Action, message: OutgoingMessage) -> SendFailed | None:
        headers = {"X-Thingstead-Id": message.id, "X-Thingstead-Kind": message.kind}
        headers |= signed_headers(action.secret, message.body, self._clock.now_ms())
        try:
            answer = await self._http.post(action.url or "", message.body, headers, status_only=True)
        except SendFailed as exc:
            return exc
        return _judged(answer)

    # MQTT

    async def _publish(self, endpoint: MqttEndpoint, messages: Sequence[OutgoingMessage]) -> Delivered:
        client = await self._broker(messages[0].project_id, endpoint)
        if client is None:
            failed = SendFailed(reason("too_many_brokers"))
            return {message.number: failed for message in messages}
        sent = {
            message.number: client.offer(MqttMessage(message.id, topic_of(endpoint.topic, message.names), message.body))
            for message in messages
        }
        try:
            await asyncio.wait(sent.values(), timeout=TURN_S)
        finally:
            for message in messages:
                client.abandon(message.id)
        return {number: _failure_of(future) for number, future in sent.items() if future.done()}

    async def _broker(self, project_id: str, endpoint: MqttEndpoint) -> MqttClient | None:
        """The session with a broker; None: there are too many."""
        key = project_id, msgspec.structs.replace(endpoint, topic="-")
        client = self._brokers.pop(key, None)
        if client is None:
            own = [each for each in self._brokers if each[0] == project_id]
            full = len(self._brokers) >= BROKERS_LIMIT
            if full or len(own) >= PROJECT_BROKERS_LIMIT:
                idle = next((each for each in (self._brokers if full else own) if self._brokers[each].idle), None)
                if idle is None:
                    return None
                await self._brokers.pop(idle).close()
            client = MqttClient(
                endpoint, client_id(project_id, endpoint), self._resolver, lambda: self._private,
                self._settings.timeout_s,
            )  # fmt: skip
        self._brokers[key] = client
        return client


def client_id(owner_id: str, endpoint: MqttEndpoint) -> str:
    """An id of a session that stays the same for the same owner, broker and user; at most 23 letters and digits, which
    every broker takes [MQTT-3.1.3-5]."""
    place = "\n".join((owner_id, endpoint.url, endpoint.user_name or "", endpoint.version))
    return f"ts{hashlib.sha256(place.encode()).hexdigest()[:20]}"


def _failure_of(future: asyncio.Future[None]) -> SendFailed | None:
    failed = future.exception()
    assert failed is None or isinstance(failed, SendFailed), "of a message to a broker"
    return failed


def _judged(answer: HttpResponse) -> SendFailed | None:
    """The failure that an answer means; None: the message was accepted."""
    status = answer.status
    if 200 <= status < 300:
        return None
    redirected = 300 <= status < 400
    said = reason("notice_redirected" if redirected else "notice_http_status", status=status)
    if status in RETRY_STATUS or status >= 500 or status < 200:
        text = answer.headers.get(b"retry-after", b"")
        asked = min(int(text), RETRY_AFTER_MAX_S) if text.isdigit() and len(text) < 10 else None
        return SendFailed(said, retry_after_s=asked, inner=answer.inner)
    return SendFailed(said, permanent=True, inner=answer.inner)
