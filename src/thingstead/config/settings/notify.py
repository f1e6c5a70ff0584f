"""Settings `notify.*`."""

from typing import Annotated, Literal

import msgspec

from thingstead.config.settings.declaring import about


class NotifySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Notices of alarms."""

    smtp_host: Annotated[str, about("SMTP server for mails; without one no mail is sent.")] = ""
    smtp_port: Annotated[int, about("Its TCP port.", ge=1, le=65_535)] = 587
    smtp_security: Annotated[
        Literal["starttls", "tls", "none"],
        about("Encryption of the connection to it: `starttls`, `tls` or `none`."),
    ] = "starttls"
    smtp_user: Annotated[str, about("User name at the SMTP server; without one the server does not log in.")] = ""
    smtp_password: Annotated[str, about("Password at the SMTP server.", secret=True)] = ""
    mail_from: Annotated[str, about("Sender of mails, such as `alarms@example.com`.")] = ""
    language: Annotated[Literal["en", "zh"], about("Language of notices to people: `en` or `zh`.")] = "en"
    telegram_api: Annotated[str, about("Base address of the Telegram Bot API.")] = "https://api.telegram.org"
    private_addresses: Annotated[
        bool | Literal["auto"],
        about(
            "Whether webhooks, robots, and other targets of projects may have private and loopback addresses: `true`, "
            "`false`, or `auto`, which allows them while there is one project. Link-local addresses are always refused."
        ),
    ] = "auto"
    timeout_s: Annotated[int, about("Time-out for one attempt to send a notice.", "seconds", ge=1, le=25)] = 10
    project_daily_max: Annotated[
        int,
        about("Notices to people per day and project; further ones go into a digest. 0: no limit.", "notices", ge=0),
    ] = 1000
    device_daily_max: Annotated[int, about("The same per device.", "notices", ge=0)] = 100
    digest_interval_s: Annotated[
        int, about("How long notices over a daily limit wait for their digest.", "seconds", ge=60, le=86_400)
    ] = 3600
