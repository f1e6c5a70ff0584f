"""Decides for a whole report at a glance whether any rule must be looked at.

One function is made for every combination of attributes that devices report together. It is generated as source, since
on the path of every report a loop over the attributes costs three times as much. Nothing that anybody wrote stands in
that source: names of attributes and bounds are values that it refers to.
"""

from collections.abc import Callable, Mapping
from math import inf, nextafter
from operator import itemgetter
from typing import Any

from thingstead.rules.gates import KINDS, Gate

Screen = Callable[[dict[str, Any]], bool]  # whether all values of a report pass silently

SHAPES_KEPT = 256  # combinations of attributes, of one book


class Screens:
    """The screens of one book."""

    def __init__(self, gates: Mapping[str, Gate]) -> None:
        self._gates = gates
        self._made: dict[tuple[str, ...], Screen] = {}

    def of(self, attributes: dict[str, Any]) -> Screen:
        """The screen for reports with the same attributes as this one."""
        shape = tuple(attributes)
        screen = self._made.get(shape)
        if screen is None:
            if len(self._made) >= SHAPES_KEPT:
                self._made.clear()
            screen = self._made[shape] = make_screen({n: self._gates[n] for n in shape if n in self._gates})
        return screen


def make_screen(gates: Mapping[str, Gate]) -> Screen:
    """A function that says whether every one of these attributes, all of them present, passes its gate."""
    if not gates:
        return _everything_passes
    names: dict[str, Any] = {"get": itemgetter(*gates)}
    tests = []
    for number, gate in enumerate(gates.values()):
        value = f"v{number}"
        names[f"passes{number}"] = gate.passes
        quick, kind = _numbers(gate), _kind(gate)
        if quick is not None:
            names[f"low{number}"], names[f"high{number}"] = quick
            number_test = f"(type({value}) is float or type({value}) is int) and low{number} <= {value} <= high{number}"
            tests.append(f"({number_test} or passes{number}({value}))")
        elif kind is not None:
            names[f"kind{number}"] = kind
            tests.append(f"(type({value}) is kind{number} or passes{number}({value}))")
        else:
            tests.append(f"passes{number}({value})")
    values = ", ".join(f"v{number}" for number in range(len(gates)))
    defaults = ", ".join(f"{name}={name}" for name in names)
    source = f"def screen(attributes, {defaults}):\n    {values} = get(attributes)\n    return {' and '.join(tests)}\n"
    exec(source, names)  # noqa: S102 - made of numbers and words of this module alone
    screen: Screen = names["screen"]
    return screen


def _everything_passes(attributes: dict[str, Any]) -> bool:
    return True


def _numbers(gate: Gate) -> tuple[float, float] | None:
    """Numbers that pass without a further look; of bands, what lies below them all."""
    high = min([gate.high, *(nextafter(low, -inf) for low, _ in gate.bands)])
    return (_as_float(gate.low), _as_float(high)) if gate.low <= high else None


def _kind(gate: Gate) -> type | None:
    """The type of which every value passes."""
    if gate.loud or gate.only is not None:
        return None
    return next((kind for kind in (str, bool) if KINDS[kind] == gate.kind), None)


def _as_float(bound: float) -> float:
    """The same number: comparing a float with a float is several times as fast as with an int."""
    return float(bound) if abs(bound) < 2**53 else bound
