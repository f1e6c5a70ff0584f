"""Checks attribute values against a type's function definition (wire reference §9.2, §9.3).

A value that does not match its definition is refused with a reason; undefined attributes are accepted unchanged.
"""

import math
import re
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from typing import Any

from thingstead.errors import FieldError
from thingstead.model.device_type import AttributeDefinition, Functions
from thingstead.model.report import Source
from thingstead.model.values.processing import processing_of
from thingstead.model.values.quick_checks import QuickCheck, never, quick_check
from thingstead.model.values.scalar_reports import ScalarReports, scalar_reports
from thingstead.model.values.shapes import Shapes
from thingstead.refusals import Arg, Reason, because, reason

Check = Callable[[Any], Any]  # returns the value to store; raises InvalidValue
NUMBERS: frozenset[type] = frozenset({int, float})

IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")

# Which classes of attribute a source may change (wire reference §9.2).
WRITABLE: dict[Source, frozenset[str]] = {
    "report": frozenset({"report", "both"}),
    "push": frozenset({"push", "both"}),
    "cloud": frozenset({"cloud", "push", "both"}),
    "import": frozenset({"report", "push", "cloud", "both"}),  # whatever their source was
}
REFUSED_CLASS: dict[Source, str] = {
    "report": "not_reported",
    "push": "not_pushed",
    "cloud": "not_set_in_cloud",
}


class InvalidValue(Exception):
    """The reason why a value does not match its definition."""

    def __init__(self, why: str | Reason, /, **args: Arg) -> None:
        self.reason = because(why, args)
        super().__init__(self.reason.message)


@lru_cache(maxsize=8192)
def valid_identifier(identifier: str) -> bool:
    """Whether the text is a valid identifier of an attribute, event, command or stream: 1 to 64 letters, digits, ``_``,
    ``-``."""
    return IDENTIFIER.fullmatch(identifier) is not None


def number_bounds(options: dict[str, Any]) -> tuple[float, float]:
    """``min`` and ``max``; infinite if not given."""
    low, high = options.get("min"), options.get("max")
    return -math.inf if low is None else low, math.inf if high is None else high


def number_check(options: dict[str, Any]) -> Check:
    """Accepts any JSON number within ``min`` and ``max``, inclusive."""
    low, high = number_bounds(options)

    def check(value: Any) -> Any:
        if type(value) not in NUMBERS:
            raise InvalidValue("must_be_number")
        if value < low:
            raise InvalidValue("below_minimum", value=value, minimum=low)
        if value > high:
            raise InvalidValue("above_maximum", value=value, maximum=high)
        return value

    return check


def _text(value: Any) -> Any:
    if type(value) is not str:
        raise InvalidValue("must_be_text")
    return value


SWITCH_WORDS = {"ON": True, "OFF": False}


def _switch(value: Any) -> bool:
    """Accepts a boolean; 1, 0, "ON" and "OFF" are converted to booleans."""
    if value is True or value is False:
        return value
    if type(value) is int and value in (0, 1):
        return value == 1
    if type(value) is str:
        known = SWITCH_WORDS.get(value.upper())
        if known is not None:
            return known
    raise InvalidValue("not_switch")


def enum_check(options: dict[str, Any]) -> Check:
    """Accepts one of the texts in ``items``; any text if the definition lists none."""
    allowed = frozenset(item["value"] for item in options.get("items", ()))

    def check(value: Any) -> Any:
        if type(value) is not str:
            raise InvalidValue("must_be_text")
        if allowed and value not in allowed:
            raise InvalidValue("not_enum_item", value=f"{value!r:.80}")
        return value

    return check


def _object(value: Any) -> Any:
    if type(value) is not dict:
        raise InvalidValue("must_be_object")
    return value


def _list(value: Any) -> Any:
    if type(value) is not list:
        raise InvalidValue("must_be_list")
    return value


def _object_or_list(value: Any) -> Any:
    if type(value) is not dict and type(value) is not list:
        raise InvalidValue("must_be_object_or_list")
    return value


def _map_point(value: Any) -> Any:
    _object(value)
    for member, limit in (("lat", 90), ("lng", 180)):
        degrees = value.get(member)
        if type(degrees) is not float and type(degrees) is not int:
            raise InvalidValue("coordinate_not_number", member=member)
        if not -limit <= degrees <= limit:
            raise InvalidValue("coordinate_out_of_range", member=member, limit=limit)
    return value


