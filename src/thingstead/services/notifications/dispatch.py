"""Dispatches notices: leases channels, sends the notices of each in order, stores the result of every attempt.

A channel is leased to one sender. If a sender crashes, notices that were sent but not recorded are sent again after its
lease has expired, with the same id. A channel that fails waits longer after each failure; its notices stay queued, in
order, until they expire. A notice that is refused permanently is dropped without delaying the others.

The number of channels in progress is limited, and shared by projects: a free place goes to the project with the fewest,
and each has a maximum. The first attempt over a channel has a short time-out, so that a channel that never answers
holds its place only briefly; an attempt after a failure, or over a channel known to be slow, has the full time-out.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import structlog

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.config import NotifySettings
from thingstead.errors import ThingsteadError
from thingstead.model.alarms.alarm import AlarmLog
from thingstead.model.alarms.notification import AlarmNotice, Attempt, KeptChannel, NoticeState
from thingstead.model.messages import AlarmChanged
from thingstead.model.tenant import TENANT
from thingstead.refusals import reason
from thingstead.services.notifications.audit import log_stopped
from thingstead.services.notifications.channels import target_of
from thingstead.services.notifications.delivery import NoticeSender
from thingstead.services.notifications.mail import LONGEST_S
from thingstead.services.outbound.http import SendFailed
from thingstead.services.shared.lru import Lru
from thingstead.storage.base import Store
from thingstead.storage.base_alarms import Caps, Claim, Shares

log = structlog.get_logger("thingstead.notify")

CHANNELS_LIMIT = 64  # channels in progress
PROJECT_CHANNELS_LIMIT = 16  # of one project
SHARES = Shares(CHANNELS_LIMIT, PROJECT_CHANNELS_LIMIT)
FIRST_TRY_TIMEOUT_S = 3.0
SLOW_CHANNELS_LIMIT = 10_000  # cached ids of slow channels; the least recently used is dropped
NOTICES_PER_CLAIM = 10  # first notices of each claimed channel
WEBHOOKS_AT_ONCE = 50  # sent before their results are stored; a crash may send as many again
LEASE_MS = 60_000  # longer than any attempt
FIRST_WAIT_MS, LONGEST_WAIT_MS = 1_000, 600_000
LONGEST_SLEEP_S = 2.0
DIGEST_LIFETIME_MS = 24 * 3600 * 1000
STOP_S = 5.0  # time for notices in progress when the server stops


class NotifyDispatcher:
    """Sends the notices of queued channels on one node."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, settings: NotifySettings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._caps = Caps(settings.project_daily_max, settings.device_daily_max)
        self._owner = secrets.token_hex(8)  # of this process: leases of a crashed one do not match
        self._delivery = NoticeSender(store, clock, settings)
        self._clock_set_back = False
        self._wake = asyncio.Event()
        self._closing = False
        self._digests_at = 0  # ms: no digests before
        self._draining: dict[str, asyncio.Task[None]] = {}  # channels in progress, by id
        self._projects: Counter[str] = Counter()  # number of channels in progress by project
        self._slow: Lru[str, None] = Lru(SLOW_CHANNELS_LIMIT)  # answered after the time-out of a first try
        self._task: asyncio.Task[None] | None = None
        self._audit: asyncio.Task[None] | None = None
        self._subscription = bus.subscribe(AlarmChanged, lambda _: self._wake.set())
        self.sent = self.failed = 0

    def start(self) -> None:
        """Starts sending."""
        self._task = asyncio.create_task(self._run(), name="notify")
        self._audit = asyncio.create_task(log_stopped(self._store, self._settings), name="notify-audit")

    def ring(self) -> None:
        """Wakes the dispatcher: there may be something to send."""
        self._wake.set()

    async def close(self) -> None:
        """Stops sending. Queued notices are on disk; leases are released."""
        self._subscription.cancel()
        self._closing = True
        self._wake.set()
        if self._audit is not None:
            self._audit.cancel()
            await asyncio.gather(self._audit, return_exceptions=True)
        if self._task is not None:
            await self._task
        if self._draining:
            await asyncio.wait(list(self._draining.values()), timeout=STOP_S)
        for task in list(self._draining.values()):
            task.cancel()
        await asyncio.gather(*self._draining.values(), return_exceptions=True)
        await self._delivery.close()

    async def _run(self) -> None:
        while not self._closing:
            idle_s = LONGEST_SLEEP_S  # after a failure
            try:
                await self.dispatch()
                idle_s = await self._idle_s()
            except ThingsteadError as exc:
                log.warning("notices cannot be sent now", error=exc.message)
            except Exception:
                log.exception("sending notices failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(idle_s):
                    await self._wake.wait()
            self._wake.clear()

    async def _idle_s(self) -> float:
        due = await self._store.notify.next_try()
        if due is None or self._full:
            return LONGEST_SLEEP_S
        return min(LONGEST_SLEEP_S, max(0.02, (due - self._clock.now_ms()) / 1000))

    def clock_set_back(self, now: int, by_ms: int) -> None:
        """Handles that the server clock was set back: waiting times of channels are limited."""
        self._clock_set_back = True
        self._wake.set()

    async def dispatch(self) -> None:
        """Claims the channels that are due and starts sending; creates due digests."""
        now = self._clock.now_ms()
        if self._clock_set_back:
            await self._store.notify.clock_set_back(now, now + LEASE_MS)
            self._clock_set_back = False
            self._digests_at = 0
        await self._make_digests(now)
        if self._full:
            return
        await self._delivery.look()
        lease_until = now + LEASE_MS
        claims = await self._store.notify.claim(
            self._owner, now, lease_until, SHARES, self._projects, NOTICES_PER_CLAIM, self._caps, self._draining
        )
        for claim in claims:
            channel_id, project_id = claim.channel.id, claim.project_id
            task = asyncio.create_task(self._drain(claim, lease_until), name="notify-channel")
            self._draining[channel_id] = task
            self._projects[project_id] += 1
            task.add_done_callback(self._drained(channel_id, project_id))

    async def _make_digests(self, now: int) -> None:
        if now < self._digests_at:
            return
        try:
            await self._store.notify.digest(now, now - self._settings.digest_interval_s * 1000, DIGEST_LIFETIME_MS)
        except ThingsteadError:
            raise
        except Exception:
            log.exception("digests cannot be created; retrying later")  # other notices do not wait for digests
            self._digests_at = now + LONGEST_WAIT_MS

    @property
    def _full(self) -> bool:
        return len(self._draining) >= SHARES.in_all

    async def idle(self) -> None:
        """Waits until all claimed channels are done."""
        while self._draining:
            await asyncio.wait(list(self._draining.values()))

    def _drained(self, channel_id: str, project_id: str) -> Callable[[asyncio.Task[None]], None]:
        def done(task: asyncio.Task[None]) -> None:
            self._draining.pop(channel_id, None)
            self._projects[project_id] -= 1
            if not self._projects[project_id]:
                del self._projects[project_id]
            if not task.cancelled() and (error := task.exception()) is not None:
                # The lease expires, and then the channel is retried.
                log.error("sending over a channel failed", channel=channel_id, exc_info=error)
            self._wake.set()

        return done

    async def _drain(self, claim: Claim, lease_until: int) -> None:
        """Sends the notices of a claimed channel until the queue is empty, sending fails, or other channels need its
        place. Results are stored by the transaction that takes the next notices, or releases the lease."""
        TENANT.set(claim.project_id)
        notify, channel_id, failures = self._store.notify, claim.channel.id, claim.failures
        while True:
            sent, attempts, failed = await self._send_some(claim, lease_until, short=not failures)
            failures >>= min(sent, 32)  # an unreliable channel waits longer than one that failed once
            now = self._clock.now_ms()
            if failed is not None:
                failures += 2 if failed.slow else 1
                wait_ms = min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** min(failures - 1, 20))
                wait_ms = max(wait_ms, (failed.retry_after_s or 0) * 1000)
                return await notify.release(self._owner, channel_id, now + wait_ms, failures, attempts)
            if self._closing:
                return await notify.release(self._owner, channel_id, 0, failures, attempts)
            if self._full or self._projects[claim.project_id] >= SHARES.per_project:
                return await notify.release(self._owner, channel_id, now, failures, attempts)
            lease_until = now + LEASE_MS
            taken = await notify.take(
                self._owner, channel_id, now, lease_until, WEBHOOKS_AT_ONCE, self._caps, attempts, failures
            )
            if taken is None or not taken.notices:
                return None
            claim = taken

    async def _send_some(
        self, claim: Claim, lease_until: int, *, short: bool
    ) -> tuple[int, list[Attempt], SendFailed | None]:
        """Sends claimed notices in order; stops at the first failure that can be retried.

        Returns:
            How many were accepted, the attempts that are not stored yet, and the failure.
        """
        kept = claim.channel
        attempts: list[Attempt] = []
        failed: SendFailed | None = None
        sent = 0
        most_s = FIRST_TRY_TIMEOUT_S if short and kept.id not in self._slow else float(self._settings.timeout_s)
        longest_s = LONGEST_S if kept.kind == "email" else 2 * self._settings.timeout_s
        for notice, message in claim.notices:
            if self._clock.now_ms() + longest_s * 1000 > lease_until or self._closing:
                break
            attempt, failed = await self._attempt(kept, notice, message, most_s)
            attempts.append(attempt)
            if attempt.state == "sent":
                sent += 1
                self._note_pace(kept.id, attempt.took_ms)
            if failed is not None:
                break
            if kept.kind != "webhook" and notice is not claim.notices[-1][0]:
                # People must not get a notice twice: each attempt is stored at once, the last one by the caller.
                await self._store.notify.record(self._owner, kept.id, attempts)
                attempts = []
        return sent, attempts, failed

    def _note_pace(self, channel_id: str, took_ms: int) -> None:
        if took_ms > FIRST_TRY_TIMEOUT_S * 1000:
            self._slow.put(channel_id, None)
        else:
            self._slow.pop(channel_id, None)

    async def _attempt(
        self, kept: KeptChannel, notice: AlarmNotice, message: AlarmLog | None, most_s: float
    ) -> tuple[Attempt, SendFailed | None]:
        begun_s = self._clock.monotonic_s()
        failed: SendFailed | None = None
        state: NoticeState = "sent"
        try:
            said = await self._delivery.send(kept, notice, message, most_s)
            self.sent += 1
        except SendFailed as exc:
            said, state = exc.reason, "failed" if exc.permanent else "waiting"
            failed = None if exc.permanent else exc
            self.failed += 1
        except ThingsteadError:
            raise  # of the store: nothing was sent
        except Exception:
            # A bug with one notice must not stop the others of its channel.
            log.exception("a notice cannot be created", notice=notice.id)
            said, state = reason("notice_not_made").message, "failed"
            self.failed += 1
        attempt = Attempt(
            notice_id=notice.id,
            target=target_of(kept),
            state=state,
            message=said,
            took_ms=round((self._clock.monotonic_s() - begun_s) * 1000),
            ts=self._clock.now_ms(),
        )
        return attempt, failed
