"""The contract of a store, alarms: rules, alarms, their messages, notices.

What ``base.py`` says of every part of a store holds here too.
"""

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple, Protocol

from thingstead.model.alarms.alarm import (
    Alarm,
    AlarmAction,
    AlarmChange,
    AlarmFilter,
    AlarmLog,
    AlarmOutcome,
    AlarmsStat,
    KeptState,
)
from thingstead.model.alarms.notification import AlarmNotice, Attempt, KeptChannel, NotifyGroup, NotifyLog
from thingstead.model.alarms.rule import AlarmRule, AlarmRuleFilter, RuleCounts, RuleStatistics
from thingstead.model.device import Device, Page
from thingstead.storage.commit import Commit


class DueDevice(NamedTuple):
    """Device on which an alarm may change with time alone."""

    project_id: str
    device_id: str
    due_at: int  # ms, server clock


class AlarmStore(Protocol):
    """Alarms, their messages, and the state of each rule on each device."""

    def append(self, changes: Sequence[AlarmChange]) -> Commit:
        """Adds changes to the open commit, without waiting: together with reports appended in the same turn of the
        event loop they are one transaction.

        A message with status 1 raises the alarm ``alarm_id``, or sets its level if it is open; one with status 0 clears
        it. A message without effect is not stored: another alarm of the rule and device is open, the alarm is cleared
        already, or the device no longer exists. Each stored message adds notices to the channels of its rule, unless
        the rule is shelved on the device.
        """
        ...

    async def list_page(self, project_id: str, alarm_filter: AlarmFilter, page: Page) -> tuple[list[AlarmLog], int]:
        """One page of alarm messages, newest first, with the notices about each, and the total."""
        ...

    async def list_alarms(self, project_id: str, alarm_filter: AlarmFilter, page: Page) -> tuple[list[Alarm], int]:
        """One page of alarms, newest ``raised_at`` first, and the total. ``alarm_status`` 1: open, 0: cleared."""
        ...

    async def list_ids(self, project_id: str, alarm_filter: AlarmFilter, limit: int) -> tuple[list[str], int]:
        """Ids of the first ``limit`` alarms of such a list, and the total."""
        ...

    async def stat(self, project_id: str, since: int, hours: int) -> AlarmsStat:
        """Counts of the project's alarms, and of those raised in each of ``hours`` hours from ``since`` (ms) on."""
        ...

    async def get(self, project_id: str, alarm_id: str) -> Alarm:
        """An alarm by its own id or by that of one of its messages. Raises NotFound."""
        ...

    async def act(
        self, project_id: str, alarm_ids: Sequence[str], action: AlarmAction, *, again: bool = False
    ) -> list[AlarmOutcome]:
        """Acknowledges, shelves, unshelves or comments alarms in one transaction.

        An alarm is refused if it does not exist, its rule was removed, or it has the maximum number of comments; the
        others are changed all the same. The first acknowledgement stays; an alarm that is shelved for longer stays
        shelved for longer.

        Args:
            again: a shelving may also be replaced by an earlier end, and ended where there is none.

        Returns:
            The outcome for each alarm, in order, with the alarm as it was before.
        """
        ...

    async def end_shelves(self, at: int) -> int:
        """Ends every shelving that is over at ``at`` (ms), and adds a notice for each open alarm among them. Returns
        how many ended."""
        ...

    async def states(self, device_id: str) -> list[KeptState]:
        """States of rules on a device: those that are not idle or have an open alarm. A small, fast read."""
        ...

    async def list_due(self) -> list[DueDevice]:
        """Devices on which an alarm may change with time alone, with the earliest instant of each."""
        ...

    async def prune(self, project_id: str, before: int) -> int:
        """Deletes some alarms whose clear was recorded before ``before`` (ms), with their messages, and older messages
        of open alarms except the first and the newest of each. The statistics of rules still count them.

        Returns:
            How many; 0: none is left.
        """
        ...


