"""Validation of message rules: finds parts that could never act."""

from collections.abc import Mapping
from typing import Any

import msgspec

from thingstead.model import limits
from thingstead.model.alarms.rule import CONDITIONS_COUNT, Condition
from thingstead.model.alarms.rule_checks import ConditionChecks, Definitions
from thingstead.model.limits import Problems
from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.outside_checks import check_outside
from thingstead.model.message_rules.rule import BODY_BYTES, ONLY_FUNCTIONS, MessageCondition
from thingstead.model.message_rules.rule_form import MessageRuleForm
from thingstead.model.values.checking import valid_identifier


def check_form(form: MessageRuleForm, definitions: Definitions, problems: Problems) -> None:
    """Adds every problem of a rule, but those of what it refers to, to ``problems``.

    Args:
        definitions: the attributes of each device type in the rule's source, by identifier.
    """
    problems.name(form.name)
    problems.descr(form.descr)
    if form.identifier:
        if form.on not in ("event", "data"):
            problems.add("identifier", "goes_with_event_or_data")
        elif not valid_identifier(form.identifier):
            problems.add("identifier", "bad_identifier")
    if form.if_:
        if form.on == "data":
            problems.add("if", "data_without_condition")
        else:
            _check_condition(form.if_, () if form.on == "event" else definitions, problems)
    for index, action in enumerate(form.actions):
        check_action(action, f"actions[{index}]", problems)
        _check_kind(form, action, f"actions[{index}]", problems)
    if _size(form) > BODY_BYTES:
        problems.add("actions", "json_too_large", maximum=BODY_BYTES)


def _check_kind(form: MessageRuleForm, action: Action, where: str, problems: Problems) -> None:
    """Whether an action suits the kind of the rule."""
    before = form.on in ONLY_FUNCTIONS
    if action.function is None:
        if before:
            problems.add(where, "only_functions")
        elif action.ota_check is not None and form.on != "event":
            problems.add(f"{where}.ota_check", "goes_with_event")
        for name in ("result", "identifier"):
            if getattr(action, name):
                problems.add(f"{where}.{name}", "goes_with_function")
        return
    if action.identifier and not valid_identifier(action.identifier):
        problems.add(f"{where}.identifier", "bad_identifier")
    if not before:
        return
    if action.device is not None or action.delay_ms:
        problems.add(where, "function_at_once")
    if action.result is not None:
        problems.add(f"{where}.result", "function_changes_message")
    if action.identifier and form.on == "before_report":
        problems.add(f"{where}.identifier", "function_changes_message")


def _check_condition(condition: MessageCondition, definitions: Definitions, problems: Problems) -> None:
    checks = ConditionChecks(definitions, problems)
    checks.tree(msgspec.convert(msgspec.to_builtins(condition), Condition), "if")
    if checks.nodes > CONDITIONS_COUNT:
        problems.add("if", "too_many_conditions", maximum=CONDITIONS_COUNT)


def check_action(action: Action, where: str, problems: Problems) -> None:
    """Adds every problem of an action.

    Args:
        where: the field that contains it.
    """
    if len(action.kinds) != 1:
        problems.add(where, "action_of_one_kind")
        return
    if action.secret is not None and action.url is None:
        problems.add(f"{where}.secret", "secret_without_url")
    check_outside(action, where, problems)
    _check_values(action.push, f"{where}.push", problems)
    _check_values(action.set_, f"{where}.set", problems)
    if action.report is not None:
        _check_values(action.report.attributes, f"{where}.report.attributes", problems)
        if len(action.report.sub_address) > limits.SUB_ADDRESS_LENGTH:
            problems.add(f"{where}.report.sub_address", "too_long", maximum=limits.SUB_ADDRESS_LENGTH)
    if action.command is not None:
        if not valid_identifier(action.command.method):
            problems.add(f"{where}.command.method", "bad_identifier")
        command_id = action.command.id
        if command_id is not None and not 0 <= command_id <= limits.COMMAND_ID:
            problems.add(f"{where}.command.id", "between", minimum=0, maximum=limits.COMMAND_ID)
    if action.data is not None:
        if not valid_identifier(action.data.identifier):
            problems.add(f"{where}.data.identifier", "bad_identifier")
        _check_body(action, where, problems)


def _check_values(values: Mapping[str, Any] | None, where: str, problems: Problems) -> None:
    if values is None:
        return
    if not values:
        problems.add(where, "empty")
    for name in values:
        if not valid_identifier(name):
            problems.add(f"{where}.{name}", "bad_identifier")


def _check_body(action: Action, where: str, problems: Problems) -> None:
    assert action.data is not None, "whoever calls has checked that"
    body, kind = action.data.body, action.data.format
    if kind == "json":
        return
    if not isinstance(body, str):
        problems.add(f"{where}.data.body", "must_be_text")
    elif kind == "hex":
        try:
            bytes.fromhex(body)
        except ValueError:
            problems.add(f"{where}.data.body", "message_not_hex")


def _size(form: MessageRuleForm) -> int:
    try:
        return len(msgspec.json.encode(form.body()))
    except (OverflowError, UnicodeEncodeError, RecursionError):
        return BODY_BYTES + 1
