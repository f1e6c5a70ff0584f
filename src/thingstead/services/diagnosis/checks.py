"""The checks of the checklist: each is a decision over facts, without I/O."""

from collections.abc import Callable, Iterator

from thingstead.model.device_log import DeviceLog
from thingstead.refusals import Reason
from thingstead.services.diagnosis.facts import DAY_MS, LOG_IN, DeviceFacts, Finding, reason_args, reason_of_entry
from thingstead.services.shared.recorded_reasons import recorded_reason

LONG_KEEP_ALIVE_S = 900  # from here on it takes long until a broken connection is noticed
OFTEN = 3  # connections lost in a day
AHEAD_MS, BEHIND_MS = 60_000, 3_600_000  # of timestamps, that no network explains
SUB_DEVICE = "2"  # conn_type
LOST = frozenset({"connection_lost", "keep_alive_expired", "idle_time_out"})


def findings(facts: DeviceFacts) -> list[Finding]:
    """One finding of each check that applies to the device, in the order in which to look at them."""
    return [finding for check in _CHECKS for finding in check(facts)]


def _certificate(facts: DeviceFacts) -> Iterator[Finding]:
    if facts.view.device.gateway_id is not None:
        yield Finding("certificate", "ok", "uses_gateway")
        return
    refused, used = facts.refused_log_in, max(facts.heard, facts.session.connected_at if facts.session else 0)
    if refused is not None and (refused.ts > used or facts.now - refused.ts < DAY_MS):
        why = {"refused_at": refused.ts, **reason_args(reason_of_entry(refused))}
        stops = refused.ts > used
        yield Finding(
            "certificate", "bad" if stops else "warn", "log_in_refused" if stops else "other_log_in_refused", why
        )
    elif used:
        yield Finding("certificate", "ok", "certificate_used", {"used_at": used})
    elif facts.unknown_log_in is not None and facts.unknown_log_in.at >= facts.view.device.create_time:
        unknown = facts.unknown_log_in
        args = {"seen_at": unknown.at, "address": unknown.address, "plane": unknown.plane}
        yield Finding("certificate", "bad", "unknown_token_seen", args)
    else:
        yield Finding("certificate", "bad", "certificate_never_used")


def _session(facts: DeviceFacts) -> Iterator[Finding]:
    session = facts.session
    if session is not None:
        args = {"since_at": session.connected_at, "protocol": session.protocol, "address": session.remote_address}
        yield Finding("session", "ok", "session_live", args)
    elif facts.over_http:
        yield Finding("session", "ok", "session_over_http", {"heard_at": facts.heard})
    elif facts.connections:
        ended = facts.connections[0]
        why = reason_args(recorded_reason(ended.body["reason"]))
        yield Finding("session", "bad", "session_ended", {"ended_at": ended.ts, **why})
    elif facts.refused_log_in is None:
        yield Finding("session", "bad", "never_connected")
    else:
        yield Finding("session", "bad", "never_admitted")


def _keep_alive(facts: DeviceFacts) -> Iterator[Finding]:
    lost = [entry for entry in facts.connections if _was_lost(entry) and entry.ts >= facts.now - DAY_MS]
    if len(lost) >= OFTEN:
        why = reason_args(recorded_reason(lost[0].body["reason"]))
        yield Finding("keep_alive", "warn", "connection_unstable", {"count": len(lost), **why})
    elif facts.live is None or facts.view.device.gateway_id is not None:
        return
    elif not facts.live.keep_alive_s:
        yield Finding("keep_alive", "warn", "keep_alive_off")
    else:
        seconds = facts.live.keep_alive_s
        long = seconds >= LONG_KEEP_ALIVE_S
        args = {"seconds": seconds}
        yield Finding("keep_alive", "warn" if long else "ok", "keep_alive_long" if long else "keep_alive_fine", args)


def _was_lost(entry: DeviceLog) -> bool:
    return not entry.body["online"] and recorded_reason(entry.body["reason"]).code in LOST


def _subscriptions(facts: DeviceFacts) -> Iterator[Finding]:
    live = facts.live
    if live is None:
        if facts.session is not None and facts.session.protocol == "tcp":
            yield Finding("subscriptions", "warn", "tcp_carries_data_only")
        elif facts.over_http:
            yield Finding("subscriptions", "warn", "http_receives_nothing")
        else:
            yield Finding("subscriptions", "unknown", "subscriptions_unknown")
        return
    behind = facts.view.device.gateway_id is not None
    args = {"filters": live.filters}
    if not live.filters:
        yield Finding("subscriptions", "warn", "subscribed_to_nothing")
    elif not live.commands:
        wanted = "gateway/command/send" if behind else "command/send/+"
        yield Finding("subscriptions", "warn", "no_filter_for_commands", {**args, "wanted": wanted})
    elif not live.pushes:
        wanted = "gateway/attributes/push" if behind else "attributes/push"
        yield Finding("subscriptions", "warn", "no_filter_for_pushes", {**args, "wanted": wanted})
    else:
        yield Finding("subscriptions", "ok", "commands_can_arrive", args)


def _reports(facts: DeviceFacts) -> Iterator[Finding]:
    if not facts.reported:
        yield _never_reported(facts)
    elif facts.now - facts.reported > DAY_MS:
        yield Finding("reports", "warn", "silent", {"reported_at": facts.reported})
    else:
        yield Finding("reports", "ok", "reporting", {"reported_at": facts.reported})


