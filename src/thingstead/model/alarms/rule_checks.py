"""Validation of alarm rules: finds parts that could never hold, never clear, or never be compared.

Problems have the path of the part, such as ``raise.and[1].value`` or ``levels[0].clear.op``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any

from thingstead.model import limits
from thingstead.model.alarms.rule import (
    CONDITION_DEPTH,
    CONDITIONS_COUNT,
    HOURS_COUNT,
    POLYGON_POINTS,
    Condition,
    RuleBody,
)
from thingstead.model.alarms.rule_ranges import EVERYTHING, Range, is_number, range_of
from thingstead.model.device_type import AttributeDefinition, DataType
from thingstead.model.limits import Problems

Definitions = Sequence[Mapping[str, AttributeDefinition]]  # one mapping a device type that the rule watches

ORDERED = frozenset({">", ">=", "<", "<="})
PLACES = frozenset({"inside", "outside"})
# Operators allowed for each data type; all other types allow only `change`.
_OPS_OF: dict[DataType, frozenset[str]] = {
    "number": ORDERED | {"==", "!=", "between", "change"},
    "text": frozenset({"==", "!=", "change"}),
    "enum": frozenset({"==", "!=", "change"}),
    "switch": frozenset({"==", "!=", "change"}),
    "map_point": PLACES | {"change"},
}
_VALUES_OF: dict[DataType, tuple[tuple[type, ...], str]] = {  # allowed Python types, and the refusal code for any other
    "number": ((int, float), "number_for_type"),
    "text": ((str,), "text_for_type"),
    "enum": ((str,), "text_for_type"),
    "switch": ((bool,), "boolean_for_type"),
}


def check_body(body: RuleBody, definitions: Definitions, problems: Problems, *, flat: bool) -> None:
    """Adds every problem of a rule's body to ``problems``.

    Args:
        definitions: the attributes of each device type in the rule's source, by identifier.
        flat: whether its only level was given as ``raise`` and ``clear`` of the rule itself.
    """
    nodes = 0
    seen: dict[int, int] = {}
    for index, level in enumerate(body.levels):
        path = "" if flat else f"levels[{index}]."
        if seen.setdefault(level.level, index) != index:
            problems.add(f"{path}level", "level_repeated", index=seen[level.level])
        checks = ConditionChecks(definitions, problems)
        checks.tree(level.raise_, f"{path}raise")
        if level.clear is not None:
            checks.tree(level.clear, f"{path}clear")
            _check_pair(level.raise_, level.clear, path, problems)
        nodes += checks.nodes
    if nodes > CONDITIONS_COUNT:
        problems.add("raise" if flat else "levels", "too_many_conditions", maximum=CONDITIONS_COUNT)
    if not 1 <= len(body.levels) <= 3:
        problems.add("levels", "entries_between", minimum=1, maximum=3)
    _check_schedule(body, problems)


def _check_pair(raises: Condition, clear: Condition, path: str, problems: Problems) -> None:
    """Checks ``raise`` and ``clear`` of one level against each other."""
    for part, where in _parts(raises, f"{path}raise"):
        if part.deadband is not None:
            problems.add(f"{where}.deadband", "deadband_beside_clear")
    if raises.attribute is None or raises.attribute != clear.attribute:
        return
    raised, cleared = range_of(raises), range_of(clear)
    if raised is not None and cleared is not None and not cleared.empty and cleared.meets(raised) == cleared:
        problems.add(f"{path}clear", "never_clears")


def _check_schedule(body: RuleBody, problems: Problems) -> None:
    if body.schedule is None:
        return
    if not 1 <= len(body.schedule.hours) <= HOURS_COUNT:
        problems.add("schedule.hours", "schedule_without_hours", maximum=HOURS_COUNT)
    for index, hours in enumerate(body.schedule.hours):
        if hours.from_ == "24:00":
            problems.add(f"schedule.hours[{index}].from", "before_midnight")


class ConditionChecks:
    """Checks the conditions of one level."""

    def __init__(self, definitions: Definitions, problems: Problems) -> None:
        self._definitions = definitions
        self._problems = problems
        self.nodes = 0

    def tree(self, condition: Condition, path: str, depth: int = 1, *, positive: bool = True) -> None:
        """Checks a condition and its descendants. ``positive``: it is under an even number of ``not``."""
        self.nodes += 1
        kinds = [name for name, present in _kinds(condition).items() if present]
        if depth > CONDITION_DEPTH:
            self._problems.add(path, "nested_too_deep", maximum=CONDITION_DEPTH)
        elif not kinds:
            self._problems.add(path, "condition_without_kind")
        elif len(kinds) > 1:
            self._problems.add(path, "condition_of_several_kinds", kinds=", ".join(kinds))
        elif condition.not_ is not None:
            self.tree(condition.not_, f"{path}.not", depth + 1, positive=not positive)
        elif condition.and_ is not None or condition.or_ is not None:
            self._list(condition, path, depth, positive)
        else:
            self._leaf(condition, path, positive)
        if len(kinds) == 1:
            self._strangers(condition, kinds[0], path)

    def _list(self, condition: Condition, path: str, depth: int, positive: bool) -> None:
        name, parts = ("and", condition.and_) if condition.and_ is not None else ("or", condition.or_ or ())
        if not parts:
            self._problems.add(f"{path}.{name}", "empty")
        before = len(self._problems.errors)
        for index, part in enumerate(parts):
            self.tree(part, f"{path}.{name}[{index}]", depth + 1, positive=positive)
        if name == "and" and positive and len(self._problems.errors) == before:
            self._contradictions(parts, f"{path}.and")

    def _contradictions(self, parts: Iterable[Condition], path: str) -> None:
        """Refuses comparisons of one attribute that exclude each other."""
        ranges: dict[str, Range] = {}
        texts: dict[str, Any] = {}
        for index, part in enumerate(parts):
            name = part.attribute or ""
            found = range_of(part)
            if found is not None:
                ranges[name] = ranges.get(name, EVERYTHING).meets(found)
                if ranges[name].empty:
                    self._problems.add(f"{path}[{index}]", "conditions_contradict", attribute=name)
                    return
            elif part.op == "==" and texts.setdefault(name, part.value) != part.value:
                self._problems.add(f"{path}[{index}]", "conditions_contradict", attribute=name)
                return

    def _strangers(self, condition: Condition, kind: str, path: str) -> None:
        """Refuses members that do not belong to this kind of condition."""
        for name, value in (("value", condition.value), ("deadband", condition.deadband)):
            if value is not None and kind != "op":
                self._problems.add(f"{path}.{name}", "goes_with_op")
        if condition.attribute is not None and kind not in ("op", "no_data_ms"):
            self._problems.add(f"{path}.attribute", "goes_with_op_or_no_data")
        for name, area in (("circle", condition.circle), ("polygon", condition.polygon)):
            if area is not None and condition.op not in PLACES:
                self._problems.add(f"{path}.{name}", "goes_with_place")

    def _leaf(self, condition: Condition, path: str, positive: bool) -> None:
        if condition.attribute is not None:
            self._problems.identifier(f"{path}.attribute", condition.attribute)
        if condition.no_data_ms is not None or condition.offline_ms is not None:
            return
        if condition.attribute is None:
            self._problems.add(f"{path}.attribute", "required")
            return
        if condition.op is None:
            self._problems.add(f"{path}.op", "required")
            return
        before = len(self._problems.errors)
        self._value(condition, path)
        self._deadband(condition, path)
        if len(self._problems.errors) == before:
            for definitions in self._definitions:
                defined = definitions.get(condition.attribute)
                if defined is not None:
                    self._against(condition, defined, path, positive)

    def _value(self, condition: Condition, path: str) -> None:
        op: str | None = condition.op
        value: Any = condition.value
        if op in PLACES:
            if value is not None:
                self._problems.add(f"{path}.value", "area_takes_no_value", op=op)
            self._area(condition, path)
        elif op == "between":
            if not isinstance(value, tuple) or len(value) != 2:
                self._problems.add(f"{path}.value", "between_takes_two")
            elif value[0] > value[1]:
                self._problems.add(f"{path}.value", "between_reversed")
        elif op == "change":
            if value is not None and (not is_number(value) or value <= 0):
                self._problems.add(f"{path}.value", "positive_or_absent")
        elif op in ORDERED:
            if not is_number(value):
                self._problems.add(f"{path}.value", "must_be_number")
        elif value is None or isinstance(value, tuple):
            self._problems.add(f"{path}.value", "must_be_scalar")
        elif isinstance(value, str):
            self._problems.text(f"{path}.value", value, limits.OPTION_TEXT_LENGTH)

    def _area(self, condition: Condition, path: str) -> None:
        if (condition.circle is None) == (condition.polygon is None):
            self._problems.add(path, "circle_or_polygon")
            return
        points = condition.polygon
        if points is None:
            return
        if not 3 <= len(points) <= POLYGON_POINTS:
            self._problems.add(f"{path}.polygon", "polygon_points", minimum=3, maximum=POLYGON_POINTS)
            return
        longitudes = [point.lng for point in points]
        if max(longitudes) - min(longitudes) > 180:
            self._problems.add(f"{path}.polygon", "polygon_over_meridian")
        corners = [(point.lat, point.lng) for point in points]
        if _on_one_line(corners):
            self._problems.add(f"{path}.polygon", "polygon_without_area")

    def _deadband(self, condition: Condition, path: str) -> None:
        deadband = condition.deadband
        if deadband is None:
            return
        if not 0 <= deadband < inf:
            self._problems.add(f"{path}.deadband", "number_from_zero")
        elif condition.op not in ORDERED and condition.op != "between" and condition.circle is None:
            self._problems.add(f"{path}.deadband", "cannot_be_combined", other=condition.op or "")
        elif condition.circle is not None and condition.op == "outside" and deadband >= condition.circle.radius_m:
            self._problems.add(f"{path}.deadband", "deadband_over_radius")

    def _against(self, condition: Condition, defined: AttributeDefinition, path: str, positive: bool) -> None:
        """Checks a comparison against the definition of its attribute."""
        kind, name = defined.data_type, defined.identifier
        if condition.op not in _OPS_OF.get(kind, frozenset({"change"})):
            self._problems.add(f"{path}.op", "op_not_for_type", attribute=name, data_type=kind)
            return
        if condition.op == "change" and condition.value is not None and kind != "number":
            self._problems.add(f"{path}.value", "numbers_only", attribute=name, data_type=kind)
        if condition.op in ("==", "!="):
            types, wanted = _VALUES_OF[kind]
            if type(condition.value) not in types:
                self._problems.add(f"{path}.value", wanted, attribute=name, data_type=kind)
                return
        if positive:
            self._reachable(condition, defined, path)

    def _reachable(self, condition: Condition, defined: AttributeDefinition, path: str) -> None:
        """Refuses a comparison that no value allowed by the definition can satisfy."""
        if defined.data_type == "enum" and condition.op == "==":
            items = [item.get("value") for item in defined.data_options.get("items", ())]
            if items and condition.value not in items:
                self._problems.add(f"{path}.value", "enum_item_unreachable", attribute=defined.identifier)
        wanted = range_of(condition)
        if defined.data_type == "number" and wanted is not None:
            low, high = defined.data_options.get("min"), defined.data_options.get("max")
            admitted = Range(-inf if low is None else low, False, inf if high is None else high, False)
            if wanted.meets(admitted).empty:
                shown = f"{'' if low is None else low} to {'' if high is None else high}".strip()
                self._problems.add(f"{path}.value", "value_unreachable", attribute=defined.identifier, range=shown)


def _kinds(condition: Condition) -> dict[str, bool]:
    """The kinds of condition whose members are present."""
    silent = condition.no_data_ms is not None
    names_an_attribute = condition.attribute is not None and not silent
    nested = condition.and_ is not None or condition.or_ is not None or condition.not_ is not None
    return {
        "op": condition.op is not None or (names_an_attribute and condition.offline_ms is None and not nested),
        "no_data_ms": silent,
        "offline_ms": condition.offline_ms is not None,
        "and": condition.and_ is not None,
        "or": condition.or_ is not None,
        "not": condition.not_ is not None,
    }


def _parts(condition: Condition, path: str) -> Iterator[tuple[Condition, str]]:
    yield condition, path
    for name, parts in (("and", condition.and_), ("or", condition.or_)):
        for index, part in enumerate(parts or ()):
            yield from _parts(part, f"{path}.{name}[{index}]")
    if condition.not_ is not None:
        yield from _parts(condition.not_, f"{path}.not")


def _on_one_line(points: Sequence[tuple[float, float]]) -> bool:
    first = points[0]
    second = next((point for point in points if point != first), first)
    up, right = second[0] - first[0], second[1] - first[1]
    return all(up * (point[1] - first[1]) == right * (point[0] - first[0]) for point in points)
