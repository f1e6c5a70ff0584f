"""Channels, notification groups, notices and attempts to send them."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

ChannelKind = Literal["webhook", "email", "dingtalk", "wecom", "feishu", "telegram"]
NoticeKind = Literal["alarm", "unshelved", "digest", "test"]
NoticeState = Literal["waiting", "sent", "failed", "expired", "dropped", "held", "digested"]

HIDDEN = "***"  # replaces a stored secret in answers
URL_LENGTH = 2_000
SECRET_LENGTH = 256
ADDRESSES_COUNT = 50  # of one channel
CHANNELS_COUNT = 20  # of one group
GROUPS_COUNT = 1_000  # in a project

HEADERS_COUNT = 20  # of one webhook
HEADER_NAME_LENGTH = 64
HEADER_VALUE_LENGTH = 1_000

Language = Literal["en", "zh"]
Url = Annotated[str, Meta(min_length=1, max_length=URL_LENGTH)]
Address = Annotated[str, Meta(min_length=3, max_length=254)]


class Telegram(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Telegram chat and the bot that writes to it."""

    bot_token: Annotated[str, Meta(min_length=1, max_length=SECRET_LENGTH, description="Shown as `***`.")]
    chat_id: Annotated[str, Meta(min_length=1, max_length=64)]


class Channel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Exactly one of `group`, `webhook`, `email`, `dingtalk`, `wecom`, `feishu`, `telegram`, with the members that
    belong to it."""

    group: Annotated[str, Meta(description="A notification group's id; in a rule only.")] | None = None
    webhook: Annotated[Url, Meta(description="An http or https address.")] | None = None
    email: Annotated[tuple[Address, ...], Meta(description="Addresses, each of which gets the mail.")] | None = None
    dingtalk: Annotated[Url, Meta(description="The address of a DingTalk group robot.")] | None = None
    wecom: Annotated[Url, Meta(description="The address of a WeCom group robot.")] | None = None
    feishu: Annotated[Url, Meta(description="The address of a Feishu group robot.")] | None = None
    telegram: Telegram | None = None
    secret: (
        Annotated[
            str,
            Meta(
                max_length=SECRET_LENGTH,
                description="Key that signs notices, for a webhook, a DingTalk or a Feishu robot. Shown as "
                "`***`; `***` leaves it unchanged.",
            ),
        ]
        | None
    ) = None
    bearer_token: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=HEADER_VALUE_LENGTH,
                description="For a webhook: sent as `Authorization: Bearer …`. Shown as `***`; `***` leaves it "
                "unchanged.",
            ),
        ]
        | None
    ) = None
    headers: (
        Annotated[
            dict[
                Annotated[str, Meta(min_length=1, max_length=HEADER_NAME_LENGTH)],
                Annotated[str, Meta(max_length=HEADER_VALUE_LENGTH)],
            ],
            Meta(
                max_length=HEADERS_COUNT,
                description="For a webhook: headers sent with each notice. Values are shown as `***`; `***` "
                "leaves one unchanged.",
            ),
        ]
        | None
    ) = None
    language: (
        Annotated[Language, Meta(description="Language of the texts; default: the setting `notify.language`.")] | None
    ) = None


class KeptChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A stored channel with its id, under which notices are queued."""

    id: str
    kind: ChannelKind
    channel: Channel


class NotifyGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A named list of channels that any number of rules can use."""

    id: str
    project_id: str
    name: str
    descr: str = ""
    enabled: bool = True
    channels: tuple[KeptChannel, ...] = ()  # in the order given
    create_time: int  # ms
    version: int = 1  # incremented by each change


class AlarmNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A notice to be sent over one channel."""

    id: str
    project_id: str
    device_id: str | None
    rule_id: str
    message_id: str  # of the alarm message; empty for a digest or a test
    channel_id: str
    channel_kind: ChannelKind
    kind: NoticeKind
    body: dict[str, Any] = {}  # the content of a digest or a test
    state: NoticeState = "waiting"
    attempts: int = 0
    create_time: int  # ms
    expire_time: int  # ms
    update_time: int  # ms


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an attempt to send a notice, or of the decision not to send it."""

    notice_id: str
    target: str  # the destination, without secrets
    state: NoticeState  # the new state of the notice; ``waiting`` if there will be another attempt
    message: str
    took_ms: int
    ts: int  # ms


class NotifyLog(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt as a list shows it."""

    notice_id: str
    kind: NoticeKind
    message_id: str
    device_id: str
    rule_id: str
    channel: ChannelKind
    target: str
    state: NoticeState
    message: str
    code: str = ""  # of the message, in docs/refusals.md; empty: it has none
    args: dict[str, Any] = {}  # values in its text
    took_ms: int
    ts: int  # ms
