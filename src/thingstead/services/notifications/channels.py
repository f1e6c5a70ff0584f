"""Notification channels: validation, redaction of secrets, destination."""

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from thingstead.model import limits
from thingstead.model.alarms.notification import (
    ADDRESSES_COUNT,
    HEADERS_COUNT,
    HIDDEN,
    Channel,
    ChannelKind,
    KeptChannel,
)
from thingstead.model.ids import new_id
from thingstead.model.limits import Problems
from thingstead.services.outbound.request_checks import check_headers, is_header_value, is_url

KINDS: tuple[ChannelKind, ...] = ("webhook", "email", "dingtalk", "wecom", "feishu", "telegram")
ROBOTS: tuple[ChannelKind, ...] = ("dingtalk", "wecom", "feishu")
SHOWN_LENGTH = 4  # characters of a secret in an address that are shown
SIGNED = frozenset({"webhook", "dingtalk", "feishu"})
_ADDRESS = re.compile(r"[^@\s<>,;:\"\\()\[\]\x00-\x20\x7f]+@[^@\s<>,;:\"\\()\[\]\x00-\x20\x7f]+\Z")
_QUERY_VALUE = re.compile(r"(?<==)[^&]+")
_LAST_PART = re.compile(r"(?<=/)[^/]+\Z")
_TOKEN = re.compile(r"[A-Za-z0-9:_-]+\Z")


def kind_of(channel: Channel) -> ChannelKind | None:
    """The kind of a channel; None if it has none or several."""
    found = [kind for kind in KINDS if getattr(channel, kind) is not None]
    return found[0] if len(found) == 1 and channel.group is None else None


def check_channels(channels: Sequence[Channel], problems: Problems, field: str, *, groups: bool) -> None:
    """Adds problems of channels to ``problems``. ``groups``: whether groups are allowed."""
    for index, channel in enumerate(channels):
        path = f"{field}[{index}]"
        if groups and channel.group is not None and channel == Channel(group=channel.group):
            problems.identifier(f"{path}.group", channel.group)
            continue
        kind = kind_of(channel)
        if kind is None:
            wanted = ", ".join((*KINDS, "group") if groups else KINDS)
            problems.add(path, "channel_kinds", allowed=wanted)
            continue
        if channel.secret is not None and kind not in SIGNED:
            problems.add(f"{path}.secret", "cannot_be_combined", other=kind)
        if channel.secret is not None:
            problems.text(f"{path}.secret", channel.secret, limits.DESCR_LENGTH, min_length=1)
        _check_headers(channel, kind, problems, path)
        _check_target(channel, kind, problems, f"{path}.{kind}")


def _check_headers(channel: Channel, kind: ChannelKind, problems: Problems, path: str) -> None:
    for name, given in (("bearer_token", channel.bearer_token), ("headers", channel.headers)):
        if given is not None and kind != "webhook":
            problems.add(f"{path}.{name}", "cannot_be_combined", other=kind)
    if channel.bearer_token is not None and not is_header_value(channel.bearer_token):
        problems.add(f"{path}.bearer_token", "not_printable_ascii")
    headers = channel.headers or {}
    problems.count(f"{path}.headers", tuple(headers), HEADERS_COUNT)
    check_headers(headers, problems, f"{path}.headers")
    for name in headers:
        if name.lower() == "authorization" and channel.bearer_token is not None:
            problems.add(f"{path}.headers.{name}", "cannot_be_combined", other="bearer_token")


def _check_target(channel: Channel, kind: ChannelKind, problems: Problems, path: str) -> None:
    if channel.telegram is not None:
        if not _TOKEN.match(channel.telegram.bot_token) and channel.telegram.bot_token != HIDDEN:
            problems.add(f"{path}.bot_token", "not_bot_token")
        problems.text(f"{path}.chat_id", channel.telegram.chat_id, 64, min_length=1)
    elif channel.email is not None:
        problems.count(path, channel.email, ADDRESSES_COUNT, least=1)
        for index, address in enumerate(channel.email):
            if not _ADDRESS.match(address) or not address.isascii():
                problems.add(f"{path}[{index}]", "bad_email")
    elif not is_url(getattr(channel, kind)):
        problems.add(path, "bad_url")


