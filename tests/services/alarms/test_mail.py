"""Mails go out, behind TLS, and not a thousand of them."""

import asyncio
import gc
import ssl
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority
from tests.services.alarm_plant import HOT, HOUR, MINUTE, Plant
from tests.services.alarms.sending import Sender, flap, told
from tests.services.receivers import SmtpReceiver
from thingstead.model.device import Device
from thingstead.services.notifications.mail import _seen


async def test_a_mail_goes_to_all_its_addresses(plant: Plant, device: Device) -> None:
    async with SmtpReceiver() as smtp:
        settings = {
            "smtp_host": "127.0.0.1",
            "smtp_port": smtp.port,
            "smtp_security": "none",
            "mail_from": "a@b.example",
        }
        (log,) = await told(plant, device, {"email": ["x@c.example", "y@c.example"]}, **settings)
    assert (log.state, log.message, log.target) == ("sent", "accepted", "x@c.example, y@c.example")
    (mail,) = smtp.mails
    assert (mail.sender, mail.recipients) == ("a@b.example", ["x@c.example", "y@c.example"])
    message = message_from_string(mail.text)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == f"<{log.notice_id}@b.example>"
    assert message["Date"] == "Tue, 14 Nov 2023 22:13:20 +0000"
    assert "Too hot" in message["Subject"]
    assert "Too hot" in str(message.get_payload())


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_mail_server_is_logged_in_to_behind_tls_and_must_show_who_it_is(
    plant: Plant, device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    authority = Authority(tmp_path)
    signed = authority.sign("mail")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(signed.certificate, signed.key)
    async with SmtpReceiver(tls, starttls=security == "starttls") as smtp:
        settings = {
            "smtp_host": "127.0.0.1", "smtp_port": smtp.port, "smtp_security": security, "smtp_user": "alarms",
            "smtp_password": "pass phrase",
        }  # fmt: skip
        (log,) = await told(plant, device, {"email": ["x@c.example"]}, **settings)
        assert (log.state, smtp.logins, smtp.mails) == ("waiting", [], [])
        assert "certificate verify failed" in log.message

        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        plant.clock.advance(MINUTE)
        sender = Sender(plant, **settings)
        await sender.send()
        await sender.dispatcher.close()
    assert [each.state for each in await sender.logs()] == ["sent", "waiting"]
    assert smtp.logins == [b"\0alarms\0pass phrase"]
    assert len(smtp.mails) == 1


@pytest.mark.parametrize(
    ("command", "answer", "state"),
    [
        ("RCPT", b"550 no such user\r\n", "failed"),
        ("RCPT", b"450 busy\r\n", "waiting"),
        ("MAIL", b"552 too big\r\n", "failed"),
        ("DATA", b"451 later\r\n", "waiting"),
    ],
)
async def test_a_mail_server_says_no_for_now_or_for_good(
    plant: Plant, device: Device, command: str, answer: bytes, state: str
) -> None:
    async with SmtpReceiver() as smtp:
        smtp.answers[command] = answer
        settings = {"smtp_host": "127.0.0.1", "smtp_port": smtp.port, "smtp_security": "none"}
        (log,) = await told(plant, device, {"email": ["x@c.example"]}, **settings)
    assert (log.state, smtp.mails) == (state, [])


async def test_a_mail_waits_for_a_mail_server_that_does_not_run(plant: Plant, device: Device) -> None:
    async with SmtpReceiver() as smtp:
        settings = {"smtp_host": "127.0.0.1", "smtp_port": smtp.port, "smtp_security": "none"}
    (log,) = await told(plant, device, {"email": ["x@c.example"]}, **settings)
    assert (log.state, log.message.partition(":")[0]) == ("waiting", "the SMTP server cannot be used")


async def test_without_a_mail_server_the_log_says_so(plant: Plant, device: Device) -> None:
    (log,) = await told(plant, device, {"email": ["x@c.example"]})
    assert (log.state, log.message) == ("failed", "no SMTP server is configured (notify.smtp_host)")


async def test_a_flapping_sensor_does_not_send_a_thousand_mails(plant: Plant, device: Device) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"email": ["x@c.example"]}])
    async with SmtpReceiver() as smtp:
        sender = Sender(plant, smtp_host="127.0.0.1", smtp_port=smtp.port, smtp_security="none", device_daily_max=10)
        for _ in range(30):
            await flap(plant, device, 5)
            await sender.send()
            plant.clock.advance(MINUTE)
        assert len(smtp.mails) == 10
        plant.clock.advance(HOUR)
        await sender.send()
        await sender.dispatcher.close()
    assert len(smtp.mails) == 11
    subject = message_from_string(smtp.mails[-1].text)["Subject"]
    assert "290 more notices since 2023-11-14 22:" in subject.replace("\n", "")
    assert len(await sender.logs("held")) == 290
    assert len(await plant.logs()) == 300


async def test_a_mail_that_fails_after_nobody_waits_for_it_is_no_error_of_ours() -> None:
    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    for cancelled in (False, True):
        sending: asyncio.Future[str] = loop.create_future()
        if cancelled:
            sending.cancel()
        else:
            sending.set_exception(OSError("gone"))
        _seen(sending)
        del sending
    gc.collect()
    assert told == []
