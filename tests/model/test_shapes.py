"""Functions are made once for a combination of attributes, and not for ever more of them."""

from typing import Any

from thingstead.model.values.shapes import SHAPES_KEPT, Shapes


def test_a_function_is_made_once_for_the_same_attributes_in_the_same_order() -> None:
    made: list[tuple[str, ...]] = []

    def make(identifiers: tuple[str, ...]) -> Any:
        made.append(identifiers)
        return lambda attributes: True

    shapes = Shapes(make)
    assert shapes.of({"a": 1, "b": 2}) is shapes.of({"a": 3, "b": 4})
    assert shapes.of({"b": 2, "a": 1}) is not shapes.of({"a": 1, "b": 2})
    assert made == [("a", "b"), ("b", "a")]


def test_devices_that_make_up_attributes_do_not_fill_memory() -> None:
    shapes = Shapes(lambda identifiers: lambda attributes: True)
    for number in range(SHAPES_KEPT + 5):
        shapes.of({str(number): 1})
    assert len(shapes._made) == 5
