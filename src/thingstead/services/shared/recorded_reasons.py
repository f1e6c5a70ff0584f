"""Codes of reasons that are stored as texts: the begin and end of connections, and failures of commands.

The texts are the English ones of ``refusals.json``, so they are the same in logs, packets and rows of earlier releases.
"""

import re

from thingstead.refusals import TEXTS, Reason, reason

CONNECTION_CODES = (
    "connected",
    "taken_over",
    "another_took_over",
    "sub_device_disconnected",
    "sub_device_silent",
    "gateway_went_offline",
    "device_disconnected",
    "connection_lost",
    "keep_alive_expired",
    "idle_time_out",
    "server_shutting_down",
    "server_restarted",
    "certificate_reset",
    "type_changed",
    "gateway_changed",
    "device_removed",
    "peer_does_not_read",
    "message_not_stored",
    "packet_incomplete",
    "log_in_failed",
    "connection_fault",
    "no_room_for_connack",
    "no_tcp_stream",
)
COMMAND_CODES = (
    "command_not_taken",
    "command_not_acknowledged",
    "no_reply_in_time",
    "refused_by_device",
    "not_subscribed",
    "no_commands_over_tcp",
    "sender_stopped_waiting",
    "command_not_accepted",
    "command_behind",
    "larger_than_client_takes",
    "device_reads_slowly",
    "device_queue_full",
    "client_queue_full",
    "all_queues_full",
    "message_expired",
    "session_over",
)
# Texts of earlier releases.
_EARLIER = {
    "the peer does not read what it is sent": "peer_does_not_read",
    "nobody took it in time": "command_not_taken",
    "no connection took it in time": "command_not_taken",
}
_CODES = CONNECTION_CODES + COMMAND_CODES
_PLACEHOLDER = re.compile(r"\\\{(\w+)\\\}")
_EXACT = {TEXTS[code]["en"]: code for code in _CODES if "{" not in TEXTS[code]["en"]} | _EARLIER
_PATTERNS = tuple(
    (re.compile(_PLACEHOLDER.sub(r"(?P<\1>.+)", re.escape(TEXTS[code]["en"]))), code)
    for code in _CODES
    if "{" in TEXTS[code]["en"]
)


def recorded_reason(text: str) -> Reason:
    """The reason with this English text; its code is empty if no code has the text."""
    code = _EXACT.get(text)
    if code is not None:
        return Reason(code, text)
    for pattern, found in _PATTERNS:
        match = pattern.fullmatch(text)
        if match is not None:
            return reason(found, **match.groupdict())
    return Reason("", text)
