"""Decides for a whole report at a glance whether any rule must be looked at.

One function is made for every combination of attributes that devices report together.
"""

from collections.abc import Callable, Mapping
from math import inf, nextafter
from operator import itemgetter
from typing import Any

from thingstead.model.values.shapes import Shapes, compiled, number_bound
from thingstead.rules.gates import KINDS, Gate

Screen = Callable[[dict[str, Any]], bool]  # whether all values of a report pass silently


class Screens:
    """The screens of one book."""

    def __init__(self, gates: Mapping[str, Gate]) -> None:
        self._gates = gates
        self._shapes = Shapes(self._make)
        self.of = self._shapes.of

    def _make(self, names: tuple[str, ...]) -> Screen:
        return make_screen({name: self._gates[name] for name in names if name in self._gates})


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
    return compiled([f"{values} = get(attributes)", f"return {' and '.join(tests)}"], names)


def _everything_passes(attributes: dict[str, Any]) -> bool:
    return True


def _numbers(gate: Gate) -> tuple[float, float] | None:
    """Numbers that pass without a further look; of bands, what lies below them all."""
    high = min([gate.high, *(nextafter(low, -inf) for low, _ in gate.bands)])
    return (number_bound(gate.low), number_bound(high)) if gate.low <= high else None


def _kind(gate: Gate) -> type | None:
    """The type of which every value passes."""
    if gate.loud or gate.only is not None:
        return None
    return next((kind for kind in (str, bool) if KINDS[kind] == gate.kind), None)
