"""Blocks give back exactly what was put in, and notice damage."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.storage.blocks import decode_block, decode_column, encode_block
from thingstead.storage.frames import Damaged

json_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
json_values = st.recursive(
    json_scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
decimals = st.integers(-(10**6), 10**6).map(lambda whole: whole / 100)


def columns(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[int, Any]]]:
    return st.lists(st.tuples(st.integers(0, 2**48), values), min_size=1, max_size=50).map(
        lambda points: sorted(points, key=lambda point: point[0])
    )


def assert_comes_back(points: list[tuple[int, Any]]) -> None:
    timestamps = [ts for ts, _ in points]
    values = [value for _, value in points]
    kept_timestamps, kept_values = decode_block(encode_block(timestamps, values))
    assert kept_timestamps == timestamps
    assert list(map(repr, kept_values)) == list(map(repr, values))


@given(columns(json_values))
def test_any_json_values_come_back(points: list[tuple[int, Any]]) -> None:
    assert_comes_back(points)


@given(columns(decimals) | columns(st.integers(-(2**60), 2**60)) | columns(decimals | st.integers(-1000, 1000)))
def test_numbers_come_back_with_their_type(points: list[tuple[int, Any]]) -> None:
    assert_comes_back(points)


@pytest.mark.parametrize("values", [[25, 25.5, 26], [25.0, 25, 25.5], [0.0, -0.0, 1.5], [1e300, 0.1], [2**64 - 1, 0.5]])
def test_mixed_and_extreme_numbers_come_back_exactly(values: list[Any]) -> None:
    assert_comes_back([(at, value) for at, value in enumerate(values)])


@given(st.lists(decimals | st.integers(-(2**40), 2**40), min_size=1, max_size=50) | st.lists(json_values, min_size=1))
def test_an_element_of_a_column_stands_for_the_same_value_as_in_the_whole(values: list[Any]) -> None:
    column = decode_column(encode_block(range(len(values)), values))
    assert list(map(repr, map(column.value, column.content))) == list(map(repr, values))


@pytest.mark.parametrize("gap", [0, 1, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**47])
def test_steps_of_any_width_come_back(gap: int) -> None:
    assert_comes_back([(0, 1), (gap, 2), (2 * gap, 3), (2 * gap + 100, 4)])


@pytest.mark.parametrize("bits", range(0, 53, 4))
def test_differences_of_any_width_come_back(bits: int) -> None:
    for edge in (2**bits, 2**bits - 1, -(2**bits), -(2**bits) - 1):
        assert_comes_back([(0, 0), (1, edge), (2, 0)])


def test_a_flipped_bit_anywhere_is_noticed() -> None:
    data = encode_block([1000, 2000, 3000], [1.5, 2.5, 3.5])
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1
        with pytest.raises(Damaged):
            decode_block(bytes(damaged))


def test_a_truncated_block_is_noticed() -> None:
    data = encode_block([1000, 2000], ["a", "b"])
    for length in range(len(data)):
        with pytest.raises(Damaged):
            decode_block(data[:length])


def test_a_jittered_sensor_needs_at_most_three_bytes_a_point() -> None:
    rng = random.Random(7)
    timestamps, values = [], []
    at, level = 1_700_000_000_000, 22.0
    for _ in range(400):
        at += 60_000 + int(rng.gauss(0, 200))
        level += rng.gauss(0, 0.1)
        timestamps.append(at)
        values.append(round(level, 1))
    assert len(encode_block(timestamps, values)) / 400 <= 3
