"""Request, signature and response of each kind of HTTP channel.

Sources: the makers' manuals of custom group robots. DingTalk signs ``timestamp\nsecret`` in the query, Feishu the same
text as the key of an empty message in the body; both, and WeCom, answer HTTP 200 with a code of their own.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from thingstead.model.alarms.notification import Channel
from thingstead.refusals import reason
from thingstead.services.notifications.text import NoticeText
from thingstead.services.outbound.http import RETRY_AFTER_MAX_S, RETRY_STATUS, HttpResponse, SendFailed, retry_after_s
from thingstead.services.outbound.signing import signed_headers

# Error codes of robots that can be retried: rate limits, and server errors. All other codes are permanent.
_TRY_AGAIN: Mapping[str, frozenset[int]] = {
    "dingtalk": frozenset({-1, 130101, 130102, 410100}),
    "wecom": frozenset({-1, 45009, 45033}),
    "feishu": frozenset({11232, 11233, 99991400}),
}
FEISHU_EITHER = 9499  # used by Feishu both for a malformed message and for a rate limit


class RobotRequest(NamedTuple):
    """A request to a webhook or robot."""

    url: str
    body: bytes
    headers: dict[str, str]


def webhook(channel: Channel, body: bytes, notice_id: str, now_ms: int) -> RobotRequest:
    """JSON with the id of the notice, by which a receiver can detect duplicates. The signature is the HMAC-SHA256, with
    the shared secret, of timestamp, full stop and body."""
    headers = {**(channel.headers or {}), "X-Thingstead-Notice": notice_id}
    if channel.bearer_token is not None:
        headers["Authorization"] = f"Bearer {channel.bearer_token}"
    headers |= signed_headers(channel.secret, body, now_ms)
    return RobotRequest(channel.webhook or "", body, headers)


def dingtalk(channel: Channel, text: NoticeText, now_ms: int) -> RobotRequest:
    """A text message, signed in the query if there is a secret."""
    url = channel.dingtalk or ""
    if channel.secret:
        secret = channel.secret.encode()
        signature = hmac.new(secret, b"%d\n%s" % (now_ms, secret), hashlib.sha256).digest()
        joint = "&" if "?" in url else "?"
        url += f"{joint}timestamp={now_ms}&sign={quote(base64.b64encode(signature), safe='')}"
    return _json(url, {"msgtype": "text", "text": {"content": _joined(text)}})


def wecom(channel: Channel, text: NoticeText) -> RobotRequest:
    """A text message."""
    return _json(channel.wecom or "", {"msgtype": "text", "text": {"content": _cut(_plain(text), 2_000)}})


def feishu(channel: Channel, text: NoticeText, now_ms: int) -> RobotRequest:
    """A text message, signed in the body if there is a secret."""
    body: dict[str, Any] = {"msg_type": "text", "content": {"text": _plain(text)}}
    if channel.secret:
        timestamp = now_ms // 1000
        key = f"{timestamp}\n{channel.secret}".encode()
        signature = base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
        body = {"timestamp": str(timestamp), "sign": signature, **body}
    return _json(channel.feishu or "", body)


def telegram(channel: Channel, text: NoticeText, api: str) -> RobotRequest:
    """A text message to a chat; ``api`` is the base address of the Bot API."""
    assert channel.telegram is not None, "whoever calls has looked at the kind"
    url = f"{api.rstrip('/')}/bot{channel.telegram.bot_token}/sendMessage"
    return _json(url, {"chat_id": channel.telegram.chat_id, "text": _joined(text), "disable_web_page_preview": True})


def judge(kind: str, answer: HttpResponse) -> str:
    """The text of a successful answer for the log.

    Raises:
        SendFailed: the answer says that the notice was refused.
    """
    said = reason("notice_http_status", status=answer.status)
    if answer.status in RETRY_STATUS or answer.status >= 500:
        raise SendFailed(said, retry_after_s=_retry_after(kind, answer))
    if not 200 <= answer.status < 300:
        redirected = reason("notice_redirected", status=answer.status)
        raise SendFailed(redirected if 300 <= answer.status < 400 else said, permanent=True)
    if kind in _TRY_AGAIN:
        _judge_robot(kind, answer)
    return said.message


def _judge_robot(kind: str, answer: HttpResponse) -> None:
    try:
        told = msgspec.json.decode(answer.body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise SendFailed(reason("notice_not_robot"), permanent=True) from None
    code = told.get("errcode", told.get("code", told.get("StatusCode")))
    if code != 0:
        detail = str(told.get("errmsg", told.get("msg", "")))
        for_now = code in _TRY_AGAIN[kind] or (code == FEISHU_EITHER and "too many" in detail)
        raise SendFailed(reason("notice_robot_refused", status=str(code), detail=detail), permanent=not for_now)


class _Parameters(msgspec.Struct):
    retry_after: int | None = None  # s


class _TelegramAnswer(msgspec.Struct):
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)


def _retry_after(kind: str, answer: HttpResponse) -> int | None:
    """The Retry-After of the answer, in s."""
    asked = retry_after_s(answer)
    if asked is None and kind == "telegram":
        try:
            asked = msgspec.json.decode(answer.body, type=_TelegramAnswer).parameters.retry_after
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
    return None if asked is None else max(0, min(asked, RETRY_AFTER_MAX_S))


def _json(url: str, body: Any) -> RobotRequest:
    return RobotRequest(url, msgspec.json.encode(body), {})


def _plain(text: NoticeText) -> str:
    """The text without what Feishu and WeCom interpret as a mention (``<at user_id="all">``, ``<@all>``), because
    devices choose a part of it."""
    return _joined(text).replace("<", "\N{FULLWIDTH LESS-THAN SIGN}").replace(">", "\N{FULLWIDTH GREATER-THAN SIGN}")


def _joined(text: NoticeText) -> str:
    return f"{text.subject}\n{text.text}"


def _cut(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")