def _never_reported(facts: DeviceFacts) -> Finding:
    """How far a device has come that has never reported an attribute."""
    refused = next((entry for entry in facts.rejected if entry.body["topic"] != LOG_IN), None)
    others = sorted(kind for kind in facts.view.active if kind not in ("attributes", "connect"))
    if refused is not None:
        args = {"refused_at": refused.ts, "topic": refused.body["topic"], **reason_args(reason_of_entry(refused))}
        return Finding("reports", "bad", "all_refused", args)
    if others:
        return Finding("reports", "warn", "sends_no_attributes", {"kinds": others})
    if facts.view.device.gateway_id is not None:
        return Finding("reports", "bad" if facts.gateway_online else "unknown", "not_named_by_gateway")
    if facts.session is not None:
        return Finding("reports", "bad", "connected_without_report", {"since_at": facts.session.connected_at})
    if facts.connections:
        return Finding("reports", "bad", "left_without_report", {"ended_at": facts.connections[0].ts})
    return Finding("reports", "unknown", "no_report_yet")


def _rejected(facts: DeviceFacts) -> Iterator[Finding]:
    entries = facts.refused_today
    if not entries:
        yield Finding("rejected", "ok", "nothing_refused")
        return
    newest = entries[0]
    args = {
        "count": sum(1 + entry.body.get("suppressed", 0) for entry in entries),
        "refused_at": newest.ts,
        "topic": newest.body["topic"],
        **reason_args(reason_of_entry(newest)),
    }
    stops = newest.ts >= facts.reported
    yield Finding("rejected", "bad" if stops else "warn", "last_message_refused" if stops else "some_refused", args)


def _clock(facts: DeviceFacts) -> Iterator[Finding]:
    future = next((entry for entry in facts.refused_today if _is_future(entry)), None)
    if future is not None:
        yield Finding("clock", "bad", "timestamps_in_future", {"refused_at": future.ts})
    elif not facts.newest_ts:
        yield Finding("clock", "unknown", "clock_unknown")
    elif facts.newest_ts > facts.now + AHEAD_MS:
        yield Finding("clock", "bad", "clock_ahead", {"seconds": (facts.newest_ts - facts.now) // 1000})
    elif facts.reported - facts.newest_ts > BEHIND_MS:
        yield Finding("clock", "warn", "clock_behind", {"newest_at": facts.newest_ts, "reported_at": facts.reported})
    else:
        yield Finding("clock", "ok", "clock_fine")


def _is_future(entry: DeviceLog) -> bool:
    return any(part.get("code") == "in_future" for part in (entry.body, *entry.body.get("errors", ())))


def _gateway(facts: DeviceFacts) -> Iterator[Finding]:
    if facts.gateway is not None:
        args = {"name": facts.gateway.name, "gateway_id": facts.gateway.id}
        online = facts.gateway_online
        yield Finding("gateway", "ok" if online else "bad", "gateway_online" if online else "gateway_offline", args)
    elif facts.view.conn_type == SUB_DEVICE:
        yield Finding("gateway", "bad", "without_gateway")


def _rivals(facts: DeviceFacts) -> Iterator[Finding]:
    if facts.rivals:
        clients = [f"{rival['client_id'] or '-'} ({rival['remote_address']})" for rival in facts.rivals]
        yield Finding("rivals", "bad", "rival_clients", {"clients": clients})
    else:
        yield Finding("rivals", "ok", "no_rivals")


def _commands(facts: DeviceFacts) -> Iterator[Finding]:
    waiting = [command for command in facts.commands if command.state == "queued" and command.expire_time > facts.now]
    newest = facts.commands[0] if facts.commands else None
    if waiting:
        oldest = waiting[-1]
        args = {"count": len(waiting), "method": oldest.method, "since_at": oldest.create_time}
        yield Finding("commands", "warn", "commands_waiting", args)
    elif newest is not None and newest.state in ("failed", "expired"):
        why = reason_args(recorded_reason(newest.reason))
        yield Finding("commands", "warn", "last_command_failed", {"method": newest.method, **why})
    elif newest is not None:
        yield Finding("commands", "ok", "last_command_arrived", {"method": newest.method})


def _modbus(facts: DeviceFacts) -> Iterator[Finding]:
    if not facts.modbus or facts.session is None:
        return
    asked = [group for group in facts.modbus if group.asked]
    silent = next((group for group in asked if group.code == "modbus_no_answer"), None)
    wrong = next((group for group in asked if group.code), None)
    if not facts.polled:
        yield Finding("modbus", "warn", "modbus_not_polled")
    elif silent is not None:
        args = {"unit": silent.unit_id, "address": silent.address, "answered": silent.answered, "asked": silent.asked}
        yield Finding("modbus", "bad" if not silent.answered else "warn", "modbus_silent", args)
    elif wrong is not None:
        why = reason_args(Reason(wrong.code, wrong.reason, wrong.args))
        yield Finding("modbus", "warn", "modbus_wrong", {"unit": wrong.unit_id, "address": wrong.address, **why})
    else:
        yield Finding("modbus", "ok", "modbus_answered" if asked else "modbus_begins", {"count": len(facts.modbus)})


_CHECKS: tuple[Callable[[DeviceFacts], Iterator[Finding]], ...] = (
    _gateway,
    _certificate,
    _session,
    _rivals,
    _keep_alive,
    _reports,
    _rejected,
    _clock,
    _subscriptions,
    _commands,
    _modbus,
)
