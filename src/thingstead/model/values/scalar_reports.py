"""Decodes and checks reports in one step, for types whose attributes are numbers, switches and enumerations.

Handles the usual reports of such types: only defined attributes, each with a valid value. All other reports need the
full parser and check.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal, TypedDict

import msgspec

from thingstead.model.device_type import AttributeDefinition

EXACT = 2**53  # integers up to here are exact as a float
SCALARS_COUNT = 64  # attributes, and items of an enumeration; compiling a parser for more takes too long

Read = Callable[[bytes], dict[str, Any]]


class ScalarReports:
    """Parses batches of reports of one type.

    Args:
        types: the type annotation of each attribute, by identifier.
        switches: identifiers of switches.
    """

    __slots__ = ("_read", "_switches")

    def __init__(self, types: dict[str, Any], switches: Sequence[str]) -> None:
        typed_dict: Any = TypedDict  # mypy supports only literal definitions
        self._read: Read = msgspec.json.Decoder(typed_dict("Report", types, total=False)).decode
        self._switches = switches

    def read(self, payloads: Sequence[bytes]) -> list[dict[str, Any]] | None:
        """Parses reports that contain only these attributes with scalar values.

        Returns:
            The attributes of each report, switches normalized; None if any report needs the full parser.
        """
        read, reports = self._read, []
        try:
            for payload in payloads:
                report = read(payload)
                # An undefined attribute was ignored, and a repeated one was parsed once. Values contain no colons, so
                # there is one colon for each name in the payload.
                if payload.count(b":") != len(report):
                    return None
                reports.append(report)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        for switch in self._switches:
            for report in reports:
                if switch in report:
                    report[switch] = report[switch] == 1
        return reports


def scalar_reports(attributes: Iterable[AttributeDefinition]) -> ScalarReports | None:
    """Compiles the parser for a type whose devices may report these attributes; None if an attribute is not scalar, or
    there are none."""
    types: dict[str, Any] = {}
    switches = []
    for attribute in attributes:
        kind = _KINDS.get(attribute.data_type)
        scalar = None if kind is None else kind(attribute.data_options)
        if scalar is None:
            return None
        types[attribute.identifier] = scalar
        if attribute.data_type == "switch":
            switches.append(attribute.identifier)
    return ScalarReports(types, switches) if 0 < len(types) <= SCALARS_COUNT else None


def _number(options: dict[str, Any]) -> Any:
    low, high = options.get("min"), options.get("max")
    if any(bound is not None and abs(bound) >= EXACT for bound in (low, high)):
        return None
    if low is None and high is None:
        return int | float
    whole = msgspec.Meta(ge=None if low is None else math.ceil(low), le=None if high is None else math.floor(high))
    real = msgspec.Meta(ge=None if low is None else float(low), le=None if high is None else float(high))
    return Annotated[int, whole] | Annotated[float, real]


def _switch(options: dict[str, Any]) -> Any:
    return bool | Literal[0, 1]


def _enum(options: dict[str, Any]) -> Any:
    values = tuple(item["value"] for item in options.get("items", ()))
    if not 0 < len(values) <= SCALARS_COUNT or any(":" in value for value in values):
        return None
    return Literal[values]


_KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {"number": _number, "switch": _switch, "enum": _enum}
