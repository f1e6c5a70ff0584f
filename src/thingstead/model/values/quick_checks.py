"""Quick check of whole reports: one compiled function for each combination of attributes.

It accepts the usual values only; for any other report the full check decides.
"""

import math
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from thingstead.model.values.shapes import compiled, number_bound

QuickCheck = Callable[[dict[str, Any]], bool]
Names = dict[str, Any]  # variables of the generated code


def quick_check(definitions: Mapping[str, tuple[str, dict[str, Any]]], *, others: bool = False) -> QuickCheck:
    """Compiles a function that returns True if all of these attributes are present and valid; it normalizes switches in
    place. False means only that the full check must decide.

    Args:
        definitions: ``data_type`` and ``data_options`` by identifier.
        others: there are undefined attributes too, which may have any value except null.
    """
    if not definitions:
        return without_null
    names: Names = {"get": itemgetter(*definitions)}
    values = ", ".join(f"v{number}" for number in range(len(definitions)))
    lines = [f"{values} = get(attributes)"]
    for number, (identifier, (data_type, options)) in enumerate(definitions.items()):
        if data_type not in _LINES:
            return never
        lines += _LINES[data_type](number, identifier, options, names)
    if others:
        lines.append("if None in attributes.values(): return False")
    return compiled([*lines, "return True"], names)


def without_null(attributes: dict[str, Any]) -> bool:
    """Quick check of attributes that may have any value except null."""
    return None not in attributes.values()


def never(attributes: dict[str, Any]) -> bool:
    """Quick check of attributes that always need the full check."""
    return False


def _number(n: int, identifier: str, options: dict[str, Any], names: Names) -> list[str]:
    lines = [f"if type(v{n}) is not float and type(v{n}) is not int: return False"]
    low, high = options.get("min"), options.get("max")
    if low is not None or high is not None:
        names[f"low{n}"] = number_bound(-math.inf if low is None else low)
        names[f"high{n}"] = number_bound(math.inf if high is None else high)
        lines.append(f"if not low{n} <= v{n} <= high{n}: return False")
    return lines


def _switch(n: int, identifier: str, options: dict[str, Any], names: Names) -> list[str]:
    names[f"name{n}"] = identifier
    return [
        f"if v{n} is not True and v{n} is not False:",
        f"    if type(v{n}) is not int or not 0 <= v{n} <= 1: return False",
        f"    attributes[name{n}] = v{n} == 1",
    ]


def _enum(n: int, identifier: str, options: dict[str, Any], names: Names) -> list[str]:
    names[f"items{n}"] = items = frozenset(item["value"] for item in options.get("items", ()))
    among = f" or v{n} not in items{n}" if items else ""
    return [f"if type(v{n}) is not str{among}: return False"]


def _of_type(expected: type) -> Callable[[int, str, dict[str, Any], Names], list[str]]:
    def lines(n: int, identifier: str, options: dict[str, Any], names: Names) -> list[str]:
        names[f"type{n}"] = expected
        return [f"if type(v{n}) is not type{n}: return False"]

    return lines


_LINES = {
    "number": _number,
    "switch": _switch,
    "enum": _enum,
    "text": _of_type(str),
    "object": _of_type(dict),
    "list": _of_type(list),
}
