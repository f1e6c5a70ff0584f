"""Delivers one notice over one channel: renders, sends, and classifies the result."""

from collections.abc import Callable
from datetime import UTC, tzinfo

from thingstead.clock import Clock
from thingstead.config import NotifySettings
from thingstead.errors import NotFound
from thingstead.model.alarms.alarm import AlarmLog
from thingstead.model.alarms.notification import AlarmNotice, Channel, KeptChannel
from thingstead.refusals import reason
from thingstead.rules.schedule import zone
from thingstead.services.notifications import robots
from thingstead.services.notifications.mail import MailSender
from thingstead.services.notifications.text import NoticeText, render, webhook_body
from thingstead.services.outbound.addresses import private_allowed
from thingstead.services.outbound.http import HttpResponse, HttpSender, SendFailed
from thingstead.storage.base import Store

TAKEN, NOT_TAKEN = reason("notice_taken"), reason("notice_not_taken")


class NoticeSender:
    """Sends notices over HTTP and SMTP. Call :meth:`look` from time to time to update which addresses are allowed."""

    def __init__(self, store: Store, clock: Clock, settings: NotifySettings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._http = HttpSender(timeout_s=settings.timeout_s, private_addresses=False)
        self._mail = MailSender(settings)
        self._tenants = 1

    async def look(self) -> None:
        """Counts the projects. With several, private addresses are refused unless the operator allows them, because
        tenants must not see what answers there."""
        self._tenants = await self._store.projects.count()
        self._http.private_addresses = private_allowed(self._settings.private_addresses, self._tenants)

    async def send(self, kept: KeptChannel, notice: AlarmNotice, message: AlarmLog | None, most_s: float) -> str:
        """Sends one notice within ``most_s``. Returns the text for its log.

        Raises:
            SendFailed: it was not accepted.
        """
        now, channel = self._clock.now_ms(), kept.channel
        text = render(notice, message, channel.language or self._settings.language, await self._zone(notice))
        if channel.email is not None:
            return await self._mail.send(channel.email, text, notice.id, now)
        request = await self._request(kept, notice, message, text, now)
        try:
            answer = await self._http.post(
                request.url,
                request.body,
                request.headers,
                timeout_s=most_s,
                status_only=kept.kind == "webhook",
                trusted=kept.kind == "telegram",
            )
        except SendFailed as exc:
            raise self._shown(exc) if exc.inner else exc from None
        return self._judge(kept, answer)

    def _judge(self, kept: KeptChannel, answer: HttpResponse) -> str:
        hidden = answer.inner and self._tenants > 1
        try:
            said = robots.judge(kept.kind, answer)
        except SendFailed as exc:
            raise self._shown(exc) if hidden else exc from None
        return TAKEN.message if hidden else said

    def _shown(self, failed: SendFailed) -> SendFailed:
        """A failure at a private address, reduced to what a tenant may see."""
        if self._tenants <= 1:
            return failed
        return SendFailed(
            NOT_TAKEN, permanent=failed.permanent, retry_after_s=failed.retry_after_s, slow=failed.slow, inner=True
        )

    async def _request(
        self, kept: KeptChannel, notice: AlarmNotice, message: AlarmLog | None, text: NoticeText, now: int
    ) -> robots.RobotRequest:
        channel: Channel = kept.channel
        if kept.kind == "webhook":
            device = None if notice.device_id is None else await self._store.devices.find(notice.device_id)
            return robots.webhook(channel, webhook_body(notice, message, device, text), notice.id, now)
        make: dict[str, Callable[[], robots.RobotRequest]] = {
            "dingtalk": lambda: robots.dingtalk(channel, text, now),
            "wecom": lambda: robots.wecom(channel, text),
            "feishu": lambda: robots.feishu(channel, text, now),
            "telegram": lambda: robots.telegram(channel, text, self._settings.telegram_api),
        }
        return make[kept.kind]()

    async def _zone(self, notice: AlarmNotice) -> tzinfo:
        """The time zone of the notice's project."""
        try:
            return zone((await self._store.projects.get(notice.project_id)).timezone)
        except (NotFound, ValueError):  # ValueError: the time zone is unknown on this machine
            return UTC

    async def close(self) -> None:
        """Closes connections and threads."""
        await self._http.close()
        self._mail.close()
