"""Processing of reported values before they are checked: scaling, coordinates, and attributes that are computed.

First each reported value is scaled or converted, then the other attributes are computed in the order of the definition.
One that reads an attribute that is not in the report takes its current value.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

from thingstead.errors import FieldError
from thingstead.model.device_type import AttributeDefinition, AttributeProcessing
from thingstead.model.values.coordinates import Convert, converter
from thingstead.model.values.formula import NoResult, compile_formula
from thingstead.model.values.scaling import NUMBER_MAX, NUMBER_MIN, Scale, scaling

Current = Callable[[], Mapping[str, Any]]  # current values of the device


class _Computed(NamedTuple):
    attribute: str
    triggers: frozenset[str]  # attributes of which one must be in the report
    needed: frozenset[str]  # attributes that must be in the report themselves
    reads: frozenset[str]
    value: Callable[[Mapping[str, Any]], Any]


class Processing:
    """The processing of a device type."""

    __slots__ = ("_computed", "_converted")

    def __init__(self, attributes: Sequence[AttributeDefinition]) -> None:
        self._converted: dict[str, Callable[[Any], Any]] = {}
        self._computed: list[_Computed] = []
        for attribute in attributes:
            wanted = attribute.processing
            if not isinstance(wanted, AttributeProcessing):
                continue
            convert = _conversion(wanted)
            if convert is not None:
                self._converted[attribute.identifier] = convert
            if wanted.formula:
                self._computed.append(_of_formula(attribute.identifier, wanted))
            elif wanted.point is not None:
                self._computed.append(_of_point(attribute.identifier, wanted))

    @property
    def works(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._converted or self._computed)

    def apply(self, values: dict[str, Any], current: Current | None) -> list[FieldError]:
        """Processes the values of a report in place. Returns the attributes that cannot be computed.

        Args:
            current: None: only what is in the report counts.
        """
        for name, convert in self._converted.items():
            if name in values:
                values[name] = convert(values[name])
        refused: list[FieldError] = []
        for each in self._computed:
            if each.triggers.isdisjoint(values) or not each.needed <= values.keys():
                continue
            given: Mapping[str, Any] = values
            if not each.reads <= values.keys():
                if current is None:
                    continue
                given = {**current(), **values}
                if not each.reads <= given.keys():
                    continue
            try:
                values[each.attribute] = each.value(given)
            except NoResult:
                refused.append(FieldError.of(each.attribute, "formula_no_result"))
                values.pop(each.attribute, None)
        return refused


def processing_of(attributes: Sequence[AttributeDefinition]) -> Processing | None:
    """The processing of a definition; None if it has none, so that its reports cost nothing more."""
    if not any(isinstance(attribute.processing, AttributeProcessing) for attribute in attributes):
        return None
    made = Processing(attributes)
    return made if made.works else None


def _conversion(wanted: AttributeProcessing) -> Callable[[Any], Any] | None:
    """What is done to a reported value of an attribute that is not computed."""
    if wanted.coordinates is not None:
        convert = converter(wanted.coordinates.from_, wanted.coordinates.to)
        return lambda value: _converted_point(value, convert)
    if wanted.formula:
        return None
    scale = scaling(wanted.scale, wanted.offset, wanted.precision)
    return None if scale is None else lambda value: _scaled(value, scale)


def _scaled(value: Any, scale: Scale) -> Any:
    """Leaves what is no number to the check of its type."""
    return scale(value) if _is_number(value) else value


def _is_number(value: Any) -> TypeGuard[int | float]:
    return type(value) is float or (type(value) is int and NUMBER_MIN <= value <= NUMBER_MAX)


def _converted_point(value: Any, convert: Convert) -> Any:
    if type(value) is not dict:
        return value
    latitude, longitude = value.get("lat"), value.get("lng")
    if not (_is_number(latitude) and _is_number(longitude)):
        return value
    latitude, longitude = convert(latitude, longitude)
    return {**value, "lat": latitude, "lng": longitude}


def _of_formula(attribute: str, wanted: AttributeProcessing) -> _Computed:
    formula = compile_formula(wanted.formula or "")
    scale = scaling(1, 0, wanted.precision)

    def value(values: Mapping[str, Any]) -> Any:
        result = formula.value(values)
        if scale is not None:
            result = _scaled(result, scale)
        if (type(result) is float and not math.isfinite(result)) or (
            type(result) is int and not NUMBER_MIN <= result <= NUMBER_MAX
        ):
            raise NoResult
        return result

    # A formula that reads its own attribute changes what is reported, not what it made before.
    own = frozenset({attribute}) & formula.reads
    return _Computed(attribute, own or formula.reads, own, formula.reads, value)


def _of_point(attribute: str, wanted: AttributeProcessing) -> _Computed:
    assert wanted.point is not None, "called for a point"
    lat, lng = wanted.point.lat, wanted.point.lng
    convert = None if wanted.coordinates is None else converter(wanted.coordinates.from_, wanted.coordinates.to)

    def value(values: Mapping[str, Any]) -> Any:
        point = {"lat": values[lat], "lng": values[lng]}
        return point if convert is None else _converted_point(point, convert)

    names = frozenset({lat, lng})
    return _Computed(attribute, names, frozenset(), names, value)