def keep_channels(
    new: Iterable[Channel], before: Sequence[KeptChannel], problems: Problems, field: str
) -> tuple[KeptChannel, ...]:
    """Assigns ids to channels. A channel with the same destination as a stored one gets its id and its hidden secrets;
    a new channel with hidden secrets is added to ``problems``."""
    left = list(before)
    kept = []
    for index, channel in enumerate(new):
        kind = kind_of(channel)
        if kind is None:
            continue  # a group
        place = _place(channel)
        same = next(
            (each for each in left if place in (_place(each.channel), _place(hide_secrets(each.channel)))), None
        )
        if same is not None:
            left.remove(same)
            channel = _with_secrets(channel, same.channel)
        if _hides(channel):
            problems.add(f"{field}[{index}]", "hidden_secret_new", hidden=HIDDEN)
        else:
            kept.append(KeptChannel(id=new_id() if same is None else same.id, kind=kind, channel=channel))
    return tuple(kept)


def _place(channel: Channel) -> Any:
    chat = None if channel.telegram is None else channel.telegram.chat_id
    return (channel.webhook, channel.email, channel.dingtalk, channel.wecom, channel.feishu, chat)


def _hides(channel: Channel) -> bool:
    robot = channel.dingtalk or channel.wecom or channel.feishu or ""
    token = "" if channel.telegram is None else channel.telegram.bot_token
    return HIDDEN in robot or HIDDEN in (token, channel.secret, channel.bearer_token, *(channel.headers or {}).values())


def _with_secrets(channel: Channel, before: Channel) -> Channel:
    changes: dict[str, Any] = {"dingtalk": before.dingtalk, "wecom": before.wecom, "feishu": before.feishu}
    if channel.secret == HIDDEN:
        changes["secret"] = before.secret or HIDDEN
    if channel.bearer_token == HIDDEN:
        changes["bearer_token"] = before.bearer_token or HIDDEN
    if channel.headers is not None and HIDDEN in channel.headers.values():
        known = {name.lower(): value for name, value in (before.headers or {}).items()}
        changes["headers"] = {
            name: known.get(name.lower(), HIDDEN) if value == HIDDEN else value
            for name, value in channel.headers.items()
        }
    if channel.telegram is not None and channel.telegram.bot_token == HIDDEN:
        changes["telegram"] = before.telegram
    return msgspec.structs.replace(channel, **changes)


def hide_secrets(channel: Channel) -> Channel:
    """A channel for display. The address of a robot is a secret that allows writing to its group, so only its end is
    shown, to tell robots apart."""
    changes: dict[str, Any] = {}
    for kind in ROBOTS:
        if (url := getattr(channel, kind)) is not None:
            changes[kind] = _hidden_address(url, in_path=kind == "feishu")
    if channel.secret is not None:
        changes["secret"] = HIDDEN
    if channel.bearer_token is not None:
        changes["bearer_token"] = HIDDEN
    if channel.headers is not None:
        changes["headers"] = dict.fromkeys(channel.headers, HIDDEN)
    if channel.telegram is not None:
        changes["telegram"] = msgspec.structs.replace(channel.telegram, bot_token=HIDDEN)
    return msgspec.structs.replace(channel, **changes)


def _hidden_address(url: str, *, in_path: bool) -> str:
    """An address with the values of its query, or the last part of its path, hidden."""
    parts = urlsplit(url)
    if in_path:
        parts = parts._replace(path=_LAST_PART.sub(_hidden, parts.path))
    return urlunsplit(parts._replace(query=_QUERY_VALUE.sub(_hidden, parts.query)))


def _hidden(found: re.Match[str]) -> str:
    """Shows so few characters that the others cannot be guessed."""
    text = found.group()
    return HIDDEN + (text[-SHOWN_LENGTH:] if len(text) >= 4 * SHOWN_LENGTH else "")


def target_of(channel: KeptChannel) -> str:
    """The destination of a channel for logs: hosts, addresses, chats, without parts that may contain a token."""
    given = channel.channel
    if given.email is not None:
        return ", ".join(given.email)
    if given.telegram is not None:
        return f"chat {given.telegram.chat_id}"
    url = getattr(given, channel.kind)
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
