"""Sends mail over SMTP in a small pool of threads, because the library blocks."""

import asyncio
import concurrent.futures
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime

from thingstead.config import NotifySettings
from thingstead.services.history.history import EPOCH
from thingstead.services.notifications.http import SendFailed
from thingstead.services.notifications.text import NoticeText

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
            raise SendFailed("no SMTP server is configured (notify.smtp_host)", permanent=True)
        message = self._message(addresses, text, notice_id, now_ms)
        sending = asyncio.get_running_loop().run_in_executor(self._threads, _deliver, settings, message)
        try:
            async with asyncio.timeout(min(settings.timeout_s * STEPS, LONGEST_S)):
                return await asyncio.shield(sending)
        except TimeoutError:
            sending.add_done_callback(_seen)
            raise SendFailed("the SMTP server is too slow") from None

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
        code, reason = next(iter(exc.recipients.values()))
        raise SendFailed(f"every recipient was refused: {code} {_text(reason)}", permanent=code >= 500) from exc
    except smtplib.SMTPResponseException as exc:
        # [RFC 5321, 4.2.1] 5yz is permanent. A refused log-in can be corrected in the configuration.
        permanent = exc.smtp_code >= 500 and not isinstance(exc, smtplib.SMTPAuthenticationError)
        raise SendFailed(f"refused with {exc.smtp_code} {_text(exc.smtp_error)}", permanent=permanent) from exc
    except (smtplib.SMTPException, OSError) as exc:
        raise SendFailed(f"the SMTP server cannot be used: {exc}") from exc
    return f"accepted; refused for {', '.join(refused)}" if refused else "accepted"


def _connect(settings: NotifySettings) -> smtplib.SMTP:
    if settings.smtp_security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=settings.timeout_s, context=context)
    return smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=settings.timeout_s)


def _text(reason: bytes | str) -> str:
    return reason.decode(errors="replace") if isinstance(reason, bytes) else reason


def _seen(sending: "asyncio.Future[str]") -> None:
    """Retrieves the exception of an abandoned delivery, so that asyncio does not log it."""
    if not sending.cancelled():
        sending.exception()
