"""What a cloud function returned, as actions."""

from typing import Any

import msgspec

from thingstead.errors import InvalidInput
from thingstead.model.message_rules.action import (
    Action,
    CommandAction,
    DataAction,
    DataFormat,
    ReportAction,
    ResultKind,
)
from thingstead.model.message_rules.rule import On
from thingstead.services.ingest.function_calls import MESSAGE_KINDS

_COMMAND_MEMBERS = frozenset(("method", "params", "id", "wait_ms"))
REPORTS_COUNT = 100  # of sub-devices, from one call


def result_kind(action: Action, on: On | str, value: Any) -> ResultKind:
    """What is done with the value: as the action says; otherwise a command if it is one that an event or a task leads
    to, a report of the device if custom data was parsed, else a push."""
    if action.result is not None:
        return action.result
    if on == "data":
        return "report"
    if on in ("event", "task") and isinstance(value, dict) and _is_command(value):
        return "command"
    return "push"


def actions_of(action: Action, on: On | str, value: Any, stream: str = "") -> list[Action]:
    """The actions that a value stands for.

    Args:
        on: the kind of the rule; ``task`` for a task.
        stream: of custom data, if the action names none.

    Raises:
        InvalidInput: the value is not what the kind of the action needs.
    """
    kind = result_kind(action, on, value)
    if kind == "report":
        return [Action(report=report, device=action.device) for report in _reports(value)]
    if not isinstance(value, dict):
        raise InvalidInput("function_no_object")
    if kind == "data" or (kind == "push" and _is_message(value)):
        if not _is_message(value):
            raise InvalidInput("function_no_message")
        encoding: DataFormat = "text" if value["type"] == "plaintext" else value["type"]
        sent = DataAction(identifier=action.identifier or stream, format=encoding, body=value["msg"])
        return [Action(data=sent, device=action.device)]
    if kind == "command":
        try:
            return [Action(command=msgspec.convert(value, CommandAction), device=action.device)]
        except msgspec.ValidationError as exc:
            raise InvalidInput("function_no_command", problem=str(exc)[:200]) from None
    if kind == "push":
        return [Action(push=value, device=action.device)]
    return [Action(set_=value, device=action.device)]


def _is_command(value: dict[str, Any]) -> bool:
    return isinstance(value.get("method"), str) and value.keys() <= _COMMAND_MEMBERS


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"type", "msg"} and value["type"] in MESSAGE_KINDS


def _reports(value: Any) -> list[ReportAction]:
    """Reports of sub-devices, ``{"sub_address", "attributes"}`` or a list of these; or one of the device itself."""
    if isinstance(value, dict) and value.keys() != {"sub_address", "attributes"}:
        return [ReportAction(attributes=value)]
    if not isinstance(value, dict | list):
        raise InvalidInput("function_no_object")
    found = value if isinstance(value, list) else [value]
    if len(found) > REPORTS_COUNT:
        raise InvalidInput("function_too_many_reports", maximum=REPORTS_COUNT)
    try:
        return msgspec.convert(found, list[ReportAction])
    except msgspec.ValidationError as exc:
        raise InvalidInput("function_no_report", problem=str(exc)[:200]) from None
