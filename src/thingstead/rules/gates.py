"""Values of an attribute for which it is certain, at a glance, that no rule need be looked at.

A *guard* of a rule is a leaf of its conditions; guards are chosen so that the rule can only hold while one of them
does. The *gate* of an attribute lets a value pass silently when none of the guards on that attribute holds for it. A
rule that is idle, with no guard holding, and whose attributes pass their gates silently, stays idle.
"""

from collections.abc import Iterable
from math import inf
from typing import Any

NUMBER, TEXT, SWITCH, PLACE = "number", "text", "switch", "map_point"
KINDS: dict[type, str] = {int: NUMBER, float: NUMBER, str: TEXT, bool: SWITCH}
ANY = ""  # the kind of a gate that compares nothing
MIXED = (
    "mixed"  # the kind of a gate that nothing passes: its guards want different kinds, or cannot be told at a glance
)

Band = tuple[float, float]


class Gate:
    """What passes silently: numbers from ``low`` to ``high`` (both included) and outside of ``bands``; texts and
    booleans that are not in ``loud``, and in ``only`` where there is such a set. A value of another kind than ``kind``
    does not pass; no value at all does."""

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
        """Whether a value passes silently."""
        if value is None or self.kind == ANY:
            return True
        kind = type(value)
        if KINDS.get(kind) != self.kind:
            return False
        if kind is float or kind is int:
            return self.low <= value <= self.high and not any(low <= value <= high for low, high in self.bands)
        return value not in self.loud and (self.only is None or value in self.only)


def merged(gates: Iterable[Gate]) -> Gate:
    """The gate that lets pass what all of these do."""
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
