"""Codes of reasons that are stored as texts: the begin and end of connections, failures of commands, attempts to send a
notice, why an alarm was cleared other than by its condition, and why a rule cannot be evaluated.

The texts are the English ones of ``refusals.json``, so they are the same in logs, packets and rows of earlier releases.
"""

import re
from collections.abc import Mapping, Sequence

from thingstead.refusals import TEXTS, Arg, Reason

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
NOTICE_CODES = (
    "notice_no_answer",
    "notice_address_refused",
    "notice_timed_out",
    "notice_answer_too_long",
    "notice_host_unknown",
    "notice_answer_cut",
    "notice_not_http",
    "notice_unreachable",
    "notice_no_smtp",
    "notice_smtp_slow",
    "notice_recipients_refused",
    "notice_smtp_refused",
    "notice_smtp_unusable",
    "notice_not_robot",
    "notice_redirected",
    "notice_http_status",
    "notice_robot_refused",
    "notice_accepted",
    "notice_accepted_partly",
    "notice_taken",
    "notice_not_taken",
    "notice_not_made",
    "notice_over_cap",
    "notice_too_late",
)
CLEAR_CODES = (
    "cleared_rule_changed",
    "cleared_rule_removed",
    "cleared_rule_disabled",
    "cleared_disabled_here",
    "cleared_not_watched",
    "cleared_by_person",
)
FAILING_CODES = (
    "rule_fails_on_devices",
    "rule_fails_on_device",
    "rule_excluded_by_type_more",
    "rule_excluded_by_type",
    "rule_not_evaluable",
    "rule_compares_otherwise",
)
# Problems within the texts of FAILING_CODES.
PROBLEM_CODES = (
    "rule_compares_otherwise",
    "op_not_for_type",
    "numbers_only",
    "number_for_type",
    "text_for_type",
    "boolean_for_type",
    "enum_item_unreachable",
    "value_unreachable",
    "no_such_time_zone",
)
_PLACEHOLDER = re.compile(r"\\\{(\w+)\\\}")

_WORDS = frozenset({"count", "device", "field", "status"})  # arguments without white space


def _group(placeholder: re.Match[str]) -> str:
    name = placeholder.group(1)
    return rf"(?P<{name}>\S+)" if name in _WORDS else f"(?P<{name}>.+)"


class RecordedReasons:
    """Finds the reason of a stored text among some codes.

    Args:
        earlier: codes of texts of earlier releases.
        problems: finds the reason of the argument ``problem``, which is a text by itself. Its code becomes the argument
            ``problem_code``, and its arguments are added.
    """

    def __init__(
        self, codes: Sequence[str], earlier: Mapping[str, str] = {}, problems: "RecordedReasons | None" = None
    ) -> None:
        plain = {TEXTS[code]["en"]: code for code in codes if "{" not in TEXTS[code]["en"]}
        self._exact = plain | dict(earlier)
        self._patterns = tuple(
            (re.compile(_PLACEHOLDER.sub(_group, re.escape(TEXTS[code]["en"])), re.DOTALL), code)
            for code in codes
            if "{" in TEXTS[code]["en"]
        )
        self._problems = problems

    def __call__(self, text: str) -> Reason:
        """The reason with this English text; its code is empty if no code has the text."""
        code = self._exact.get(text)
        if code is not None:
            return Reason(code, text)
        for pattern, found in self._patterns:
            match = pattern.fullmatch(text)
            if match is not None:
                return Reason(found, text, self._args(match.groupdict()))
        return Reason("", text)

    def _args(self, args: dict[str, Arg]) -> dict[str, Arg]:
        if self._problems is None or "problem" not in args:
            return args
        problem = self._problems(str(args["problem"]))
        return {**problem.args, **args, "problem_code": problem.code} if problem.code else args


recorded_reason = RecordedReasons(CONNECTION_CODES + COMMAND_CODES, _EARLIER)
notice_reason = RecordedReasons(NOTICE_CODES)
clear_reason = RecordedReasons(CLEAR_CODES)
failing_reason = RecordedReasons(FAILING_CODES, problems=RecordedReasons(PROBLEM_CODES))
