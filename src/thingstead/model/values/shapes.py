"""Functions compiled for the combinations of attributes that devices report together.

On the hot path a loop over attributes costs three times as much as a function whose source was generated for them. The
source contains no data of users: names of attributes, bounds and other values are variables of it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

F = TypeVar("F", bound=Callable[[dict[str, Any]], bool])

SHAPES_KEPT = 256  # combinations of attributes that one cache holds


class Shapes(Generic[F]):
    """Caches the functions that ``make`` compiles, by the ordered names of the attributes."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[tuple[str, ...]], F]) -> None:
        self._make = make
        self._made: dict[tuple[str, ...], F] = {}

    def of(self, attributes: dict[str, Any]) -> F:
        """The function for reports with the same attributes as this one; compiled on first use."""
        shape = tuple(attributes)
        function = self._made.get(shape)
        if function is None:
            if len(self._made) >= SHAPES_KEPT:
                self._made.clear()
            function = self._made[shape] = self._make(shape)
        return function


def compiled(lines: list[str], names: Mapping[str, Any]) -> Callable[[dict[str, Any]], bool]:
    """Compiles a function of ``attributes`` from lines of source; ``names`` are the objects that the lines use."""
    defaults = ", ".join(f"{name}={name}" for name in names)  # locals are looked up faster than globals
    source = f"def function(attributes, {defaults}):\n" + "".join(f"    {line}\n" for line in lines)
    scope = dict(names)
    exec(source, scope)  # noqa: S102 - made of numbers and words of the callers alone
    function: Callable[[dict[str, Any]], bool] = scope["function"]
    return function


def number_bound(bound: float) -> float:
    """The number as a float: comparing two floats is several times as fast as a float and an int."""
    return float(bound) if abs(bound) < 2**53 else bound
