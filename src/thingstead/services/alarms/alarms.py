"""Operations of people on alarms: list, acknowledge, shelve, clear, comment, one by one and many at once."""

import asyncio
from collections.abc import Sequence

import msgspec

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import Conflict, InvalidInput, NotFound, ThingsteadError
from thingstead.model.alarms.alarm import (
    RAISED,
    Alarm,
    AlarmAction,
    AlarmFilter,
    AlarmLog,
    AlarmOutcome,
    AlarmsStat,
    AlarmVerb,
)
from thingstead.model.device import Page
from thingstead.model.messages import AlarmChanged
from thingstead.services.alarms.evaluations import CLEARED_BY
from thingstead.services.alarms.scheduler import AlarmScheduler
from thingstead.storage.base import Store

SHELF_MS = 366 * 24 * 3600 * 1000  # the longest shelving
HOURS = 24  # in the statistics
HOUR_MS = 3600 * 1000
ALARMS_PER_CALL = 1_000  # changed by one call
CLEARED_PER_TURN = 50  # concurrently
NEWS_PER_TURN = 100


class ManyOutcomes(msgspec.Struct, frozen=True):
    """The result of an action on many alarms."""

    outcomes: list[AlarmOutcome]
    unchanged: int  # already in the requested state, including alarms without an outcome
    remaining: int  # alarms that another call with the same filter would change