def value_check(data_type: str, options: dict[str, Any]) -> Check:
    """The check of a data type with its options."""
    if data_type == "number":
        return number_check(options)
    if data_type == "enum":
        return enum_check(options)
    return {
        "text": _text,
        "switch": _switch,
        "object": _object,
        "list": _list,
        "map_point": _map_point,
        "map_circle": _object,
        "map_polygon": _object_or_list,
        "daily_timer": _object_or_list,
    }[data_type]


def _class_refusal(source: Source, attr_type: str) -> Check:
    why = reason(REFUSED_CLASS[source], attr_type=attr_type)

    def check(value: Any) -> Any:
        raise InvalidValue(why)

    return check


def _check_of(source: Source, attribute: AttributeDefinition) -> Check:
    if attribute.attr_type not in WRITABLE[source]:
        return _class_refusal(source, attribute.attr_type)
    return value_check(attribute.data_type, attribute.data_options)


class _SourceChecks:
    """The checks of all attributes for one source."""

    __slots__ = ("_attributes", "_checks", "_source", "quick")

    def __init__(self, source: Source, attributes: Iterable[AttributeDefinition]) -> None:
        self._source = source
        self._attributes = {attribute.identifier: attribute for attribute in attributes}
        self._checks = {name: _check_of(source, attribute) for name, attribute in self._attributes.items()}
        self.quick = Shapes(self._quick_check)

    def _quick_check(self, identifiers: tuple[str, ...]) -> QuickCheck:
        defined = [self._attributes[name] for name in identifiers if name in self._attributes]
        if not all(attribute.attr_type in WRITABLE[self._source] for attribute in defined):
            return never
        if not all(name in self._attributes or valid_identifier(name) for name in identifiers):
            return never
        definitions = {each.identifier: (each.data_type, each.data_options) for each in defined}
        return quick_check(definitions, others=len(defined) < len(identifiers))

    def check(self, attributes: dict[str, Any]) -> tuple[FieldError, ...]:
        if self.quick.of(attributes)(attributes):
            return ()
        refused: list[FieldError] = []
        for identifier, value in attributes.items():
            check = self._checks.get(identifier)
            try:
                if check is not None:
                    attributes[identifier] = check(value)  # same key, same size: safe while iterating
                elif not valid_identifier(identifier):
                    raise InvalidValue("bad_attribute_name")
                elif value is None:
                    raise InvalidValue("null_value")
            except InvalidValue as exc:
                refused.append(FieldError(identifier[:64], exc.reason))
                attributes[identifier] = InvalidValue
        for identifier in [identifier for identifier, value in attributes.items() if value is InvalidValue]:
            del attributes[identifier]
        return tuple(refused)


class CompiledFunctions:
    """A function definition compiled for the hot path: one check per attribute and source."""

    def __init__(self, functions: Functions) -> None:
        self._checks = {source: _SourceChecks(source, functions.attributes) for source in WRITABLE}
        # Returns the function for a report with these attributes, as :func:`quick_check` makes it.
        self.quick_report_check = self._checks["report"].quick.of
        self.events = {event.identifier: event for event in functions.events}
        self.commands = {command.identifier: command for command in functions.commands}
        self.streams = {stream.identifier: stream for stream in functions.streams}
        self.tcp_stream = next((stream.identifier for stream in functions.streams if stream.tcp), None)
        self._attributes = functions.attributes
        self.processing = processing_of(functions.attributes)

    @cached_property
    def scalar_reports(self) -> ScalarReports | None:
        """Parses batches of reports, if the type allows it; None otherwise. Compiled on first use."""
        return scalar_reports([each for each in self._attributes if each.attr_type in WRITABLE["report"]])

    def check(self, attributes: dict[str, Any], source: Source) -> tuple[FieldError, ...]:
        """Removes invalid values from ``attributes`` and normalizes the others in place (``"ON"`` becomes true).

        Returns:
            One refusal for each removed member, in their order.
        """
        return self._checks[source].check(attributes)


UNDEFINED = CompiledFunctions(Functions())  # for a device without a type: accepts everything


def check_params(parameters: Iterable[Any], params: Any) -> tuple[FieldError, ...]:
    """Checks the defined parameters of an event or command that are present; types are strict (wire reference §9.4)."""
    if not isinstance(params, dict):
        return (FieldError.of("params", "must_be_object"),)
    refused = []
    for parameter in parameters:
        if parameter.identifier in params:
            try:
                value_check(parameter.data_type, parameter.data_options)(params[parameter.identifier])
            except InvalidValue as exc:
                refused.append(FieldError(f"params.{parameter.identifier}", exc.reason))
    return tuple(refused)
