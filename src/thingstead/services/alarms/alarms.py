"""Operations of people on alarms: list, acknowledge, shelve, clear, comment."""

import msgspec

from thingstead.clock import Clock
from thingstead.errors import Conflict, InvalidInput
from thingstead.model.alarms.alarm import Alarm, AlarmComment, AlarmFilter, AlarmLog
from thingstead.model.device import Page
from thingstead.services.alarms.scheduler import AlarmScheduler
from thingstead.storage.base import Store

SHELF_MS = 366 * 24 * 3600 * 1000  # the longest silence


class AlarmService:
    """The verbs of alarms. An alarm is named by its id, or by that of one of its messages."""

    def __init__(self, store: Store, clock: Clock, engine: AlarmScheduler) -> None:
        self._store = store
        self._clock = clock
        self.engine = engine

    async def list_logs(self, project_id: str, alarm_filter: AlarmFilter, page: Page) -> tuple[list[AlarmLog], int]:
        """One page of a project's alarm messages, newest first, and how many match."""
        return await self._store.alarms.list_page(project_id, alarm_filter, page)

    async def list_device_logs(
        self, project_id: str, device_id: str, alarm_filter: AlarmFilter, page: Page
    ) -> tuple[list[AlarmLog], int]:
        """The same for one device; NotFound where the project has no such device."""
        device = await self._store.devices.get(project_id, device_id)
        return await self.list_logs(project_id, msgspec.structs.replace(alarm_filter, device_id=device.id), page)

    async def list_alarms(self, project_id: str, alarm_filter: AlarmFilter, page: Page) -> tuple[list[Alarm], int]:
        """One page of a project's alarms, newest raised first, and how many match."""
        return await self._store.alarms.list_alarms(project_id, alarm_filter, page)

    async def get(self, project_id: str, alarm_id: str) -> Alarm:
        return await self._store.alarms.get(project_id, alarm_id)

    async def acknowledge(self, project_id: str, alarm_id: str, by: str, comment: str = "") -> Alarm:
        """Notes that a person has seen an alarm, open or cleared. Who acknowledged first stays.

        Raises:
            NotFound: no such alarm.
            Conflict: it was acknowledged already.
        """
        alarm = await self.get(project_id, alarm_id)
        now = self._clock.now_ms()
        if not await self._store.alarms.acknowledge(project_id, alarm.id, now, by):
            raise Conflict("alarm_acknowledged_already")
        return await self._commented(alarm, by, comment)

    async def comment(self, project_id: str, alarm_id: str, by: str, text: str) -> Alarm:
        """Adds what a person has to say."""
        if not text.strip():
            raise InvalidInput.field("comment", "empty")
        return await self._commented(await self.get(project_id, alarm_id), by, text)

    async def shelve(
        self,
        project_id: str,
        alarm_id: str,
        by: str,
        *,
        until: int | None = None,
        for_ms: int | None = None,
        comment: str = "",
    ) -> Alarm:
        """Silences the alarm's rule on its device, until an instant (ms) or for some time: it goes on to raise and
        clear, and nobody is told. An alarm that is open at the end is told then.

        Raises:
            NotFound: no such alarm.
            InvalidInput: the instant is past, or more than a year ahead.
            Conflict: the rule was removed.
        """
        alarm = await self.get(project_id, alarm_id)
        now = self._clock.now_ms()
        if (until is None) is (for_ms is None):
            raise InvalidInput.field("until", "until_or_for_ms")
        until = now + (for_ms or 0) if until is None else until
        if not now < until <= now + SHELF_MS:
            raise InvalidInput.field("until", "until_out_of_range")
        await self._store.alarms.shelve(project_id, alarm.id, until, by)
        return await self._commented(alarm, by, comment)

    async def unshelve(self, project_id: str, alarm_id: str, by: str, comment: str = "") -> Alarm:
        """Ends a silence at once."""
        alarm = await self.get(project_id, alarm_id)
        await self._store.alarms.unshelve(project_id, alarm.id, self._clock.now_ms())
        return await self._commented(alarm, by, comment)

    async def clear(self, project_id: str, alarm_id: str, by: str, comment: str = "") -> Alarm:
        """Clears an open alarm by hand. If its condition still holds, a new alarm is raised with the next value that
        says so (at once where only time counts), after the delays of the rule.

        Raises:
            NotFound: no such alarm.
            Conflict: it is cleared already.
        """
        alarm = await self.get(project_id, alarm_id)
        if alarm.cleared_at is not None:
            raise Conflict("alarm_cleared_already")
        await self.engine.clear_by_hand(alarm, f"cleared by {by}")
        return await self._commented(alarm, by, comment)

    async def _commented(self, alarm: Alarm, by: str, text: str) -> Alarm:
        if text.strip():
            comment = AlarmComment(by=by, text=text, ts=self._clock.now_ms())
            await self._store.alarms.comment(alarm.project_id, alarm.id, comment)
        return await self._store.alarms.get(alarm.project_id, alarm.id)
