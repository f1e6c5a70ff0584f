"""Topics and bodies of messages to applications (wire reference §7, §15.10)."""

from typing import Any, NamedTuple

import msgspec

from thingstead.model.messages import (
    AlarmChanged,
    BusMessage,
    CommandChanged,
    CommandIssued,
    DataReported,
    EventReported,
    MessageTraced,
    PresenceChanged,
    ReportsCommitted,
    ThingChanged,
)
from thingstead.model.report import Report
from thingstead.mqtt.properties import NO_PROPERTIES, Properties, Property
from thingstead.services.mqtt.subscriptions import DeviceCard
from thingstead.services.shared.recorded_reasons import recorded_reason

_encode = msgspec.json.Encoder().encode

# Third level of a topic, and the bus messages that it carries.
KINDS: dict[str, tuple[type[BusMessage], ...]] = {
    "attributes": (ReportsCommitted,),
    "event": (EventReported,),
    "command": (CommandIssued, CommandChanged),
    "data": (DataReported,),
    "alarm": (AlarmChanged,),
    "online": (PresenceChanged,),
}
ATTRIBUTES = "attributes"
PROJECT = "$project"  # in place of a DeviceViewToken: what concerns no single device
CHANGED = f"{PROJECT}/changed"
TRACE = "trace"  # not matched by wildcards: a subscription must name the device

OneDeviceNews = (
    EventReported | CommandIssued | CommandChanged | DataReported | AlarmChanged | PresenceChanged | MessageTraced
)


# Members of a trace message besides device and instant.
_TRACED = tuple(name for name in MessageTraced.__struct_fields__ if name not in ("device_id", "ts"))


class AppMessage(NamedTuple):
    """Payload and properties of a message about one device."""

    payload: bytes
    properties: Properties = NO_PROPERTIES  # sent to subscribers that use MQTT 5.0


def suffixes(news: OneDeviceNews) -> tuple[str, ...]:
    """Topic levels after ``<ProjectViewKey>/<DeviceViewToken>/`` of each message that applications get for a bus
    message."""
    if isinstance(news, DataReported):
        return (f"data/{news.identifier}",)
    if isinstance(news, EventReported):
        return ("event/report",)
    if isinstance(news, AlarmChanged):
        return ("alarm",)
    if isinstance(news, PresenceChanged):
        return () if news.replaced else ("online",)  # a takeover changes nothing
    if isinstance(news, CommandIssued):
        return ("command",)
    if isinstance(news, MessageTraced):
        return (TRACE,)
    changed = ("command",) if news.command_row_id else ()  # otherwise a reply without a command
    return (*changed, "command/reply") if news.state == "replied" else changed


def attributes(card: DeviceCard, report: Report) -> bytes:
    """Payload of ``attributes``. Reports, pushes and cloud changes all use it; ``source`` says which one it was."""
    source = report.source if report.source in ("push", "cloud") else "report"
    return _encode({"attributes": report.attributes, "device": card.json, "ts": report.ts, "source": source})


def changed(news: ThingChanged, now_ms: int) -> bytes:
    """Payload of ``$project/changed``."""
    return _encode(
        {
            "kind": news.kind,
            "id": news.id,
            "version": news.version,
            "action": news.action,
            "by": news.by,
            "ts": now_ms,
        }
    )


def message(card: DeviceCard, news: OneDeviceNews, levels: str, now_ms: int) -> AppMessage:
    """Payload and properties of a message on the topic that ends with ``levels``, one of its :func:`suffixes`."""
    if isinstance(news, DataReported):
        # Custom data keeps the device's bytes; the members that JSON has elsewhere are properties of MQTT 5.0.
        pairs = (("device_id", card.device_id), ("ts", str(news.ts)))
        return AppMessage(news.payload, {Property.USER_PROPERTY: pairs})
    if isinstance(news, EventReported):
        return _json({"event": {"method": news.method, "params": news.params}}, card, news.ts)
    if isinstance(news, AlarmChanged):
        body: dict[str, Any] = {
            "action": news.action,
            "alerting": news.alarm_status == 1,
            "alarm_level": news.alarm_level,
            "alarm_info": news.alarm_info,
            "alarm_id": news.alarm_id,
            "rule_id": news.rule_id,
        }
        if news.by:
            body["by"] = news.by
        return _json(body, card, news.ts)
    if isinstance(news, PresenceChanged):
        return _json({"online": news.online, **_why(news.reason)}, card, news.ts)
    if isinstance(news, MessageTraced):
        return _json({name: getattr(news, name) for name in _TRACED}, card, news.ts)
    if levels == "command":
        return _json({"command": _command(news)}, card, now_ms)
    assert isinstance(news, CommandChanged)  # only this message has replies
    reply = {"method": news.method, "params": {}, "id": news.command_id}
    if isinstance(news.reply, dict):
        reply |= {key: value for key, value in news.reply.items() if key in ("method", "params")}
    return _json({"reply": reply}, card, now_ms)


def _command(news: CommandIssued | CommandChanged) -> dict[str, Any]:
    """State of a command."""
    state, why = ("queued", "") if isinstance(news, CommandIssued) else (news.state, news.reason)
    return {
        "id": news.command_row_id,
        "method": news.method,
        "command_id": news.command_id,
        "state": state,
        **_why(why),
    }


def _why(text: str) -> dict[str, Any]:
    """The members of a reason that is recorded as a text."""
    why = recorded_reason(text)
    return {"reason": text, "code": why.code, "args": dict(why.args)}


def _json(body: dict[str, Any], card: DeviceCard, ts: int) -> AppMessage:
    return AppMessage(_encode({**body, "device": card.json, "ts": ts}))
