"""Changes of retention: previews what a change would drop, and delays it so that it can be withdrawn."""

from collections.abc import Callable, Sequence

import structlog

from thingstead.clock import Clock
from thingstead.config import StorageSettings
from thingstead.errors import NotFound
from thingstead.model import limits
from thingstead.model.retention import (
    DAY_MS,
    KEEP,
    Cutoff,
    Defaults,
    RetentionPolicy,
    StoredDevice,
)
from thingstead.services.history.history import iso_utc
from thingstead.storage.base import Store
from thingstead.wire.retention import PendingRetention, RetentionChange, WouldDrop

log = structlog.get_logger("thingstead.retention")

SLACK_SHARE = 32  # a block is shortened only if this fraction (1/32) of the retention period is expired
PREVIEW_TIMEOUT_S = 5.0  # of the preview; beyond it the counts are lower bounds


class RetentionChanges:
    """The retention rules of projects, in force and pending."""

    def __init__(self, store: Store, clock: Clock, settings: StorageSettings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self.defaults = Defaults(settings.retention_days, settings.history_max_bytes)  # in force
        self._told_at: int | None = None

    async def put(
        self, project_id: str, policy: RetentionPolicy, grace_days: float | None = None, version: int | None = None
    ) -> RetentionChange:
        """Replaces the rules of a project: at once if they drop nothing that is stored now and keep everything for at
        least a day; otherwise after the grace period. Pending rules are replaced too.

        Args:
            grace_days: 0 to RETENTION_DAYS; None: the setting.
            version: the one that was read; None: any.

        Raises:
            InvalidInput: names every invalid field.
            Conflict: the rules have another version; ``info`` says which, who made it, and when.
        """
        await self._check(project_id, policy)
        would_drop = await self.preview(project_id, policy)
        now, retention = self._clock.now_ms(), self._store.retention
        grace_ms = round((self._settings.retention_grace_days if grace_days is None else grace_days) * DAY_MS)
        harmless = would_drop.complete and not would_drop.points and all(not 0 < r.days < 1 for r in policy.rules)
        if harmless or grace_ms == 0 or policy == await retention.policy(project_id):
            await retention.put_policy(project_id, policy, version)
            return RetentionChange(effective_at=now, would_drop=would_drop)
        await retention.put_pending(project_id, policy, now + grace_ms, version)
        return RetentionChange(effective_at=now + grace_ms, would_drop=would_drop)

    async def test(self, project_id: str, policy: RetentionPolicy) -> WouldDrop:
        """What the rules would drop. Raises InvalidInput with every invalid field."""
        await self._check(project_id, policy)
        return await self.preview(project_id, policy)

    async def take_back(self, project_id: str) -> None:
        """Withdraws the pending rules. Raises NotFound if there are none."""
        if not await self._store.retention.drop_pending(project_id):
            raise NotFound("no_rules_wait")

    async def pending(self, project_id: str) -> PendingRetention | None:
        """The pending rules; None: none."""
        found = await self._store.retention.pending(project_id)
        if found is None:
            return None
        policy, effective_at = found
        return PendingRetention(rules=policy.rules, max_bytes=policy.max_bytes, effective_at=effective_at)

    async def preview(self, project_id: str, policy: RetentionPolicy) -> WouldDrop:
        """What rules would drop now."""
        store, now = self._store.retention, self._clock.now_ms()
        by_size = await store.size_cutoff(policy.max_bytes, project_id) if policy.max_bytes else 0
        return await self._count([project_id], self.cutoffs({project_id: (policy, by_size)}, now))

    async def _count(
        self, project_ids: Sequence[str], cutoffs: Callable[[StoredDevice], Callable[[str], Cutoff] | None]
    ) -> WouldDrop:
        points = size = devices = 0
        until_s = self._clock.monotonic_s() + PREVIEW_TIMEOUT_S
        for project_id in project_ids:
            after: int | None = 0
            while after is not None:
                if self._clock.monotonic_s() >= until_s:
                    return WouldDrop(points=points, size_bytes=size, devices=devices, complete=False)
                counted = await self._store.retention.count_expired(project_id, after, cutoffs)
                points += counted.points
                size += counted.size_bytes
                devices += counted.devices
                after = counted.go_on_after
        return WouldDrop(points=points, size_bytes=size, devices=devices, complete=True)

    async def settle_defaults(self, now: int) -> Defaults:
        """Updates the default retention from the settings, at once, or after the grace period if that drops stored
        history; until then a warning is logged every day.

        Returns:
            The defaults in force.
        """
        settings, retention = self._settings, self._store.retention
        wanted = Defaults(settings.retention_days, settings.history_max_bytes)
        kept = await retention.defaults()
        in_force, waiting, at = kept or (wanted, wanted, None)
        if not wanted.keeps_less_than(in_force) or (at is not None and waiting == wanted and at <= now):
            if kept != (wanted, wanted, None):
                await retention.put_defaults(wanted, wanted, None)
            in_force = wanted
        else:
            if at is None or waiting != wanted:
                at = now + round(settings.retention_grace_days * DAY_MS)
                await retention.put_defaults(in_force, wanted, at)
            if at <= now:
                return await self.settle_defaults(now)
            await self._tell_of_defaults(wanted, at, now)
        self.defaults = in_force
        return in_force

    async def _tell_of_defaults(self, wanted: Defaults, at: int, now: int) -> None:
        if self._told_at is not None and now - self._told_at < DAY_MS:
            return
        self._told_at = now
        would_drop = await self._preview_defaults(wanted, now)
        log.warning(
            "the retention settings would drop history; they take effect later",
            effective_at=iso_utc(at),
            retention_days=wanted.days,
            history_max_bytes=wanted.max_bytes,
            would_drop_points=would_drop.points,
            would_drop_bytes=would_drop.size_bytes,
            complete=would_drop.complete,
        )

    async def _preview_defaults(self, wanted: Defaults, now: int) -> WouldDrop:
        everywhere = await self._store.retention.size_cutoff(wanted.max_bytes) if wanted.max_bytes else 0
        policies = {
            project.id: (await self._store.retention.policy(project.id), everywhere)
            for project in await self._store.projects.list_all()
        }
        return await self._count(list(policies), self.cutoffs(policies, now, wanted.days))

    def days(self, policy: RetentionPolicy, type_id: str | None, identifier: str) -> float:
        """How many days an attribute is kept; 0: for ever."""
        rule = policy.rule_for(type_id, identifier)
        return self.defaults.days if rule is None else rule.days

    def cutoffs(
        self, policies: dict[str, tuple[RetentionPolicy, int]], now: int, default_days: float | None = None
    ) -> Callable[[StoredDevice], Callable[[str], Cutoff] | None]:
        """Returns functions that tell what is expired in a series of a device, by the rules of its project and its size
        limit. ``policies``: rules by project, with the instant before which the size limit drops. If no rule applies,
        ``default_days`` does (None: the default in force)."""
        default = self.defaults.days if default_days is None else default_days

        def of_device(device: StoredDevice) -> Callable[[str], Cutoff] | None:
            policy, by_size = policies.get(device.project_id, (None, 0))
            if policy is None or not (policy.rules or by_size or default):
                return None

            def of_attribute(identifier: str) -> Cutoff:
                rule = policy.rule_for(device.type_id, identifier)
                days = default if rule is None else rule.days
                keep_from = now - round(days * DAY_MS) if days else 0
                shorten_before = keep_from - (now - keep_from) // SLACK_SHARE
                cutoff = Cutoff(max(by_size, keep_from), keep_from, shorten_before)
                return cutoff if cutoff.drop_before > 0 else KEEP

            return of_attribute

        return of_device

    async def _check(self, project_id: str, policy: RetentionPolicy) -> None:
        problems = limits.Problems()
        problems.count("rules", policy.rules, limits.RETENTION_RULES_COUNT)
        seen: set[tuple[str | None, str | None]] = set()
        for index, rule in enumerate(policy.rules):
            where = f"rules[{index}]"
            if not 0 <= rule.days <= limits.RETENTION_DAYS:
                problems.add(f"{where}.days", "in_range", minimum=0, maximum=limits.RETENTION_DAYS)
            if rule.identifier is not None:
                problems.identifier(f"{where}.identifier", rule.identifier)
            if rule.device_type is not None and not await self._is_type(project_id, rule.device_type):
                problems.add(f"{where}.device_type", "not_in_project")
            if (rule.device_type, rule.identifier) in seen:
                problems.add(where, "retention_rule_repeated")
            seen.add((rule.device_type, rule.identifier))
        if not 0 <= policy.max_bytes <= limits.SIZE_BYTES:
            problems.add("max_bytes", "in_range", minimum=0, maximum=limits.SIZE_BYTES)
        problems.refuse()

    async def _is_type(self, project_id: str, type_id: str) -> bool:
        try:
            await self._store.device_types.get(project_id, type_id)
        except NotFound:
            return False
        return True
