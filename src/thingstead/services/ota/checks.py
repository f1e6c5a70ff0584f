"""Answers the event ``otaCheck`` of devices for which no message rule answers it."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress

import structlog

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import ThingsteadError
from thingstead.model.device import Device
from thingstead.model.messages import EventReported
from thingstead.services.ota.offers import OtaOffer, OtaOffers, module_of
from thingstead.services.shared.commits import settled
from thingstead.services.shared.fair_room import FairRoom
from thingstead.services.shared.rate_limit import TokenBuckets
from thingstead.services.triggers.index import TriggerIndex
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.ota")

METHOD = "otaCheck"
# Of all devices, and half of it of one project. One more is not answered: the device asks again.
CHECKS_WAITING = 10_000
BURST, INTERVAL_S = 20, 5.0  # answers to one device: so many at once, then one per interval
ANSWERED_AT_ONCE = 50  # in one commit
RETRY_S = 1.0


class OtaChecks:
    """Answers in order of arrival within a project; projects take turns. A device whose project has no version of the
    module for it gets no answer.

    Attributes:
        outcomes: checks by what came of them: ``offered``, ``none``, ``rule``, ``refused``, ``dropped``.
    """

    def __init__(self, store: Store, bus: Bus, clock: Clock, offers: OtaOffers, rules: TriggerIndex) -> None:
        self._store = store
        self._offers = offers
        self._rules = rules
        self._rates = TokenBuckets(clock, BURST, INTERVAL_S)
        self._waiting: OrderedDict[str, deque[EventReported]] = OrderedDict()  # by project id
        self._room = FairRoom(CHECKS_WAITING, 1)
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
        if self._rates.take(message.device_id) is None or not self._room.take(message.project_id, 0):
            self.outcomes["dropped"] += 1
            return
        self._waiting.setdefault(message.project_id, deque()).append(message)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                try:
                    await self.answer(self.take())
                except Exception:
                    log.exception("checks for upgrades failed")
                    await asyncio.sleep(RETRY_S)

    def take(self) -> list[EventReported]:
        """The checks to answer next, one of each project in turn."""
        taken: list[EventReported] = []
        while self._waiting and len(taken) < ANSWERED_AT_ONCE:
            project_id, checks = self._waiting.popitem(last=False)
            taken.append(checks.popleft())
            if checks:
                self._waiting[project_id] = checks  # behind all other projects
            self._room.give(project_id, 0)
        return taken

    async def answer(self, messages: Sequence[EventReported]) -> None:
        """Answers some checks in one commit."""
        offers: list[tuple[EventReported, OtaOffer]] = []
        for message in messages:
            try:
                found = await self._offer(message)
            except ThingsteadError as exc:
                self._refused(message, exc)
                continue
            if isinstance(found, str):
                self.outcomes[found] += 1
            else:
                offers.append((message, found))
        for _, offer in offers:  # in one turn of the event loop
            offer.append()
        for message, offer in offers:
            assert offer.commit is not None, "it was appended"
            try:
                await settled(offer.commit)
            except ThingsteadError as exc:
                self._refused(message, exc)
                continue
            refused = offer.done()
            if refused is None:
                self.outcomes["none" if offer.upgrade is None else "offered"] += 1
            else:
                self._refused(message, refused)

    def _refused(self, message: EventReported, why: ThingsteadError) -> None:
        self.outcomes["refused"] += 1
        log.info("a check for upgrades was not answered", device=message.device_id, reason=why.message)

    async def _offer(self, message: EventReported) -> OtaOffer | str:
        """The answer to a check, or why there is none."""
        device = await self._store.devices.get(message.project_id, message.device_id)
        if self._has_rule(device):
            return "rule"
        if not await self._offers.versions_for(device, module_of(message.params)):
            return "none"
        return await self._offers.answer(device, params=message.params, cause=message.event_id)

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
