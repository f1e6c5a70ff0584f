"""Sends mail over SMTP in a small pool of threads, because the library blocks."""

import asyncio
import concurrent.futures
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime

from thingstead.config import NotifySettings
from thingstead.refusals import reason
from thingstead.services.history.history import EPOCH
from thingstead.services.notifications.text import NoticeText
from thingstead.services.outbound.http import SendFailed

THREADS = 4  # concurrent mails
STEPS = 8  # steps of a delivery with a time-out each …
LONGEST_S = 50.0  # … and limit of their sum, shorter than the lease of the channel


class MailSender:
    """Sends mails over the configured SMTP server."""

    def __init__(self, settings: NotifySettings) -> None:
        self._settings = settings
        self._threads = concurrent.futures.ThreadPoolExecutor(THREADS, "thingstead-mail")  # started when needed

    async def send(self, addresses: Sequence[str], text: NoticeText, notice_id: str, now_ms: int) -> str:
        """Sends one mail to all addresses. Returns the text for the log.

        Raises:
            SendFailed: the server did not accept it.
        """
        settings = self._settings
        if not settings.smtp_host:
            raise SendFailed(reason("notice_no_smtp"), permanent=True)
        message = self._message(addresses, text, notice_id, now_ms)
        sending = asyncio.get_running_loop().run_in_executor(self._threads, _deliver, settings, message)
        try:
            async with asyncio.timeout(min(settings.timeout_s * STEPS, LONGEST_S)):
                return await asyncio.shield(sending)
        except TimeoutError:
            sending.add_done_callback(_seen)
            raise SendFailed(reason("notice_smtp_slow")) from None

    def _message(self, addresses: Sequence[str], text: NoticeText, notice_id: str, now_ms: int) -> EmailMessage:
        sender = self._settings.mail_from or "thingstead@localhost"
        message = EmailMessage()
        message["Subject"] = text.subject
        message["From"] = sender
        message["To"] = ", ".join(addresses)
        message["Date"] = format_datetime(EPOCH.fromtimestamp(now_ms / 1000, EPOCH.tzinfo))
        message["Message-ID"] = f"<{notice_id}@{sender.rpartition('@')[2].rstrip('>')}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: prevents automatic replies
        message.set_content(text.text)
        return message

    def close(self) -> None:
        """Shuts down the threads; mails in progress end by their time-outs."""
        self._threads.shutdown(wait=False)


def _deliver(settings: NotifySettings, message: EmailMessage) -> str:
    try:
        with _connect(settings) as server:
            if settings.smtp_security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password)
            refused = server.send_message(message)
    except smtplib.SMTPRecipientsRefused as exc:
        status, told = next(iter(exc.recipients.values()))
        why = reason("notice_recipients_refused", status=status, detail=_text(told))
        raise SendFailed(why, permanent=status >= 500) from exc
    except smtplib.SMTPResponseException as exc:
        # [RFC 5321, 4.2.1] 5yz is permanent. A refused log-in can be corrected in the configuration.
        permanent = exc.smtp_code >= 500 and not isinstance(exc, smtplib.SMTPAuthenticationError)
        why = reason("notice_smtp_refused", status=exc.smtp_code, detail=_text(exc.smtp_error))
        raise SendFailed(why, permanent=permanent) from exc
    except (smtplib.SMTPException, OSError) as exc:
        raise SendFailed(reason("notice_smtp_unusable", detail=str(exc))) from exc
    accepted = reason("notice_accepted_partly", addresses=list(refused)) if refused else reason("notice_accepted")
    return accepted.message


def _connect(settings: NotifySettings) -> smtplib.SMTP:
    if settings.smtp_security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=settings.timeout_s, context=context)
    return smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=settings.timeout_s)


def _text(told: bytes | str) -> str:
    return told.decode(errors="replace") if isinstance(told, bytes) else told


def _seen(sending: "asyncio.Future[str]") -> None:
    """Retrieves the exception of an abandoned delivery, so that asyncio does not log it."""
    if not sending.cancelled():
        sending.exception()