class AlarmRuleStore(Protocol):
    """Alarm rules with their devices, exceptions and channels."""

    async def create(self, rule: AlarmRule) -> None:
        """Adds a rule. Raises InvalidInput on ``type``, ``devices`` or ``notify`` if the project has no such object."""
        ...

    async def get(self, project_id: str, rule_id: str) -> AlarmRule: ...

    async def list_page(self, project_id: str, rule_filter: AlarmRuleFilter, page: Page) -> tuple[list[AlarmRule], int]:
        """One page of rules, oldest first, and the total."""
        ...

    async def list_enabled(self, after: str, limit: int) -> list[AlarmRule]:
        """Enabled rules of every project, by id, after the rule with the id ``after``."""
        ...

    async def count(self, project_id: str) -> int: ...

    async def replace(
        self, rule: AlarmRule, at: int, close_reason: str | None, version: int | None = None
    ) -> list[AlarmLog]:
        """Replaces the rule with the same id.

        Args:
            close_reason: if given, the evaluation state of the old rule is deleted, and its open alarms are cleared
                with this reason.
            version: version that the old rule must have; None: any.

        Returns:
            The messages of the cleared alarms.

        Raises:
            NotFound: no such rule in the project.
            Conflict: the rule has another version.
        """
        ...

    async def set_exception(
        self, project_id: str, rule_id: str, device_id: str, at: int, close_reason: str | None
    ) -> list[AlarmLog]:
        """Switches a rule off for a device and clears its open alarm with ``close_reason``; if that is None, switches
        it on again. Returns the messages of cleared alarms."""
        ...

    async def delete(self, project_id: str, rule_id: str, at: int, close_reason: str) -> list[AlarmLog]:
        """Deletes a rule and clears its open alarms with ``close_reason``; its alarms stay. Notices that wait for the
        rule's own channels are dropped. Returns the messages of the cleared alarms."""
        ...

    async def source_bytes(
        self, project_id: str, type_id: str | None, device_ids: Sequence[str], but: str | None
    ) -> int:
        """Size in bytes of all rules of a type, or of all rules that name a device: the largest sum over
        ``device_ids``. The rule ``but`` is left out."""
        ...

    async def leave_source(self, device_id: str, rule_ids: Sequence[str], at: int, close_reason: str) -> list[AlarmLog]:
        """Clears open alarms of a device under rules whose source it has left, and deletes their state there. Returns
        the messages."""
        ...

    async def devices_of(self, rule: AlarmRule, after: Device | None, limit: int) -> list[Device]:
        """Devices of the rule's source, oldest first, after ``after``."""
        ...

    async def statistics(self, project_id: str, rule_id: str, since: int) -> RuleStatistics:
        """Statistics of a rule; ``raised_last_day`` counts from ``since`` (ms) on."""
        ...

    async def counts(self, rule_ids: Sequence[str], since: int) -> dict[str, RuleCounts]:
        """Counts of the alarms of rules, for lists; the last day begins at ``since`` (ms)."""
        ...

    async def note_failing(self, rule_id: str, reason: str) -> None:
        """Stores why a rule cannot be evaluated; the empty text: it can."""
        ...


class Claim(NamedTuple):
    """Leased channel, and the notices to be sent over it now, in order."""

    project_id: str
    channel: KeptChannel
    failures: int  # consecutive failures of the channel, as stored when its lease was last released
    notices: list[tuple[AlarmNotice, AlarmLog | None]]  # with the alarm message, if the notice is about one


class Caps(NamedTuple):
    """Maximum number of notices to people on a day (UTC); those over it go into a digest. 0: no cap."""

    project: int
    device: int


class ListedChannel(NamedTuple):
    """Channel and its owner."""

    project_id: str
    owner: str  # "alarm rule 'name'" or "notification group 'name'"
    channel: KeptChannel


class Shares(NamedTuple):
    """Maximum number of channels that may be leased at the same time."""

    in_all: int
    per_project: int


