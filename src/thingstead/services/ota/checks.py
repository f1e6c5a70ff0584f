"""Answers the event ``otaCheck`` of devices for which no message rule answers it."""

import asyncio
from collections import Counter, deque
from contextlib import suppress

import structlog

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import NotFound, ThingsteadError
from thingstead.model.device import Device
from thingstead.model.messages import EventReported
from thingstead.services.ota.offers import OtaOffers
from thingstead.services.shared.commits import settled
from thingstead.services.shared.rate_limit import TokenBuckets
from thingstead.services.triggers.index import TriggerIndex
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.ota")

METHOD = "otaCheck"
CHECKS_WAITING = 10_000  # of all devices; one more is not answered, and the device asks again
BURST, INTERVAL_S = 20, 5.0  # answers to one device: so many at once, then one per interval
RETRY_S = 1.0


class OtaChecks:
    """Answers in order of arrival. A device whose project has no version of the module for it gets no answer.

    Attributes:
        outcomes: checks by what came of them: ``offered``, ``none``, ``rule``, ``refused``, ``dropped``.
    """

    def __init__(self, store: Store, bus: Bus, clock: Clock, offers: OtaOffers, rules: TriggerIndex) -> None:
        self._store = store
        self._offers = offers
        self._rules = rules
        self._rates = TokenBuckets(clock, BURST, INTERVAL_S)
        self._waiting: deque[EventReported] = deque()
        self._wake = asyncio.Event()
        self._subscription = bus.subscribe(EventReported, self._heard)
        self._task: asyncio.Task[None] | None = None
        self.outcomes: Counter[str] = Counter()

    def start(self) -> None:
        """Starts the task that answers."""
        self._task = asyncio.create_task(self._run(), name="ota-checks")

    async def close(self) -> None:
        """Stops the task."""
        self._subscription.cancel()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _heard(self, message: EventReported) -> None:
        if message.method != METHOD:
            return
        if len(self._waiting) >= CHECKS_WAITING or self._rates.take(message.device_id) is None:
            self.outcomes["dropped"] += 1
            return
        self._waiting.append(message)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                message = self._waiting.popleft()
                try:
                    self.outcomes[await self._answer(message)] += 1
                except ThingsteadError as exc:
                    self.outcomes["refused"] += 1
                    log.info("a check for upgrades was not answered", device=message.device_id, reason=exc.message)
                except Exception:
                    log.exception("a check for upgrades failed", device=message.device_id)
                    await asyncio.sleep(RETRY_S)

    async def _answer(self, message: EventReported) -> str:
        project_id = await self._store.message_stat.project_of(message.device_id)
        if project_id is None:
            return "refused"
        try:
            device = await self._store.devices.get(project_id, message.device_id)
        except NotFound:
            return "refused"
        if self._has_rule(device):
            return "rule"
        module = str(message.params.get("module") or "main")
        if not await self._offers.versions_for(device, module):
            return "none"
        offer = await self._offers.answer(device, params=message.params, cause=message.event_id)
        offer.append()
        assert offer.commit is not None, "it was appended"
        await settled(offer.commit)
        refused = offer.done()
        if refused is not None:
            raise refused
        return "none" if offer.upgrade is None else "offered"

    def _has_rule(self, device: Device) -> bool:
        """Whether an enabled message rule answers the checks of a device."""
        triggers = self._rules.of(device)
        if triggers is None:
            return False
        return any(
            rule.rule.body.identifier in ("", METHOD)
            and any(action.ota_check is not None for action in rule.rule.body.actions)
            for rule in triggers.events
        )
