"""Texts of notices: a few lines for people, JSON for programs."""

from collections.abc import Mapping
from datetime import timedelta, tzinfo
from typing import Any

import msgspec

from thingstead.model.alarms.alarm import RAISED, AlarmLog
from thingstead.model.alarms.notification import AlarmNotice, Language
from thingstead.model.device import Device
from thingstead.model.values.unicode_text import shown
from thingstead.services.history.history import EPOCH

TEXT_LENGTH = 3_500  # within the limit of every robot
VALUE_LENGTH = 200

_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "1": "normal", "2": "serious", "3": "urgent", "raised": "alarm", "cleared": "cleared",
        "unshelved": "alarm, no longer shelved", "rule": "Rule", "device": "Device", "level": "Level", "time": "Time",
        "values": "Values", "reason": "Reason", "digest": "{count} more notices since {since}", "test": "Test",
        "test_text": "This channel works.", "other": "and others",
    },
    "zh": {
        "1": "普通", "2": "严重", "3": "紧急", "raised": "告警", "cleared": "恢复",
        "unshelved": "告警（已结束搁置）", "rule": "规则", "device": "设备", "level": "级别", "time": "时间",
        "values": "数值", "reason": "原因", "digest": "自 {since} 起另有 {count} 条通知", "test": "测试",
        "test_text": "此通知渠道可用。", "other": "等",
    },
}  # fmt: skip


class NoticeText(msgspec.Struct, frozen=True):
    """The text of a notice."""

    subject: str  # one line
    text: str  # without the subject


def render(notice: AlarmNotice, message: AlarmLog | None, language: Language, zone: tzinfo) -> NoticeText:
    """Renders a notice as text, with local times in ``zone``."""
    words = _WORDS[language]
    if message is not None:
        return _alarm(notice, message, words, zone)
    if notice.kind == "digest":
        return _digest(notice.body, words, zone)
    return NoticeText(f"[Thingstead] {words['test']}", words["test_text"])


def _alarm(notice: AlarmNotice, message: AlarmLog, words: Mapping[str, str], zone: tzinfo) -> NoticeText:
    info = message.alarm_info
    raised = message.alarm_status == RAISED
    what = words["unshelved"] if notice.kind == "unshelved" else words["raised" if raised else "cleared"]
    level = words[str(message.alarm_level)]
    rule, device = _line(info.get("rule_name", "")), _line(message.device_name or message.device_id)
    lines = [
        f"{words['rule']}: {rule}",
        f"{words['device']}: {device}",
        f"{words['level']}: {level}",
        f"{words['time']}: {local_time(message.ts, zone)}",
    ]
    values = info.get("attributes")
    if isinstance(values, dict) and values:
        shown = ", ".join(f"{name}={_value(value)}" for name, value in values.items())
        lines.append(f"{words['values']}: {shown}")
    if info.get("reason"):
        lines.append(f"{words['reason']}: {_line(info['reason'])}")
    return NoticeText(f"[{level}] {what}: {rule} · {device}", "\n".join(lines)[:TEXT_LENGTH])


def _digest(body: Mapping[str, Any], words: Mapping[str, str], zone: tzinfo) -> NoticeText:
    since = local_time(int(body.get("since", 0)), zone)
    subject = words["digest"].format(count=body.get("count", 0), since=since)
    items = body.get("items", [])
    lines = [f"{item['count']} × [{words.get(str(item['alarm_level']), '')}] {_line(item['rule_name'])} · "
             f"{_line(item['device_name'])}" for item in items]  # fmt: skip
    if sum(item["count"] for item in items) < body.get("count", 0):
        lines.append(words["other"])
    return NoticeText(subject, "\n".join(lines)[:TEXT_LENGTH])


def local_time(instant_ms: int, zone: tzinfo) -> str:
    """An instant in local time, with its offset: ``2026-01-05 13:04:05 +08:00``."""
    local = (EPOCH + timedelta(milliseconds=instant_ms)).astimezone(zone)
    return local.strftime("%Y-%m-%d %H:%M:%S ") + local.isoformat()[-6:]


def _line(text: Any) -> str:
    return shown(" ".join(str(text).split()))[:VALUE_LENGTH]


def _value(value: Any) -> str:
    return _line(msgspec.json.encode(value).decode())


def webhook_body(notice: AlarmNotice, message: AlarmLog | None, device: Device | None, text: NoticeText) -> bytes:
    """The body of a webhook: a notice as JSON, with its text."""
    body: dict[str, Any] = {
        "notice_id": notice.id,
        "kind": notice.kind,
        "project_id": notice.project_id,
        "ts": notice.create_time,
        "subject": text.subject,
        "text": text.text,
    }
    if message is not None:
        body["device"] = {
            "id": message.device_id,
            "name": message.device_name,
            "device_key": "" if device is None else device.device_key or "",
        }
        body["alarm"] = {
            "id": message.id,
            "alarm_id": message.alarm_id,
            "rule_id": message.rule_id,
            "alarm_status": message.alarm_status,
            "alarm_level": message.alarm_level,
            "alarm_info": message.alarm_info,
            "ts": message.ts,
            "create_time": message.create_time,
        }
    elif notice.kind == "digest":
        body["digest"] = notice.body
    return msgspec.json.encode(body)
