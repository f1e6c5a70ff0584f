"""Prefilter: the values of a report that cannot make any rule hold.

A *guard* of a rule is a leaf of its conditions; guards are chosen so that the rule can only hold while one of them
does. A value passes the *gate* of its attribute if it satisfies none of the guards on that attribute. A rule that is
idle, with no guard holding, and whose attributes all pass their gates, stays idle. For every combination of attributes
that devices report together, one function, a *screen*, is compiled that checks all their gates.
"""

from collections.abc import Callable, Iterable, Mapping
from math import inf, nextafter
from operator import itemgetter
from typing import Any

from thingstead.model.values.shapes import Shapes, compiled, number_bound

NUMBER, TEXT, SWITCH, PLACE = "number", "text", "switch", "map_point"
KINDS: dict[type, str] = {int: NUMBER, float: NUMBER, str: TEXT, bool: SWITCH}
ANY = ""  # kind of a gate without a comparison: everything passes
MIXED = "mixed"  # kind of a gate that nothing passes: its guards compare different kinds, or cannot be prefiltered

Band = tuple[float, float]
Screen = Callable[[dict[str, Any]], bool]  # whether every value of a report passes its gate


class Gate:
    """The values of an attribute that cannot make any rule hold: numbers from ``low`` to ``high`` (inclusive) outside
    of ``bands``; texts and booleans that are not in ``loud``, and are in ``only`` if it is given. A value of another
    kind than ``kind`` does not pass; a missing value does."""

    __slots__ = ("bands", "high", "kind", "loud", "low", "only")

    def __init__(
        self,
        kind: str = ANY,
        *,
        low: float = -inf,
        high: float = inf,
        bands: tuple[Band, ...] = (),
        loud: frozenset[Any] = frozenset(),
        only: frozenset[Any] | None = None,
    ) -> None:
        self.kind = kind
        self.low, self.high = (low, high) if kind in (NUMBER, ANY) else (inf, -inf)
        self.bands = bands
        self.loud = loud
        self.only = only

    def passes(self, value: Any) -> bool:
        """Whether a value cannot make any rule hold."""
        if value is None or self.kind == ANY:
            return True
        kind = type(value)
        if KINDS.get(kind) != self.kind:
            return False
        if kind is float or kind is int:
            return self.low <= value <= self.high and not any(low <= value <= high for low, high in self.bands)
        return value not in self.loud and (self.only is None or value in self.only)


def merged(gates: Iterable[Gate]) -> Gate:
    """The intersection of gates: passes what all of them pass."""
    found = [gate for gate in gates if gate.kind != ANY]
    kinds = {gate.kind for gate in found}
    if len(kinds) != 1:
        return Gate(MIXED if kinds else ANY)
    only: frozenset[Any] | None = None
    for gate in found:
        if gate.only is not None:
            only = gate.only if only is None else only & gate.only
    return Gate(
        found[0].kind,
        low=max(gate.low for gate in found),
        high=min(gate.high for gate in found),
        bands=tuple(band for gate in found for band in gate.bands),
        loud=frozenset[Any]().union(*(gate.loud for gate in found)),
        only=only,
    )


class Screens:
    """Cache of the screens of a :class:`DeviceRules`, one for each combination of attributes."""

    def __init__(self, gates: Mapping[str, Gate]) -> None:
        self._gates = gates
        self._shapes = Shapes(self._make)
        self.of = self._shapes.of

    def _make(self, names: tuple[str, ...]) -> Screen:
        return make_screen({name: self._gates[name] for name in names if name in self._gates})


def make_screen(gates: Mapping[str, Gate]) -> Screen:
    """Compiles a function that returns whether all of these attributes, which must be present, pass their gates."""
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
    """Range of numbers that certainly pass; with bands, only the numbers below all of them."""
    high = min([gate.high, *(nextafter(low, -inf) for low, _ in gate.bands)])
    return (number_bound(gate.low), number_bound(high)) if gate.low <= high else None


def _kind(gate: Gate) -> type | None:
    """The type of which every value passes, if there is one."""
    if gate.loud or gate.only is not None:
        return None
    return next((kind for kind in (str, bool) if KINDS[kind] == gate.kind), None)
