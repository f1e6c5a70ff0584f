"""Pushes of attributes to a device: changed by ``before_push`` rules, stored, and sent.

Whoever pushes (an application, a job, a rule, a task) does it in three steps, so that the values can be part of a
commit of its own: :meth:`PushService.prepare`, :meth:`PushService.store`, and, after the commit,
:meth:`PushService.send`.
"""

import asyncio
from copy import deepcopy
from typing import Any

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import InvalidInput
from thingstead.model.message_rules.work import Cause
from thingstead.model.messages import AttributesPushed, DataSent
from thingstead.services.ingest.chain import ChangedMessage
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.ingest.ingest import IngestService, Outcome
from thingstead.services.shared.device_logs import PARTS_REFUSED, DeviceLogService
from thingstead.services.shared.payloads import encoded_or_empty

HELD_MS = 1_000  # a push that waited longer for those before it goes as it came


class PreparedPush:
    """A push that can be stored."""

    __slots__ = ("cause", "link", "made")

    def __init__(self, link: DeviceContext, made: ChangedMessage, cause: Cause | None) -> None:
        self.link = link
        self.made = made
        self.cause = cause

    @property
    def attributes(self) -> dict[str, Any]:
        """The values that are stored; after :meth:`PushService.store` without those that were refused."""
        return self.made.values


class PushService:
    """Pushes attributes."""

    def __init__(self, bus: Bus, clock: Clock, ingest: IngestService, logs: DeviceLogService) -> None:
        self._bus = bus
        self._clock = clock
        self._ingest = ingest
        self._logs = logs
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}  # by device id, with the number of its users

    async def prepare(
        self, link: DeviceContext, attributes: dict[str, Any], cause: Cause | None = None
    ) -> PreparedPush:
        """Applies the ``before_push`` rules of the device. Pushes of a device that are prepared at the same time keep
        their order if they are stored in the same turn of the event loop.

        Args:
            attributes: a value that :meth:`store` may modify.
            cause: of a push that a rule does.
        """
        device, triggers = link.device, link.triggers
        chain = self._ingest.chain
        if triggers is None or chain is None or not triggers.before_pushes:
            return PreparedPush(link, ChangedMessage(attributes), cause)
        rules = self._ingest.triggers.before(device, triggers.before_pushes, attributes)
        lock, users = self._locks.get(device.id) or (asyncio.Lock(), 0)
        self._locks[device.id] = lock, users + 1
        begun_s = self._clock.monotonic_s()
        try:
            async with lock:
                late = (self._clock.monotonic_s() - begun_s) * 1000 > HELD_MS
                original = deepcopy(attributes)
                made = await chain.change(link, rules, original, "before_push", cause=cause, late=late)
                return PreparedPush(link, made, cause)
        finally:
            lock, users = self._locks[device.id]
            if users == 1:
                del self._locks[device.id]
            else:
                self._locks[device.id] = lock, users - 1

    def store(self, push: PreparedPush) -> Outcome:
        """Adds the values to the open commit; those that came, if nothing of the changed ones is allowed. ``commit`` is
        None if all of them are refused.

        Raises:
            Unavailable: cannot be stored now.
        """
        outcome = self._stored(push)
        message = push.made.message
        if outcome.commit is not None and message is not None and message.identifier:
            self._logs.data(push.link.device, message.identifier, "down", message.payload)
        return outcome

    def _stored(self, push: PreparedPush) -> Outcome:
        made, link = push.made, push.link
        if made.changed:
            given = encoded_or_empty(made.values)
            try:
                outcome = self._ingest.set_values(link, made.values, "push", push.cause)
                refused = outcome.refused
            except InvalidInput as exc:
                outcome, refused = Outcome(None, exc.errors), exc.errors
            if refused:
                self._logs.rejected(link.device, "attributes/push", PARTS_REFUSED, refused, given)
            if outcome.commit is not None:
                return Outcome(outcome.commit, ())
            made.refuse(InvalidInput.of(refused).errors[0].reason if refused else PARTS_REFUSED)
        return self._ingest.set_values(link, made.values, "push", push.cause)

    def send(self, push: PreparedPush) -> None:
        """Sends what was stored. Call after the commit."""
        device, message = push.link.device, push.made.message
        if message is None:
            self._bus.publish(AttributesPushed(device.project_id, device.id, push.made.values))
        elif device.gateway_id is not None and message.values is not None:
            self._bus.publish(AttributesPushed(device.project_id, device.id, message.values))
        elif message.identifier:
            self._bus.publish(DataSent(device.project_id, device.id, message.identifier, message.payload))
        else:
            self._bus.publish(AttributesPushed(device.project_id, device.id, push.made.values, message.payload))
