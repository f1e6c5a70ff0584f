"""How many messages each project's devices send and are sent: counted in memory, kept by minute and by hour."""

from collections import Counter
from contextlib import suppress

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import InvalidInput, Unavailable
from thingstead.model import limits
from thingstead.model.console.message_stat import (
    HOUR_MS,
    HOURS_KEPT_MS,
    MINUTE_MS,
    MINUTES_KEPT_MS,
    MessageTally,
)
from thingstead.model.messages import AlarmChanged
from thingstead.repeating import Repeating
from thingstead.services.shared.lru import Lru
from thingstead.services.shared.message_counts import NOTHING, MessageCounts
from thingstead.storage.base import Store
from thingstead.wire.message_stat import MessageStatInfo, MessageStatItem

LOOK_S = 1.0  # how often it is looked whether a minute is over
RULES_KEPT = 1_000  # projects of rules in memory


class MessageStatService:
    """Writes what was counted once a minute, and reads it. A crash loses the counts of at most one minute."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, counts: MessageCounts) -> None:
        self._store = store
        self._now_ms = clock.now_ms
        self._counts = counts
        self._minute = self._now_ms() // MINUTE_MS
        self._lively: frozenset[str] = frozenset()  # projects with something in the minute that was written last
        self._online: dict[str, int] = {}  # as of the last look
        self._projects: Lru[str, str] = Lru(RULES_KEPT)  # by rule
        self._unplaced: Counter[tuple[str, str, str]] = Counter()  # alarms by rule, device and action, of this second
        self._subscription = bus.subscribe(AlarmChanged, self._heard)
        self._task = Repeating("message statistics", self.look, LOOK_S)

    def start(self) -> None:
        """Starts the task that writes; :meth:`close` ends it."""
        self._task.start()

    async def close(self) -> None:
        """Ends the task, and writes what the minute has so far."""
        self._subscription.cancel()
        await self._task.close()
        with suppress(Unavailable):
            await self._place()
        taken = self._counts.take()
        if taken:
            await self._write(taken, self._online)

    async def look(self) -> None:
        """Writes the minute that was counted, if it is over."""
        await self._place()
        minute = self._now_ms() // MINUTE_MS
        if minute == self._minute:
            return
        online = self._online = await self._store.message_stat.online()
        taken = self._counts.take()
        # A project that became quiet gets one more row, so that the least of its devices online is right.
        await self._write(
            taken | {each: MessageTally() for each in (self._lively | online.keys()) - taken.keys()}, online
        )
        self._lively = frozenset(taken.keys() | online.keys())
        self._minute = minute

    async def _write(self, tallies: dict[str, MessageTally], online: dict[str, int]) -> None:
        if not tallies:
            return
        try:
            await self._store.message_stat.add(self._minute * MINUTE_MS, tallies, online)
        except BaseException:
            self._counts.give_back({project_id: tally for project_id, tally in tallies.items() if tally != NOTHING})
            raise

    async def read(self, project_id: str, start: float | None, end: float | None, interval_ms: int) -> MessageStatInfo:
        """The spans of a range, without gaps. They begin at multiples of the interval; what is kept no longer is left
        out.

        Args:
            start, end: ms; None: the last 24 hours.
            interval_ms: a number of minutes; of whole hours if the range is older than the minutes that are kept.

        Raises:
            InvalidInput: the range begins after its end, or has too many spans.
        """
        now = self._now_ms()
        last = now if end is None else min(int(end), now)
        first = last - 24 * HOUR_MS if start is None else int(start)
        if start is not None and end is not None and start > end:
            raise InvalidInput.field("start_time", "start_after_end")
        kept_ms = MINUTES_KEPT_MS if interval_ms % HOUR_MS else HOURS_KEPT_MS
        begin = max(first, now - kept_ms) // interval_ms * interval_ms
        if (last - begin) // interval_ms >= limits.BUCKETS_COUNT:
            raise InvalidInput.field("interval", "interval_too_short", maximum=limits.BUCKETS_COUNT)
        found = await self._store.message_stat.list_spans(project_id, begin, last + 1, interval_ms)
        by_begin = {item.ts: item for item in found}
        return MessageStatInfo(
            interval_ms=interval_ms,
            items=[by_begin.get(ts) or _quiet(ts) for ts in range(begin, last + 1, interval_ms)],
        )

    def _heard(self, news: AlarmChanged) -> None:
        if news.action not in ("raise", "clear"):
            return
        self._unplaced[news.rule_id, news.device_id, news.action] += 1

    async def _place(self) -> None:
        """Counts alarms for the projects of their rules."""
        unplaced, self._unplaced = self._unplaced, Counter()
        for (rule_id, device_id, action), count in unplaced.items():
            project_id = self._projects.use(rule_id)
            if project_id is None:
                project_id = await self._store.message_stat.project_of(device_id)
                if project_id is None:
                    continue
                self._projects.put(rule_id, project_id)
            tally = self._counts.of(project_id)
            if action == "raise":
                tally.alarms_raised += count
            else:
                tally.alarms_cleared += count


def _quiet(ts: int) -> MessageStatItem:
    """A span in which nothing happened."""
    numbers = dict.fromkeys(MessageStatItem.__struct_fields__, 0)
    return MessageStatItem(**{**numbers, "ts": ts})
