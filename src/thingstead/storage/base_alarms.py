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
    """A device on which time alone may change an alarm."""

    project_id: str
    device_id: str
    due_at: int  # ms, by the server's clock


class AlarmStore(Protocol):
    """Alarms, their messages, and where each rule stands on each device."""

    def append(self, changes: Sequence[AlarmChange]) -> Commit:
        """Puts changes into the open commit, without waiting: with what was appended to history in the same turn of the
        event loop it is one transaction.

        Of the messages of a change one with status 1 raises the alarm ``alarm_id``, or sets its level if it is open;
        one with status 0 clears it. A message that has no effect is not kept: another alarm of the rule and device is
        open already, the alarm has been cleared, or the device is gone. With each message that is kept the notices to
        the channels of its rule are made, but for rules that are shelved on the device.
        """
        ...

    async def list_page(self, project_id: str, alarm_filter: AlarmFilter, page: Page) -> tuple[list[AlarmLog], int]:
        """One page of messages, newest first, with what was told of each, and the total."""
        ...

    async def list_alarms(self, project_id: str, alarm_filter: AlarmFilter, page: Page) -> tuple[list[Alarm], int]:
        """One page of alarms, newest raised first, and the total. ``alarm_status`` 1: open, 0: cleared."""
        ...

    async def list_ids(self, project_id: str, alarm_filter: AlarmFilter, limit: int) -> tuple[list[str], int]:
        """The ids of the first ones of such a list, and the total."""
        ...

    async def stat(self, project_id: str, since: int, hours: int) -> AlarmsStat:
        """Counts of the project's alarms, and of those raised in each of the hours from ``since`` (ms) on."""
        ...

    async def get(self, project_id: str, alarm_id: str) -> Alarm:
        """By the alarm's own id, or by that of one of its messages."""
        ...

    async def act(
        self, project_id: str, alarm_ids: Sequence[str], action: AlarmAction, *, again: bool = False
    ) -> list[AlarmOutcome]:
        """Acknowledges, shelves, unshelves or comments alarms, in one transaction; what became of each, in order, with
        the alarm as it was before. One that is refused stops no other: there is no such alarm, its rule was removed, it
        has as many comments as it may. Who acknowledged first stays; an alarm that is shelved for longer stays so.

        Args:
            again: a shelf may be set anew, be it to an earlier end, and ended where there is none.
        """
        ...

    async def end_shelves(self, at: int) -> int:
        """Ends the silence of every shelf whose time is over; makes a notice of each of their alarms that is open. How
        many there were."""
        ...

    async def states(self, device_id: str) -> list[KeptState]:
        """Where rules stand on a device: those that are not idle, or have an open alarm. Small and fast."""
        ...

    async def list_due(self) -> list[DueDevice]:
        """Every device on which time alone may change an alarm, with the earliest instant of each."""
        ...

    async def prune(self, project_id: str, before: int) -> int:
        """Drops some alarms whose end was noticed before ``before`` (ms), with their messages, and messages of open
        alarms from before that, but for the first and the newest of each. How many; 0: none is left. The statistics of
        rules go on counting what was dropped."""
        ...


class AlarmRuleStore(Protocol):
    """Alarm rules with their devices, exceptions and channels."""

    async def create(self, rule: AlarmRule) -> None:
        """InvalidInput on ``type``, ``devices`` or ``notify`` for what does not exist in the project."""
        ...

    async def get(self, project_id: str, rule_id: str) -> AlarmRule: ...

    async def list_page(self, project_id: str, rule_filter: AlarmRuleFilter, page: Page) -> tuple[list[AlarmRule], int]:
        """One page, oldest first, and the total."""
        ...

    async def list_enabled(self, after: str, limit: int) -> list[AlarmRule]:
        """Enabled rules of every project, by id, from after the one with this id on."""
        ...

    async def count(self, project_id: str) -> int: ...

    async def replace(
        self, rule: AlarmRule, at: int, close_reason: str | None, version: int | None = None
    ) -> list[AlarmLog]:
        """Puts a rule in the place of the one with its id and this version (None: any; else Conflict). With a reason,
        what is known of the old one's evaluation is forgotten and its open alarms are cleared with that reason; returns
        the messages of that."""
        ...

    async def set_exception(
        self, project_id: str, rule_id: str, device_id: str, at: int, close_reason: str | None
    ) -> list[AlarmLog]:
        """Switches a rule off for a device of the project, clearing its open alarm with the reason; with None on."""
        ...

    async def delete(self, project_id: str, rule_id: str, at: int, close_reason: str) -> list[AlarmLog]:
        """Removes a rule; its open alarms are cleared with that reason, its alarms stay. Notices that wait for channels
        of its own are dropped."""
        ...

    async def source_bytes(
        self, project_id: str, type_id: str | None, device_ids: Sequence[str], but: str | None
    ) -> int:
        """How many bytes the bodies of all rules of a type have, or of those that name a device, of the device that has
        the most; ``but`` for one rule."""
        ...

    async def leave_source(self, device_id: str, rule_ids: Sequence[str], at: int, close_reason: str) -> list[AlarmLog]:
        """Clears open alarms of a device that these rules no longer watch, and forgets their state there."""
        ...

    async def devices_of(self, rule: AlarmRule, after: Device | None, limit: int) -> list[Device]:
        """Devices of the rule's source, oldest first, from after that one on."""
        ...

    async def statistics(self, project_id: str, rule_id: str, since: int) -> RuleStatistics:
        """``raised_last_day`` counts from ``since`` (ms) on."""
        ...

    async def counts(self, rule_ids: Sequence[str], since: int) -> dict[str, RuleCounts]:
        """What a list says of the alarms of rules; the last day begins at ``since`` (ms)."""
        ...

    async def note_failing(self, rule_id: str, reason: str) -> None:
        """Notes why a rule cannot be evaluated; the empty text that it can."""
        ...


