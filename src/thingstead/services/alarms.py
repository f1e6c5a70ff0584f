"""Alarms as they were raised and cleared."""

import msgspec

from thingstead.errors import NotFound
from thingstead.model import limits
from thingstead.model.alarm import AlarmFilter, AlarmLog
from thingstead.model.device import Page
from thingstead.storage.base import Store


class AlarmService:
    """Reads the log of alarm messages."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list_logs(self, project_id: str, alarm_filter: AlarmFilter, page: Page) -> tuple[list[AlarmLog], int]:
        """One page of a project's alarm messages, newest first, and how many match."""
        return await self._store.alarms.list_page(project_id, alarm_filter, page)

    async def list_device_logs(
        self, project_id: str, device_id: str, alarm_filter: AlarmFilter, page: Page
    ) -> tuple[list[AlarmLog], int]:
        """The same for one device; NotFound where the project has no such device."""
        if not limits.is_id(device_id):
            raise NotFound("no such device")
        device = await self._store.devices.get(project_id, device_id)
        return await self.list_logs(project_id, msgspec.structs.replace(alarm_filter, device_id=device.id), page)
