"""Message rules, compiled: whether a message meets the condition of a rule."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from thingstead.model.message_rules.rule import MessageCondition

Holds = Callable[[Any, Any], bool]  # (value of the message, value of the condition)

_ABSENT = object()


class CompiledCondition(NamedTuple):
    """A compiled condition. With an attribute, ``holds(value of the attribute, operand)``, which may raise TypeError
    for a value of another type, and must not be :func:`misled`; without, ``holds(all values, None)``."""

    attribute: str | None
    holds: Holds
    operand: Any


def compile_condition(condition: MessageCondition | None) -> CompiledCondition:
    """Compiles a checked condition. None always holds."""
    if condition is None:
        return CompiledCondition(None, _always, None)
    if condition.attribute is not None and condition.op is not None:
        return CompiledCondition(condition.attribute, *_comparison(condition.op, condition.value))
    tree = _tree(condition)
    return CompiledCondition(None, lambda values, _: tree(values) is True, None)


def nodes(condition: MessageCondition | None) -> list[MessageCondition]:
    """The comparisons and combinations that a condition consists of, the outer ones first."""
    found = [] if condition is None else [condition]
    for node in found:
        found.extend(node.and_ or ())
        found.extend(node.or_ or ())
        if node.not_ is not None:
            found.append(node.not_)
    return found


def holds(compiled: CompiledCondition, values: Mapping[str, Any]) -> bool | None:
    """Whether a condition holds for the values of a message; None: its attribute is not among them."""
    attribute, test, operand = compiled
    if attribute is None:
        return test(values, operand)
    value = values.get(attribute, _ABSENT)
    if value is _ABSENT:
        return None
    try:
        return test(value, operand) and not misled(value, operand)
    except TypeError:
        return False


def misled(value: Any, operand: Any) -> bool:
    """Whether a comparison holds only because Python takes a truth for a number."""
    return operand is not None and (type(value) is bool) is not (type(operand) is bool)


def _always(values: Any, operand: Any) -> bool:
    return True


def _comparison(op: str, value: Any) -> tuple[Holds, Any]:
    if op in _PLAIN:
        return _PLAIN[op], value
    if op == "between":
        low, high = value
        return (lambda found, _: low <= found <= high and type(found) is not bool), None
    return (lambda found, _: found != value or (type(found) is bool) is not (type(value) is bool)), None


# Functions in C: a report that does not meet its condition calls nothing else.
_PLAIN: dict[str, Holds] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq,
}  # fmt: skip


def _tree(condition: MessageCondition) -> Callable[[Mapping[str, Any]], bool | None]:
    """A condition that is None where an attribute is missing: then neither it nor its negation holds."""
    if condition.not_ is not None:
        inner = _tree(condition.not_)
        return lambda values: None if (found := inner(values)) is None else not found
    if condition.and_ is not None:
        all_of = [_tree(part) for part in condition.and_]
        return lambda values: _lowest([part(values) for part in all_of])
    if condition.or_ is not None:
        any_of = [_tree(part) for part in condition.or_]
        return lambda values: _highest([part(values) for part in any_of])
    leaf = compile_condition(condition)
    return lambda values: holds(leaf, values)


def _lowest(found: list[bool | None]) -> bool | None:
    return False if False in found else None if None in found else True


def _highest(found: list[bool | None]) -> bool | None:
    return True if True in found else None if None in found else False