class AlarmService:
    """Operations on alarms. An alarm is identified by its id, or by the id of one of its messages."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, engine: AlarmScheduler) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self.engine = engine

    async def list_logs(self, project_id: str, alarm_filter: AlarmFilter, page: Page) -> tuple[list[AlarmLog], int]:
        """One page of a project's alarm messages, newest first, and the number of matches."""
        return await self._store.alarms.list_page(project_id, alarm_filter, page)

    async def list_device_logs(
        self, project_id: str, device_id: str, alarm_filter: AlarmFilter, page: Page
    ) -> tuple[list[AlarmLog], int]:
        """One page of a device's messages, likewise. Raises NotFound for an unknown device."""
        device = await self._store.devices.get(project_id, device_id)
        return await self.list_logs(project_id, msgspec.structs.replace(alarm_filter, device_id=device.id), page)

    async def list_alarms(self, project_id: str, alarm_filter: AlarmFilter, page: Page) -> tuple[list[Alarm], int]:
        """One page of a project's alarms, newest raised first, and the number of matches."""
        return await self._store.alarms.list_alarms(project_id, alarm_filter, page)

    async def stat(self, project_id: str) -> AlarmsStat:
        """Counts of a project's alarms, and of those raised in each of the last hours (UTC)."""
        last = self._clock.now_ms() // HOUR_MS * HOUR_MS
        return await self._store.alarms.stat(project_id, last - (HOURS - 1) * HOUR_MS, HOURS)

    async def get(self, project_id: str, alarm_id: str) -> Alarm:
        """Raises NotFound for an unknown alarm."""
        return await self._store.alarms.get(project_id, alarm_id)

    def action(
        self, verb: AlarmVerb, by: str, comment: str = "", *, until: int | None = None, for_ms: int | None = None
    ) -> AlarmAction:
        """Makes an action of a person, timestamped now. ``shelve`` needs ``until`` (ms) or ``for_ms``.

        Raises:
            InvalidInput: the instant is past, or more than a year ahead; or the comment is empty.
        """
        now = self._clock.now_ms()
        if verb == "comment" and not comment.strip():
            raise InvalidInput.field("comment", "empty")
        if verb == "shelve":
            if (until is None) is (for_ms is None):
                raise InvalidInput.field("until", "until_or_for_ms")
            until = now + (for_ms or 0) if until is None else until
            if not now < until <= now + SHELF_MS:
                raise InvalidInput.field("until", "until_out_of_range")
        return AlarmAction(verb=verb, by=by, at=now, until=until, comment=comment.strip() and comment)

    async def act(self, project_id: str, alarm_id: str, action: AlarmAction) -> Alarm:
        """Applies an action to an alarm.

        ``acknowledge``: open or cleared; the first acknowledgement stays. ``shelve``: no notices about its rule on its
        device until an instant, while it continues to raise and clear; if an alarm is open at the end, its notice is
        sent then. ``unshelve``: ends that. ``comment``: adds a comment. ``clear``: clears an open alarm manually; if
        its condition still holds, the next value raises a new alarm (conditions on time at once), after the delays of
        the rule.

        Raises:
            NotFound: no such alarm.
            Conflict: it is already acknowledged or cleared, its rule was removed, or it has reached its limit of
                comments.
        """
        alarm = await self.get(project_id, alarm_id)
        if action.verb == "clear":
            outcome = await self._clear(alarm.id, alarm, action)
        else:
            outcome = (await self._store.alarms.act(project_id, [alarm.id], action, again=True))[0]
            await self._tell([outcome], action)
        if outcome.refusal is not None:
            raise (NotFound if outcome.alarm is None else Conflict)(outcome.refusal)
        if not outcome.changed:
            code = "alarm_cleared_already" if action.verb == "clear" else "alarm_acknowledged_already"
            raise Conflict(code)
        return await self.get(project_id, alarm.id)

    async def act_on_ids(self, project_id: str, alarm_ids: Sequence[str], action: AlarmAction) -> ManyOutcomes:
        """Applies an action to up to ALARMS_PER_CALL alarms independently: a refusal does not stop the others."""
        names = list(dict.fromkeys(alarm_ids))
        if action.verb == "clear":
            outcomes = await self._clear_many(project_id, names, action)
        else:
            outcomes = await self._store.alarms.act(project_id, names, action)
            await self._tell(outcomes, action)
        unchanged = sum(not outcome.changed and outcome.refusal is None for outcome in outcomes)
        return ManyOutcomes(outcomes, unchanged, 0)

    async def act_on_filter(self, project_id: str, alarm_filter: AlarmFilter, action: AlarmAction) -> ManyOutcomes:
        """Applies an action to the newest ALARMS_PER_CALL alarms that match a filter and are not yet in the requested
        state; ``remaining`` is the number left for further calls."""
        undone = msgspec.structs.replace(alarm_filter, undone=action)
        _, matching = await self.list_alarms(project_id, alarm_filter, Page(records=1))
        ids, wanted = await self._store.alarms.list_ids(project_id, undone, ALARMS_PER_CALL)
        many = await self.act_on_ids(project_id, ids, action)
        unchanged = max(0, matching - wanted) + many.unchanged
        return ManyOutcomes(many.outcomes, unchanged, max(0, wanted - len(ids)))

    async def _clear_many(self, project_id: str, names: Sequence[str], action: AlarmAction) -> list[AlarmOutcome]:
        async def clear(name: str) -> AlarmOutcome:
            try:
                return await self._clear(name, await self.get(project_id, name), action)
            except ThingsteadError as exc:
                return AlarmOutcome(name, refusal=exc.reason)

        outcomes: list[AlarmOutcome] = []
        for begin in range(0, len(names), CLEARED_PER_TURN):
            outcomes += await asyncio.gather(*map(clear, names[begin : begin + CLEARED_PER_TURN]))
        return outcomes

    async def _clear(self, name: str, alarm: Alarm, action: AlarmAction) -> AlarmOutcome:
        if alarm.cleared_at is not None:
            return AlarmOutcome(name, alarm)
        await self.engine.clear_by_hand(alarm, CLEARED_BY + action.by)
        if action.comment:
            comment = msgspec.structs.replace(action, verb="comment")
            refusal = (await self._store.alarms.act(alarm.project_id, [alarm.id], comment))[0].refusal
            if refusal is not None:
                return AlarmOutcome(name, alarm, changed=True, refusal=refusal)
        return AlarmOutcome(name, alarm, changed=True)

    async def _tell(self, outcomes: Sequence[AlarmOutcome], action: AlarmAction) -> None:
        told = [outcome.alarm for outcome in outcomes if outcome.changed and outcome.alarm is not None]
        for number, alarm in enumerate(told, 1):
            info = {"rule_id": alarm.rule_id, "rule_name": alarm.rule_name}
            more = {"until": action.until, "comment": action.comment}
            self._bus.publish(
                AlarmChanged(
                    alarm.device_id,
                    alarm.id,
                    alarm.rule_id,
                    RAISED if alarm.cleared_at is None else 0,
                    alarm.alarm_level,
                    info | {key: value for key, value in more.items() if value},
                    action.at,
                    action.verb,
                    action.by,
                )
            )
            if number % NEWS_PER_TURN == 0:
                await asyncio.sleep(0)
