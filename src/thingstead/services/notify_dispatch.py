"""Sends notices: claims channels that have some, sends each channel's in order, keeps what became of every attempt.

A channel is leased to one sender. What was sent and not yet noted when a sender dies is sent again when its lease has
ended, never before, and under the same id. A channel that fails waits longer from time to time; its notices wait with
it, in order, until they are too old to be of use. One that refuses a single notice for good loses only that.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress

import structlog

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.config import NotifySettings
from thingstead.errors import ThingsteadError
from thingstead.model.alarm import AlarmLog
from thingstead.model.messages import AlarmChanged
from thingstead.model.notification import Attempt, KeptChannel, Notice, NoticeState
from thingstead.services import notification_robots as robots
from thingstead.services.notification_http import HttpSender, SendFailed
from thingstead.services.notification_mail import LONGEST_S, MailSender
from thingstead.services.notification_text import render, webhook_body
from thingstead.services.notify_targets import target_of
from thingstead.storage.base import Store
from thingstead.storage.base_alarms import Caps, Claim

log = structlog.get_logger("thingstead.notify")

CHANNELS_AT_ONCE = 16
WEBHOOKS_PER_SETTLE = 50  # sent before what became of them is noted; a crash sends up to so many again
LEASE_MS = 60_000  # longer than any attempt
FIRST_WAIT_MS, LONGEST_WAIT_MS = 1_000, 600_000
LONGEST_SLEEP_S = 2.0
DIGEST_LIFETIME_MS = 24 * 3600 * 1000
STOP_S = 5.0  # how long notices that are on their way may take when the server stops


class NotifyDispatcher:
    """The sender of one node."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, settings: NotifySettings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._caps = Caps(settings.project_daily_max, settings.device_daily_max)
        self._owner = secrets.token_hex(8)  # of this process: a lease of one that died is not ours
        self._http = HttpSender(timeout_s=settings.timeout_s, private_addresses=settings.private_addresses)
        self._mail = MailSender(settings)
        self._wake = asyncio.Event()
        self._closing = False
        self._draining: dict[str, asyncio.Task[None]] = {}  # by channel id
        self._task: asyncio.Task[None] | None = None
        self._subscription = bus.subscribe(AlarmChanged, lambda _: self._wake.set())
        self.sent = self.failed = 0

    def start(self) -> None:
        """Begins to send."""
        self._task = asyncio.create_task(self._run(), name="notify")

    def ring(self) -> None:
        """There may be something to send."""
        self._wake.set()

    async def close(self) -> None:
        """Ends sending. What waits is on disk; leases are given back."""
        self._subscription.cancel()
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._draining:
            await asyncio.wait(list(self._draining.values()), timeout=STOP_S)
        for task in list(self._draining.values()):
            task.cancel()
        await asyncio.gather(*self._draining.values(), return_exceptions=True)
        await self._http.close()
        self._mail.close()

    async def _run(self) -> None:
        while not self._closing:
            idle_s = LONGEST_SLEEP_S  # where it fails
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
        if due is None or len(self._draining) >= CHANNELS_AT_ONCE:
            return LONGEST_SLEEP_S
        return min(LONGEST_SLEEP_S, max(0.02, (due - self._clock.now_ms()) / 1000))

    async def dispatch(self) -> None:
        """Begins to send over every channel that may be claimed; makes digests that are due."""
        now = self._clock.now_ms()
        await self._store.notify.digest(now, now - self._settings.digest_interval_s * 1000, DIGEST_LIFETIME_MS)
        free = CHANNELS_AT_ONCE - len(self._draining)
        if free > 0:
            claimed = await self._store.notify.claim(self._owner, now, now + LEASE_MS, free)
            # One of ours whose lease ran out under an attempt that takes long has its lease back, and goes on.
            for channel_id in (each for each in claimed if each not in self._draining):
                task = asyncio.create_task(self._drain(channel_id), name="notify-channel")
                self._draining[channel_id] = task
                task.add_done_callback(self._drained(channel_id))

    async def settled(self) -> None:
        """Returns when every channel that was claimed has been sent over."""
        while self._draining:
            await asyncio.wait(list(self._draining.values()))

    def _drained(self, channel_id: str) -> Callable[[asyncio.Task[None]], None]:
        def done(task: asyncio.Task[None]) -> None:
            self._draining.pop(channel_id, None)
            if not task.cancelled() and (error := task.exception()) is not None:
                # The lease ends by itself; the channel is tried again then.
                log.error("sending over a channel failed", channel=channel_id, exc_info=error)
            self._wake.set()

        return done

    async def _drain(self, channel_id: str) -> None:
        """Sends the notices of a leased channel until none waits, or it fails."""
        notify = self._store.notify
        failures = await notify.failures(channel_id)
        while True:
            now = self._clock.now_ms()
            claim = None
            if not self._closing:
                claim = await notify.take(self._owner, channel_id, now, now + LEASE_MS, WEBHOOKS_PER_SETTLE, self._caps)
                if claim is None:
                    return
            if claim is None or not claim.notices:
                await notify.release(self._owner, channel_id, 0, failures if claim is None else 0)
                return
            failed = await self._send_some(claim, now + LEASE_MS)
            if failed is not None:
                failures += 1
                wait_ms = min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** min(failures - 1, 20))
                wait_ms = max(wait_ms, (failed.retry_after_s or 0) * 1000)
                await notify.release(self._owner, channel_id, self._clock.now_ms() + wait_ms, failures)
                return
            failures = 0

    async def _send_some(self, claim: Claim, lease_until: int) -> SendFailed | None:
        """Sends what was claimed, in order; stops at the first failure that is worth another try, and returns it."""
        kept = claim.channel
        attempts: list[Attempt] = []
        failed: SendFailed | None = None
        longest_s = LONGEST_S if kept.kind == "email" else 2 * self._settings.timeout_s
        for notice, message in claim.notices:
            if self._clock.now_ms() + longest_s * 1000 > lease_until or self._closing:
                break
            attempt, failed = await self._attempt(kept, notice, message)
            attempts.append(attempt)
            if kept.kind != "webhook":  # people shall not read things twice: each is noted at once
                await self._store.notify.settle(self._owner, kept.id, attempts)
                attempts = []
            if failed is not None:
                break
        if attempts:
            await self._store.notify.settle(self._owner, kept.id, attempts)
        return failed

    async def _attempt(
        self, kept: KeptChannel, notice: Notice, message: AlarmLog | None
    ) -> tuple[Attempt, SendFailed | None]:
        begun_s = self._clock.monotonic_s()
        failed: SendFailed | None = None
        state: NoticeState = "sent"
        try:
            said = await self._deliver(kept, notice, message)
            self.sent += 1
        except SendFailed as exc:
            said, state = exc.reason, "failed" if exc.permanent else "waiting"
            failed = None if exc.permanent else exc
            self.failed += 1
        except ThingsteadError:
            raise  # of the store: nothing was sent
        except Exception:
            # A fault of ours with one notice must not hold up the others of its channel for a day.
            log.exception("a notice cannot be made", notice=notice.id)
            said, state = "the server could not make the notice; its log says why", "failed"
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

    async def _deliver(self, kept: KeptChannel, notice: Notice, message: AlarmLog | None) -> str:
        """Sends one notice; what the log says of it. Raises SendFailed."""
        now = self._clock.now_ms()
        channel = kept.channel
        if kept.kind == "webhook":
            device = None if notice.device_id is None else await self._store.devices.find(notice.device_id)
            request = robots.webhook(channel, webhook_body(notice, message, device), notice.id, now)
        else:
            text = render(notice, message, self._settings.language)
            if channel.email is not None:
                return await self._mail.send(channel.email, text, notice.id, now)
            make: dict[str, Callable[[], robots.Request]] = {
                "dingtalk": lambda: robots.dingtalk(channel, text, now),
                "wecom": lambda: robots.wecom(channel, text),
                "feishu": lambda: robots.feishu(channel, text, now),
                "telegram": lambda: robots.telegram(channel, text, self._settings.telegram_api),
            }
            request = make[kept.kind]()
        return robots.judge(kept.kind, await self._http.post(request.url, request.body, request.headers))
