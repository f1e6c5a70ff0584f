"""All targets at work: started with the server, kept in step with what people change; their progress is saved."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from thingstead.clock import Clock
from thingstead.config import ForwardingSettings, NotifySettings
from thingstead.errors import NotFound, ThingsteadError
from thingstead.model.alarms.alarm import AlarmLog
from thingstead.model.forwarding.segment import Segment
from thingstead.model.forwarding.target import ForwardTarget, Progress
from thingstead.model.health import HealthWarning, health_warning
from thingstead.repeating import Repeating
from thingstead.services.forwarding.log_reader import SegmentReader
from thingstead.services.forwarding.recent import RecentSegments
from thingstead.services.forwarding.room import SendingRoom
from thingstead.services.forwarding.runner import ForwardTotals, TargetRunner
from thingstead.services.forwarding.sending import TargetLink
from thingstead.services.forwarding.tap import ForwardTap, alarm_content
from thingstead.services.forwarding.target import OpenContext
from thingstead.services.outbound.addresses import private_allowed
from thingstead.services.outbound.http import HttpSender
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.forwarding")

SAVE_INTERVAL_S = 0.5
SHED_INTERVAL_S = 5.0
TARGETS_PER_READ = 500
DROPPED_SHOWN_MS = 3_600_000  # how long a warning is shown after messages were given up


class Forwarder:
    """Runs the targets of all projects."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        tap: ForwardTap,
        settings: ForwardingSettings,
        notify: NotifySettings,
        trusted_now_ms: Callable[[], Awaitable[int]],
    ) -> None:
        self.runners: dict[str, TargetRunner] = {}
        self.tap = tap
        self.totals = ForwardTotals()
        self._room = SendingRoom()
        self._store = store
        self._clock = clock
        self._settings = settings
        self._notify = notify
        self._trusted_now_ms = trusted_now_ms
        self._tenants = 1
        self._http = HttpSender(timeout_s=settings.timeout_s, private_addresses=False)
        self._recent = RecentSegments()
        self._stored: dict[str, int] = {}  # projects with segments: the greatest seq …
        self._trimmed: dict[str, int] = {}  # … and up to which they are deleted
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._saving = asyncio.Lock()
        self._closing = asyncio.Event()
        self._dropped_at = 0  # ms
        self._shedding = Repeating("old messages of forward targets", self.shed, SHED_INTERVAL_S)
        self._orders: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # of the changes of a project
        tap.on_committed = self._committed
        tap.on_cleared = self._cleared
        self._clearing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Starts all targets."""
        forwarding = self._store.forwarding
        found: list[tuple[ForwardTarget, Progress]] = []
        after = ""
        while targets := await forwarding.list_all(after, TARGETS_PER_READ):
            found += [(target, await forwarding.progress(target.id)) for target in targets]
            after = targets[-1].id
        self.tap.seqs_used(await forwarding.last_seq())
        for _, progress in found:
            self.tap.seqs_used(max(lane.seq for lane in progress.lanes))
        self._recent.floor = self.tap.horizon
        self._stored = dict.fromkeys(await forwarding.list_projects(), self.tap.horizon)
        await self.look()
        for target, progress in found:
            self._put(target, progress)
        self._keeper = asyncio.create_task(self._keep(), name="forward-progress")
        self._shedding.start()

    async def close(self) -> None:
        """Stops all targets, and saves how far they are."""
        self._closing.set()
        await self._shedding.close()
        await asyncio.gather(*self._clearing)
        await asyncio.gather(*(runner.close() for runner in self.runners.values()))
        self._changed.set()
        if self._keeper is not None:
            await self._keeper
            with suppress(ThingsteadError):
                await self.save()
        await self._http.close()

    # Changes

    async def put(self, project_id: str, target_id: str) -> None:
        """Starts a target, or puts a change of it into effect."""
        async with self._orders[project_id]:
            try:
                target = await self._store.forwarding.get(project_id, target_id)
            except NotFound:  # it was removed meanwhile
                return
            before = self.runners.get(target.id)
            if before is None:
                self._put(target, await self._store.forwarding.progress(target.id))
                return
            await before.close()
            with suppress(ThingsteadError):
                await self.save()
            self._put(target, before.progress, before)

    async def drop(self, target: ForwardTarget) -> None:
        """Stops a target that was removed."""
        async with self._orders[target.project_id]:
            self.tap.drop(target)
            runner = self.runners.pop(target.id, None)
            if runner is not None:
                await runner.close()
            self._changed.set()

    def _put(self, target: ForwardTarget, progress: Progress, before: TargetRunner | None = None) -> None:
        link = TargetLink(target, self.context(target), self._settings.timeout_s)
        reader = SegmentReader(self._store, self.tap, self._recent, target)
        runner = TargetRunner(
            self._store,
            self._clock,
            self._settings,
            target,
            progress,
            reader,
            link,
            self.totals,
            self._room,
            self._changed.set,
        )
        if before is not None:
            runner.inherit(before)
        self.runners[target.id] = runner
        self.tap.put(target)
        runner.start(self.tap.horizon)

    def context(self, target: ForwardTarget) -> OpenContext:
        """What sessions of a target may use."""
        return OpenContext(
            target.id,
            target.project_id,
            target.batch,
            self._http,
            self._clock,
            lambda: self._http.private_addresses,
            lambda: self._tenants <= 1,
        )

    async def look(self) -> None:
        """Counts the projects: with several, private addresses are refused unless the operator allows them."""
        self._tenants = await self._store.projects.count()
        self._http.private_addresses = private_allowed(self._notify.private_addresses, self._tenants)

    # The log

    def _committed(self, segment: Segment) -> None:
        self._recent.add(segment)
        self._stored[segment.project_id] = max(segment.seq, self._stored.get(segment.project_id, 0))
        for target_id in segment.counts():
            runner = self.runners.get(target_id)
            if runner is not None:
                runner.added(segment, self.tap.horizon)
                if runner.size_bytes > self._settings.target_max_bytes:
                    self._shedding.want()

    def _cleared(self, messages: Sequence[AlarmLog]) -> None:
        if messages and self.runners:
            task = asyncio.create_task(self._forward_cleared(messages), name="forward-cleared")
            self._clearing.add(task)
            task.add_done_callback(self._clearing.discard)

    async def _forward_cleared(self, messages: Sequence[AlarmLog]) -> None:
        for message in messages:
            try:
                device = await self._store.devices.find(message.device_id)
            except ThingsteadError as exc:
                log.warning("cleared alarms cannot be forwarded", error=exc.message)
                return
            if device is not None:
                self.tap.now(device, "alarm", message.ts, alarm_content(message), message.id)

    def appended(self, segment: Segment) -> None:
        """Tells that a segment was stored in a transaction of its own."""
        self.tap.ended(segment.seq)
        if len(segment):
            self._committed(segment)

    async def shed(self) -> None:
        """Gives up messages that are too old or too many."""
        await self.look()
        for runner in list(self.runners.values()):
            if runner.items and await runner.shed(self._trusted_now_ms):
                self._dropped_at = self._clock.now_ms()

    def warnings(self) -> list[HealthWarning]:
        """Conditions for ``/healthz``."""
        warnings = []
        paused = sum(runner.state == "paused" for runner in self.runners.values())
        if paused:
            warnings.append(health_warning("forward_targets_paused", targets=paused))
        if self._dropped_at and self._clock.now_ms() - self._dropped_at < DROPPED_SHOWN_MS:
            dropped = sum(runner.progress.dropped for runner in self.runners.values())
            warnings.append(health_warning("forward_messages_dropped", count=dropped))
        return warnings

    # Progress

    async def _keep(self) -> None:
        while not self._closing.is_set():
            await self._changed.wait()
            self._changed.clear()
            if self._closing.is_set():
                return
            try:
                await self.save()
            except ThingsteadError as exc:
                log.warning("progress of forward targets cannot be saved now", error=exc.message)
            except Exception:
                log.exception("progress of forward targets cannot be saved")
            await asyncio.sleep(SAVE_INTERVAL_S)

    async def save(self) -> None:
        """Saves how far targets are, and deletes segments that none of them needs."""
        async with self._saving:
            horizon = self.tap.horizon
            taken = {
                target_id: progress
                for target_id, runner in self.runners.items()
                if (progress := runner.take_progress(horizon)) is not None
            }
            done = self._done(horizon)
            if not taken and not done:
                return
            dead = [letter for _, letters in taken.values() for letter in letters]
            rows = [(target_id, progress) for target_id, (progress, _) in taken.items()]
            try:
                more = await self._store.forwarding.save(rows, dead, done)
            except BaseException:
                for target_id, (_, letters) in taken.items():
                    if target_id in self.runners:
                        self.runners[target_id].unsaved(letters)
                raise
            for target_id in taken:
                if target_id in self.runners:
                    self.runners[target_id].saved()
            self._deleted(done, more)

    def _done(self, horizon: int) -> list[tuple[str, int]]:
        """Projects with segments that nobody needs, and the last ``seq`` of these."""
        needed: dict[str, int] = {}
        for runner in self.runners.values():
            project_id = runner.target.project_id
            begin = runner.needed_from(horizon)
            needed[project_id] = min(begin, needed.get(project_id, begin))
        found = []
        for project_id in self._stored:
            end = min(needed.get(project_id, horizon + 1) - 1, horizon)
            if end > self._trimmed.get(project_id, 0):
                found.append((project_id, end))
        return found

    def _deleted(self, done: list[tuple[str, int]], more: set[str]) -> None:
        for project_id, end in done:
            self._recent.forget(project_id, end)
            if project_id in more:
                self._changed.set()
            elif self._stored.get(project_id, 0) <= end:
                self._stored.pop(project_id, None)
                self._trimmed.pop(project_id, None)
            else:
                self._trimmed[project_id] = end
