"""Operations on notification groups: change, test, and the log of attempts."""

from collections.abc import Sequence

import msgspec

from thingstead.clock import Clock
from thingstead.config import NotifySettings
from thingstead.errors import Conflict
from thingstead.model import ids
from thingstead.model.alarms.notification import (
    CHANNELS_COUNT,
    GROUPS_COUNT,
    AlarmNotice,
    Channel,
    KeptChannel,
    NotifyGroup,
    NotifyLog,
)
from thingstead.model.device import Page
from thingstead.model.limits import Problems
from thingstead.services.notifications.audit import StoppedChannel, stopped_channels
from thingstead.services.notifications.channels import check_channels, keep_channels
from thingstead.services.notifications.dispatch import NotifyDispatcher
from thingstead.services.shared.recorded_reasons import notice_reason
from thingstead.storage.base import Store

TEST_LIFETIME_MS = 10 * 60 * 1000


class GroupForm(msgspec.Struct, frozen=True, kw_only=True):
    """A notification group in a request."""

    name: str
    descr: str = ""
    enabled: bool = True
    channels: tuple[Channel, ...] = ()


class NotifyService:
    """Operations on notification groups."""

    def __init__(self, store: Store, clock: Clock, settings: NotifySettings, dispatcher: NotifyDispatcher) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self.dispatcher = dispatcher

    async def create(self, project_id: str, form: GroupForm) -> NotifyGroup:
        """Creates a group.

        Raises:
            InvalidInput: names every problem.
            Conflict: the project has reached its limit of groups.
        """
        _check(form)
        _, total = await self._store.notify.list_groups(project_id, Page(records=1))
        if total >= GROUPS_COUNT:
            raise Conflict("too_many_notify_groups", maximum=GROUPS_COUNT)
        group = NotifyGroup(
            id=ids.new_id(),
            project_id=project_id,
            name=form.name,
            descr=form.descr,
            enabled=form.enabled,
            channels=_kept(form, ()),
            create_time=self._clock.now_ms(),
        )
        await self._store.notify.create_group(group)
        return group

    async def get(self, project_id: str, group_id: str) -> NotifyGroup:
        """Raises NotFound for an unknown group."""
        return await self._store.notify.get_group(project_id, group_id)

    async def list_page(self, project_id: str, page: Page) -> tuple[list[NotifyGroup], int]:
        """One page, oldest first, and the total."""
        return await self._store.notify.list_groups(project_id, page)

    async def update(self, project_id: str, group_id: str, form: GroupForm, version: int | None = None) -> NotifyGroup:
        """Replaces a group. A channel with an unchanged destination keeps its queued notices."""
        before = await self.get(project_id, group_id)
        _check(form)
        group = msgspec.structs.replace(
            before,
            name=form.name,
            descr=form.descr,
            enabled=form.enabled,
            channels=_kept(form, before.channels),
        )
        await self._store.notify.replace_group(group, self._clock.now_ms(), version)
        self.dispatcher.ring()
        return await self.get(project_id, group_id)

    async def delete(self, project_id: str, group_id: str) -> None:
        """Removes a group. Raises Conflict while a rule uses it."""
        await self.get(project_id, group_id)
        await self._store.notify.delete_group(project_id, group_id)

    async def test(self, project_id: str, group_id: str) -> int:
        """Queues a test notice for every channel of a group. Returns their number; the results are in the log."""
        group = await self.get(project_id, group_id)
        now = self._clock.now_ms()
        for channel in group.channels:
            notice = AlarmNotice(
                id=ids.new_id() + ids.new_id(),
                project_id=project_id,
                device_id=None,
                rule_id="",
                message_id="",
                channel_id=channel.id,
                channel_kind=channel.kind,
                kind="test",
                create_time=now,
                expire_time=now + TEST_LIFETIME_MS,
                update_time=now,
            )
            await self._store.notify.add(notice)
        self.dispatcher.ring()
        return len(group.channels)

    async def stopped_channels(self) -> list[StoppedChannel]:
        """The channels of all projects with a refused address."""
        return await stopped_channels(self._store, self._settings)

    async def list_logs(
        self, project_id: str, device_id: str | None, state: str | None, page: Page
    ) -> tuple[list[NotifyLog], int]:
        """One page of attempts, newest first, and the number of matches."""
        logs, total = await self._store.notify.list_logs(project_id, device_id, state, page)
        return [_with_code(log) for log in logs], total


def _with_code(log: NotifyLog) -> NotifyLog:
    why = notice_reason(log.message)
    return msgspec.structs.replace(log, code=why.code, args=dict(why.args))


def _check(form: GroupForm) -> None:
    problems = Problems()
    problems.name(form.name)
    problems.descr(form.descr)
    problems.count("channels", form.channels, CHANNELS_COUNT)
    if len(form.channels) <= CHANNELS_COUNT:
        check_channels(form.channels, problems, "channels", groups=False)
    problems.refuse()


def _kept(form: GroupForm, before: Sequence[KeptChannel]) -> tuple[KeptChannel, ...]:
    problems = Problems()
    kept = keep_channels(form.channels, before, problems, "channels")
    problems.refuse()
    return kept
