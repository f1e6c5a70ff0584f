"""Keeps the work that message rules have to do, and has it done: for each project in the order of its messages, the
projects side by side.

Work that the store cannot take now is tried again; work that fails for another reason a few times more, later.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import structlog

from thingstead.clock import Clock
from thingstead.errors import ThingsteadError
from thingstead.model.message_rules.work import WaitingWork, Work
from thingstead.services.message_rules.doing import WorkDoer
from thingstead.services.message_rules.effects import Effects
from thingstead.services.triggers.triggers import PendingWork, Triggers
from thingstead.storage.base import Store
from thingstead.timers import DueQueue

log = structlog.get_logger("thingstead.message_rules")

RULES_PER_READ = 500
WORK_PER_READ = 1_000
KEPT_COUNT = 1_000  # pieces of work in memory; what is beyond that is read when its turn comes
KEPT_MAX_BYTES = 16 << 20  # of the same
LANES_COUNT = 256  # projects whose work is done at the same time
RETRY_S = 1.0  # after the store could not take work
REFUSALS_COUNT = 5  # in a row, by the store; then other work goes first
ATTEMPTS_COUNT = 3  # of work that fails for another reason …
BROKEN_RETRY_MS = 10_000  # … and how long it waits in between
LONGEST_SLEEP_S = 1.0


class _QueuedWork(NamedTuple):
    """Work of a project that waits for its turn."""

    waiting: WaitingWork
    pending: PendingWork | None  # None: it is read


class RuleRunner:
    """Loads the rules, and has their work done. Not active until :meth:`start`."""

    def __init__(self, store: Store, clock: Clock, triggers: Triggers, effects: Effects) -> None:
        self._store = store
        self._clock = clock
        self.triggers = triggers
        self._doer = WorkDoer(store, clock, triggers, effects, self._ended)
        self._lanes: dict[str, deque[_QueuedWork]] = {}  # by project id, while there is work
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(LANES_COUNT)
        self._sizes: dict[int, WaitingWork] = {}  # all that is unfinished, by id
        self._kept_count = self._kept_bytes = 0  # of pieces in memory
        self._due: DueQueue[int, int] = DueQueue()  # ids of work by ms
        self._delays: dict[int, int] = {}  # ms, of actions that were put off since the start
        self._refusals: dict[int, int] = {}  # by the store, in a row
        self._attempts: dict[int, int] = {}  # of work that failed
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._drops: set[asyncio.Task[None]] = set()
        triggers.on_work = self._take

    @property
    def done(self) -> int:
        """Items of work that were done since the start."""
        return self._doer.done

    @property
    def broken(self) -> int:
        """Actions without effect because of an error of the server."""
        return self._doer.broken

    async def start(self, *, run: bool = True) -> None:
        """Loads the rules and unfinished work. ``run``: also starts the tasks that do it."""
        if self.triggers.off:
            log.warning("message rules are off: none acts, and their work waits")
            return
        after = ""
        while rules := await self._store.message_rules.list_enabled(after, RULES_PER_READ):
            for rule in rules:
                self.triggers.put(rule)
            after = rules[-1].id
        after = ""
        while states := await self._store.message_rules.list_states(after, RULES_PER_READ):
            for rule_id, state in states:
                known = self.triggers.index.rules.get(rule_id)
                if known is not None:
                    known.restore(state)
            after = states[-1][0]
        last = 0
        while found := await self._store.message_rules.list_work(last, WORK_PER_READ):
            for waiting in found:
                self.triggers.room.put(waiting.project_id, waiting.item_count, waiting.size_bytes)
                self._sizes[waiting.id] = waiting
                if waiting.due_at:
                    self._due.put(waiting.id, waiting.due_at)
                else:
                    self._enter(_QueuedWork(waiting, None))
            last = found[-1].id
        self.triggers.ids_used(last)
        if run:
            self._task = asyncio.create_task(self._run(), name="message-rules")
            for project_id in list(self._lanes):
                self._start_lane(project_id)

    async def close(self) -> None:
        """Stops the tasks. Unfinished work is on disk."""
        tasks = [*self._tasks.values(), *self._drops, *([] if self._task is None else [self._task])]
        for task in tasks:
            task.cancel()
        self._task = None
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    def drop_later(self, project_id: str, rule_id: str) -> None:
        """Starts :meth:`drop`."""
        task = asyncio.create_task(self.drop(project_id, rule_id), name="message-rules-drop")
        self._drops.add(task)
        task.add_done_callback(self._drops.discard)

    async def drop(self, project_id: str, rule_id: str) -> None:
        """Removes the actions of a removed rule that wait for their time, which would take the room of others until
        then."""
        for work_id in [each.id for each in self._sizes.values() if each.due_at and each.project_id == project_id]:
            try:
                work = await self._store.message_rules.read_work(work_id)
                if work is not None and all(item.rule_id == rule_id for item in work.items):
                    commit = self._store.message_rules.finish_work(work_id, (), ())
                    commit.on_done(partial(self._dropped, work_id))
            except ThingsteadError as exc:
                log.warning("actions of a removed rule wait for their time", rule=rule_id, error=exc.message)
                return

    def _dropped(self, work_id: int, error: Exception | None) -> None:
        if error is None:
            self._due.cancel(work_id)
            self._forget(work_id)

    def clock_set_back(self, now: int, by_ms: int) -> None:
        """Handles that the server clock was set back: no action waits for longer than its delay from now."""
        for work_id, delay_ms in self._delays.items():
            self._due.put(work_id, now + delay_ms)
        self.triggers.clock_set_back()
        self._wake.set()

    async def sweep(self) -> None:
        """Does what is due, without the tasks."""
        self._take_due()
        for project_id in list(self._lanes):
            while lane := self._lanes.get(project_id):
                await self._turn(lane[0])
                lane.popleft()
            self._lanes.pop(project_id, None)

    def _take(self, pending: PendingWork) -> None:
        """Takes work whose message is on disk."""
        work = pending.work
        size_bytes = sum(item.size_bytes for item in work.items)
        waiting = WaitingWork(work.id, 0, work.project_id, len(work.items), size_bytes)
        self._sizes[work.id] = waiting
        kept = self._kept_count < KEPT_COUNT and self._kept_bytes + size_bytes <= KEPT_MAX_BYTES
        if kept:
            self._kept_count += 1
            self._kept_bytes += size_bytes
        self._enter(_QueuedWork(waiting, pending if kept else None))
        if self._task is not None:
            self._start_lane(work.project_id)

    def _enter(self, queued: _QueuedWork) -> None:
        self._lanes.setdefault(queued.waiting.project_id, deque()).append(queued)

    def _start_lane(self, project_id: str) -> None:
        if project_id not in self._tasks:
            self._tasks[project_id] = asyncio.create_task(self._run_lane(project_id), name="message-rules-lane")

    async def _run_lane(self, project_id: str) -> None:
        """Does the work of a project, as long as there is any."""
        try:
            while lane := self._lanes.get(project_id):
                try:
                    async with self._turns:
                        await self._turn(lane[0])
                except ThingsteadError as exc:
                    log.warning("message rules could not act; retrying", project=project_id, error=exc.message)
                    await asyncio.sleep(RETRY_S)
                    self._refused(lane)
                else:
                    lane.popleft()
            self._lanes.pop(project_id, None)
        finally:
            del self._tasks[project_id]

    def _refused(self, lane: deque[_QueuedWork]) -> None:
        """Lets other work go first if the store refuses this again and again: it may be because of one device."""
        waiting = lane[0].waiting
        self._refusals[waiting.id] = self._refusals.get(waiting.id, 0) + 1
        if self._refusals[waiting.id] < REFUSALS_COUNT:
            return
        del self._refusals[waiting.id]
        self._release(lane.popleft())
        self._due.put(waiting.id, self._clock.now_ms() + BROKEN_RETRY_MS)

    async def _run(self) -> None:
        """Starts the lanes of what becomes due."""
        while True:
            for project_id in self._take_due():
                self._start_lane(project_id)
            due = self._due.next_due()
            idle_s = LONGEST_SLEEP_S
            if due is not None:
                idle_s = min(idle_s, max(0.0, (due - self._clock.now_ms()) / 1000))
            with suppress(TimeoutError):
                async with asyncio.timeout(idle_s):
                    await self._wake.wait()
            self._wake.clear()

    def _take_due(self) -> set[str]:
        """Lets what is due wait for its turn. Returns its projects."""
        now, projects = self._clock.now_ms(), set[str]()
        while (work_id := self._due.take(now)) is not None:
            waiting = self._sizes.get(work_id)
            self._delays.pop(work_id, None)  # it is not put into the queue again: it could be done twice
            if waiting is not None:
                self._enter(_QueuedWork(waiting, None))
                projects.add(waiting.project_id)
        return projects

    async def _turn(self, queued: _QueuedWork) -> None:
        """Does one piece of work. Raises ThingsteadError if the store cannot take it now."""
        waiting, pending = queued
        attempts = self._attempts.get(waiting.id, 0) + 1
        try:
            work = pending.work if pending is not None else await self._store.message_rules.read_work(waiting.id)
            if work is None:
                self._forget(waiting.id)
            else:
                await self._doer.do(work, pending, last=attempts >= ATTEMPTS_COUNT)
        except ThingsteadError:
            raise
        except Exception:
            log.exception("work of message rules failed", work=waiting.id, attempt=attempts)
            if attempts >= ATTEMPTS_COUNT:  # not even as a failure: it stays on disk, and is tried at the next start
                self._forget(waiting.id)
            else:
                self._attempts[waiting.id] = attempts
                self._due.put(waiting.id, self._clock.now_ms() + BROKEN_RETRY_MS)
        self._refusals.pop(waiting.id, None)
        self._release(queued)

    def _release(self, queued: _QueuedWork) -> None:
        """Work leaves the memory."""
        if queued.pending is not None:
            self._kept_count -= 1
            self._kept_bytes -= queued.waiting.size_bytes

    def _ended(self, work: Work, later: Sequence[Work], error: Exception | None) -> None:
        if error is not None:  # nothing of it happened
            self._due.put(work.id, self._clock.now_ms() + round(RETRY_S * 1000))
        else:
            self._forget(work.id)
            for each in later:
                size_bytes = sum(item.size_bytes for item in each.items)
                self._sizes[each.id] = WaitingWork(each.id, each.due_at, each.project_id, len(each.items), size_bytes)
                self._due.put(each.id, each.due_at)
                action = each.items[0].action
                if action is not None and action.delay_ms:
                    self._delays[each.id] = action.delay_ms
        if error is not None or later:
            self._wake.set()

    def _forget(self, work_id: int) -> None:
        """Work that is over gives its room back."""
        self._attempts.pop(work_id, None)
        self._delays.pop(work_id, None)
        waiting = self._sizes.pop(work_id, None)
        if waiting is not None:
            self.triggers.room.give(waiting.project_id, waiting.size_bytes, waiting.item_count)