class NotifyStore(Protocol):
    """Notification groups, and notices until they are sent.

    A notice is added in the same commit as what it reports. The holder of a channel's lease sends the notices of that
    channel in order. The state of a notice only moves forward. If a holder crashes, its lease expires; notices that it
    had sent but not recorded are then sent again, with the same id.
    """

    async def create_group(self, group: NotifyGroup) -> None:
        """Adds a group with its channels."""
        ...

    async def get_group(self, project_id: str, group_id: str) -> NotifyGroup:
        """A group with its channels. Raises NotFound."""
        ...

    async def list_groups(self, project_id: str, page: Page) -> tuple[list[NotifyGroup], int]:
        """One page of groups, oldest first, and the total."""
        ...

    async def replace_group(self, group: NotifyGroup, at: int, version: int | None = None) -> None:
        """Replaces the group with the same id and this version (None: any). Drops notices that wait for a removed
        channel, and all of a group that is disabled. Raises NotFound; Conflict if the version differs."""
        ...

    async def delete_group(self, project_id: str, group_id: str) -> None:
        """Deletes a group. Raises Conflict if a rule uses it."""
        ...

    async def list_channels(self, after: str, limit: int) -> list[ListedChannel]:
        """Channels of every project by id, after the id ``after``."""
        ...

    async def add(self, notice: AlarmNotice) -> None:
        """Adds a notice that is not about an alarm message."""
        ...

    async def clock_set_back(self, now: int, lease_until: int) -> None:
        """Limits waits of channels to ``now`` (ms), and leases to ``lease_until``, after the clock was set back."""
        ...

    async def claim(
        self,
        owner: str,
        now: int,
        lease_until: int,
        shares: Shares,
        held: Mapping[str, int],
        limit: int,
        caps: Caps,
        under_way: Container[str] = (),
    ) -> list[Claim]:
        """Leases channels with waiting notices that are not leased and may be tried now, longest waiting first.

        Each free place goes to the project with the fewest channels leased. Notices that have expired become
        ``expired``.

        Args:
            held: number of channels that each project has leased already.
            limit: notices for each channel, as in :meth:`take`.
            under_way: channels with a running attempt whose lease has expired: the lease is renewed, and no notices are
                returned.
        """
        ...

    async def take(
        self,
        owner: str,
        channel_id: str,
        now: int,
        lease_until: int,
        limit: int,
        caps: Caps,
        attempts: Sequence[Attempt] = (),
        failures: int = 0,
    ) -> Claim | None:
        """Records results of attempts, as :meth:`record` does, renews the lease, and returns the next notices. Notices
        over a daily cap become ``held``. If no notice is left, the lease is released.

        Args:
            failures: number of failures to store if the lease is released.

        Returns:
            None, with nothing recorded, if the channel no longer exists or the lease is not the owner's.
        """
        ...

    async def record(self, owner: str, channel_id: str, attempts: Sequence[Attempt]) -> bool:
        """Records results of attempts, in order. Returns False, with nothing recorded, if the lease is not the
        owner's."""
        ...

    async def release(
        self, owner: str, channel_id: str, next_try_at: int, failures: int, attempts: Sequence[Attempt] = ()
    ) -> None:
        """Records results of attempts, as :meth:`record` does, and releases the lease; the channel is not tried again
        before ``next_try_at`` (ms). Does nothing if the lease is not the owner's."""
        ...

    async def digest(self, now: int, held_before: int, lifetime_ms: int) -> int:
        """Makes one notice of all held notices of each channel that has had one since before ``held_before`` (ms).
        Returns the number of channels."""
        ...

    async def next_try(self) -> int | None:
        """The earliest instant (ms) at which a channel with waiting notices may be claimed; None: no notice waits."""
        ...

    async def prune(self, before: int) -> int:
        """Deletes some notices that were added before ``before`` (ms) and are not waiting, with their attempts. Returns
        how many; 0: none is left."""
        ...

    async def list_logs(
        self, project_id: str, device_id: str | None, state: str | None, page: Page
    ) -> tuple[list[NotifyLog], int]:
        """One page of attempts, newest first, and the total."""
        ...