class Claim(NamedTuple):
    """A channel whose notices are ours to send until the lease ends, and the notices to send now, in order."""

    project_id: str
    channel: KeptChannel
    failures: int  # how often in a row the channel failed, as was told when its lease was given back
    notices: list[tuple[AlarmNotice, AlarmLog | None]]  # with the alarm message, where it is about one


class Caps(NamedTuple):
    """How many notices to people go out on a day (UTC); what is over goes into a digest. 0: no cap."""

    project: int
    device: int


class ListedChannel(NamedTuple):
    """A channel and whose it is."""

    project_id: str
    owner: str  # "alarm rule 'name'" or "notification group 'name'"
    channel: KeptChannel


class Shares(NamedTuple):
    """How many channels may be leased at the same time."""

    in_all: int
    per_project: int


class NotifyStore(Protocol):
    """Notification groups, and notices on their way.

    A notice is made together with what it tells. It is sent by whoever holds the lease of its channel, after all
    notices of that channel that were made before it. Its state only moves forward. If a holder dies, its lease ends by
    itself; what it had sent and not recorded is then sent again, under the same id.
    """

    async def create_group(self, group: NotifyGroup) -> None: ...

    async def get_group(self, project_id: str, group_id: str) -> NotifyGroup: ...

    async def list_groups(self, project_id: str, page: Page) -> tuple[list[NotifyGroup], int]:
        """One page, oldest first, and the total."""
        ...

    async def replace_group(self, group: NotifyGroup, at: int, version: int | None = None) -> None:
        """Puts a group in the place of the one with its id and this version (None: any; else Conflict). Notices that
        wait for a channel that goes are dropped, and all of a group that is switched off."""
        ...

    async def delete_group(self, project_id: str, group_id: str) -> None:
        """Refuses, with Conflict, a group that a rule uses."""
        ...

    async def list_channels(self, after: str, limit: int) -> list[ListedChannel]:
        """Channels of every project by id, from after that one on."""
        ...

    async def add(self, notice: AlarmNotice) -> None:
        """Adds a notice that no alarm brought about."""
        ...

    async def clock_set_back(self, now: int, lease_until: int) -> None:
        """Lets no channel wait longer than up to ``now`` (ms), and no lease last longer than up to ``lease_until``."""
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
        """Takes the lease of channels that have notices waiting, are not leased to anyone, and may be tried again,
        those that wait longest first, with the first ``limit`` notices of each, as :meth:`take` would. Each place goes
        to the project that has the fewest; ``held`` says how many each has already. Notices whose time is over become
        ``expired``.

        Args:
            under_way: channels that are being sent over, whose lease ran out under an attempt that takes long: they
                get it back, and nothing of them is claimed.
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
        """Keeps what became of notices, as :meth:`record` does, and takes the next ones of the channel, the lease
        prolonged. Notices over a daily cap become ``held``. Where none is left, the lease is given back.

        Args:
            failures: to be kept where the lease is given back.

        Returns:
            None, with nothing kept, where the channel is gone or the lease is not ours any more.
        """
        ...

    async def record(self, owner: str, channel_id: str, attempts: Sequence[Attempt]) -> bool:
        """Keeps what became of notices, in order; False, with nothing kept, where the lease is not ours any more."""
        ...

    async def release(
        self, owner: str, channel_id: str, next_try_at: int, failures: int, attempts: Sequence[Attempt] = ()
    ) -> None:
        """Keeps what became of notices, as :meth:`record` does, and gives the lease back; the channel is not tried
        again before ``next_try_at``. Does nothing where the lease is not ours any more."""
        ...

    async def digest(self, now: int, held_before: int, lifetime_ms: int) -> int:
        """Makes one notice of all that is held for a channel, for each channel where some of it is held since before
        ``held_before``; how many."""
        ...

    async def next_try(self) -> int | None:
        """The earliest instant (ms) at which a channel with waiting notices may be claimed; None: nothing waits."""
        ...

    async def prune(self, before: int) -> int:
        """Drops some notices that were made before ``before`` (ms) and wait no longer, with the log of their attempts.
        How many; 0: none is left."""
        ...

    async def list_logs(
        self, project_id: str, device_id: str | None, state: str | None, page: Page
    ) -> tuple[list[NotifyLog], int]:
        """One page of attempts, newest first, and the total."""
        ...
