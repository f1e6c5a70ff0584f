"""Validation of function definitions: identifiers, the options of each data type, and the one TCP stream.

Every problem is named by its path, such as ``functions.attributes[2].data_options.min`` (wire reference §9).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeGuard

import msgspec

from thingstead.model import limits
from thingstead.model.device_type import DataType, Functions, Parameter
from thingstead.model.limits import Problems
from thingstead.model.values.processing_checks import check_all_processing
from thingstead.refusals import reason

Options = Mapping[str, Any]
_OPTIONS_OF: dict[DataType, frozenset[str]] = {
    "number": frozenset({"unit", "precision", "min", "max"}),
    "switch": frozenset({"on", "off"}),
    "enum": frozenset({"items"}),
}


class _Named(Protocol):
    @property
    def identifier(self) -> str: ...
    @property
    def name(self) -> str: ...


class _Typed(_Named, Protocol):
    @property
    def data_type(self) -> DataType: ...
    @property
    def data_options(self) -> dict[str, Any]: ...


def check_functions(functions: Functions, problems: Problems, field: str = "functions") -> None:
    """Adds every problem of a function definition to ``problems``."""
    known = len(problems.errors)
    if len(msgspec.json.encode(functions)) > limits.TYPE_BYTES:
        problems.add(field, "json_too_large", maximum=limits.TYPE_BYTES)
    problems.count(f"{field}.attributes", functions.attributes, limits.ATTRIBUTES_COUNT)
    problems.count(f"{field}.events", functions.events, limits.EVENTS_COUNT)
    problems.count(f"{field}.commands", functions.commands, limits.COMMANDS_COUNT)
    problems.count(f"{field}.streams", functions.streams, limits.STREAMS_COUNT)
    if len(problems.errors) > known:
        return  # do not iterate over a definition that is far too large
    _check_typed(functions.attributes, problems, f"{field}.attributes")
    check_all_processing(functions.attributes, problems, f"{field}.attributes")
    _check_named(functions.events, problems, f"{field}.events")
    for index, event in enumerate(functions.events):
        _check_parameters(event.params, problems, f"{field}.events[{index}].params")
    _check_named(functions.commands, problems, f"{field}.commands")
    for index, command in enumerate(functions.commands):
        _check_parameters(command.params, problems, f"{field}.commands[{index}].params")
        _check_parameters(command.reply_params, problems, f"{field}.commands[{index}].reply_params")
    _check_named(functions.streams, problems, f"{field}.streams")
    tcp_streams = [index for index, stream in enumerate(functions.streams) if stream.tcp]
    for index in tcp_streams[1:]:  # wire reference §4.2: at most one stream of a type is bound to TCP
        problems.add(f"{field}.streams[{index}].tcp", "tcp_bound_already", index=tcp_streams[0])


def _check_named(entries: Sequence[_Named], problems: Problems, field: str) -> None:
    """Checks that identifiers are valid and unique, and names are texts (an empty name shows the identifier)."""
    first_at: dict[str, int] = {}
    for index, entry in enumerate(entries):
        problems.identifier(f"{field}[{index}].identifier", entry.identifier)
        problems.text(f"{field}[{index}].name", entry.name, limits.NAME_LENGTH)
        first = first_at.setdefault(entry.identifier, index)
        if first != index:
            problems.add(
                f"{field}[{index}].identifier", "identifier_repeated", identifier=repr(entry.identifier), index=first
            )


def _check_typed(entries: Sequence[_Typed], problems: Problems, field: str) -> None:
    _check_named(entries, problems, field)
    for index, entry in enumerate(entries):
        _check_options(entry.data_type, entry.data_options, problems, f"{field}[{index}].data_options")


def _check_parameters(parameters: Sequence[Parameter], problems: Problems, field: str) -> None:
    problems.count(field, parameters, limits.PARAMETERS_COUNT)
    if len(parameters) <= limits.PARAMETERS_COUNT:
        _check_typed(parameters, problems, field)


def _check_options(data_type: DataType, options: Options, problems: Problems, field: str) -> None:
    known = _OPTIONS_OF.get(data_type, frozenset())
    for key in options:
        if key not in known:
            allowed = ", ".join(sorted(known)) or "none"
            shown = key if limits.is_id(key) else "?"
            problems.add(f"{field}.{shown}", "no_option", data_type=data_type, allowed=allowed)
    check = _CHECKS.get(data_type)
    if check is not None:
        check(options, problems, field)


def _check_number(options: Options, problems: Problems, field: str) -> None:
    unit = options.get("unit")
    if unit is not None:
        _check_text(unit, problems, f"{field}.unit", limits.UNIT_LENGTH)
    precision = options.get("precision")
    if precision is not None and not (_is_integer(precision) and 0 <= precision <= limits.PRECISION):
        problems.add(f"{field}.precision", "integer_in_range", minimum=0, maximum=limits.PRECISION)
    low, high = options.get("min"), options.get("max")
    for key, bound in (("min", low), ("max", high)):
        if bound is not None and not _is_number(bound):
            problems.add(f"{field}.{key}", "must_be_number")
    if _is_number(low) and _is_number(high) and low > high:
        problems.add(f"{field}.min", "min_above_max")


def _check_switch(options: Options, problems: Problems, field: str) -> None:
    for key in ("on", "off"):
        if options.get(key) is not None:
            _check_text(options[key], problems, f"{field}.{key}", limits.OPTION_TEXT_LENGTH)


def _check_enum(options: Options, problems: Problems, field: str) -> None:
    items = options.get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= limits.ENUM_ITEMS_COUNT:
        problems.add(f"{field}.items", "enum_items_count", maximum=limits.ENUM_ITEMS_COUNT)
        return
    first_at: dict[str, int] = {}
    for index, item in enumerate(items):
        path = f"{field}.items[{index}]"
        if not isinstance(item, dict) or not item.keys() <= {"value", "name"}:
            problems.add(path, "enum_item_shape")
            continue
        value = item.get("value")
        _check_text(item.get("name", ""), problems, f"{path}.name", limits.OPTION_TEXT_LENGTH)
        if not _check_text(value, problems, f"{path}.value", limits.OPTION_TEXT_LENGTH, min_length=1):
            continue
        first = first_at.setdefault(value, index)
        if first != index:
            problems.add(f"{path}.value", "enum_value_repeated", value=repr(value), index=first)


_CHECKS: dict[DataType, Callable[[Options, Problems, str], None]] = {
    "number": _check_number,
    "switch": _check_switch,
    "enum": _check_enum,
}


def _check_text(value: Any, problems: Problems, field: str, max_length: int, min_length: int = 0) -> TypeGuard[str]:
    problem = limits.text_problem(value, max_length, min_length) if isinstance(value, str) else reason("must_be_text")
    if problem is not None:
        problems.add(field, problem)
    return problem is None


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return _is_integer(value) or (isinstance(value, float) and math.isfinite(value))
