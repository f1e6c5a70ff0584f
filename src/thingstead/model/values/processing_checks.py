"""Validation of the processing of attributes."""

import math
from collections.abc import Sequence

from thingstead.model import limits
from thingstead.model.device_type import AttributeDefinition, AttributeProcessing
from thingstead.model.limits import Problems
from thingstead.model.values.formula import FormulaError, compile_formula

REPORTED = ("report", "both")
COMPUTED_COUNT = 50  # attributes of a definition, so that a report has a bounded cost


def check_all_processing(attributes: Sequence[AttributeDefinition], problems: Problems, field: str) -> None:
    """Adds every problem of the processing of a definition's attributes to ``problems``."""
    computed = 0
    for index, attribute in enumerate(attributes):
        path = f"{field}[{index}].processing"
        check_processing(attribute, problems, path)
        wanted = attribute.processing
        if isinstance(wanted, AttributeProcessing) and (wanted.formula or wanted.point is not None):
            computed += 1
            if computed == COMPUTED_COUNT + 1:
                problems.add(path, "too_many_computed", maximum=COMPUTED_COUNT)


def check_processing(attribute: AttributeDefinition, problems: Problems, field: str) -> None:
    """Adds every problem of the processing of an attribute to ``problems``."""
    wanted = attribute.processing
    if not isinstance(wanted, AttributeProcessing):
        return
    if attribute.attr_type not in REPORTED:
        problems.add(field, "processing_not_reported", attr_type=attribute.attr_type)
    is_number, is_point = attribute.data_type == "number", attribute.data_type == "map_point"
    for member, value, default in (("scale", wanted.scale, 1), ("offset", wanted.offset, 0)):
        if value != default and (not is_number or wanted.formula):
            problems.add(
                f"{field}.{member}", "cannot_be_combined" if wanted.formula else "goes_with_number", other="formula"
            )
        elif not math.isfinite(value) or abs(value) > limits.SIZE_BYTES:
            problems.add(f"{field}.{member}", "out_of_range")
    if wanted.scale == 0:
        problems.add(f"{field}.scale", "scale_zero")
    if wanted.precision is not None:
        if not is_number:
            problems.add(f"{field}.precision", "goes_with_number")
        elif not 0 <= wanted.precision <= limits.PRECISION:
            problems.add(f"{field}.precision", "integer_in_range", minimum=0, maximum=limits.PRECISION)
    _check_point(wanted, problems, field, is_point=is_point)
    if wanted.formula:
        if is_point:
            problems.add(f"{field}.formula", "formula_makes_no_point")
        _check_formula(wanted.formula, problems, f"{field}.formula")


def _check_point(wanted: AttributeProcessing, problems: Problems, field: str, *, is_point: bool) -> None:
    if wanted.coordinates is not None:
        if not is_point:
            problems.add(f"{field}.coordinates", "goes_with_point")
        elif wanted.coordinates.from_ == wanted.coordinates.to:
            problems.add(f"{field}.coordinates.to", "same_coordinates")
    if wanted.point is not None:
        if not is_point:
            problems.add(f"{field}.point", "goes_with_point")
        problems.identifier(f"{field}.point.lat", wanted.point.lat)
        problems.identifier(f"{field}.point.lng", wanted.point.lng)


def _check_formula(text: str, problems: Problems, field: str) -> None:
    try:
        formula = compile_formula(text)
    except FormulaError as exc:
        code = "formula_wrong" if exc.found else "formula_incomplete"
        problems.add(field, code, position=exc.position, found=exc.found)
        return
    if not formula.reads:
        problems.add(field, "formula_reads_nothing")
