"""Ids, keys and tokens: their format, and that no character is favored."""

import string
from collections import Counter
from collections.abc import Callable

import pytest

from thingstead.model import ids

LOWER = frozenset(string.ascii_lowercase + string.digits)
MIXED = frozenset(string.ascii_letters + string.digits)


@pytest.mark.parametrize(
    ("draw", "length", "characters"),
    [
        (ids.new_id, 8, LOWER),
        (ids.new_project_key, 10, MIXED),
        (ids.new_type_key, 10, LOWER),
        (ids.new_access_token, 16, LOWER),
        (ids.new_view_key, 10, MIXED),
        (ids.new_view_token, 16, LOWER),
        (ids.new_device_code, 16, LOWER),
        (ids.new_access_key, 20, MIXED),
        (ids.new_secret, 40, MIXED),
    ],
)
def test_each_kind_has_the_format_that_clients_have_seen(
    draw: Callable[[], str], length: int, characters: frozenset[str]
) -> None:
    drawn = [draw() for _ in range(500)]
    assert {len(text) for text in drawn} == {length}
    assert set("".join(drawn)) == characters
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("alphabet", [ids.LOWER, ids.MIXED])
def test_every_character_has_the_same_chance(alphabet: ids.Alphabet) -> None:
    expected = 10_000
    counts = Counter(alphabet.draw(expected * len(alphabet.characters)))
    # A modulo without rejection favors the first characters by an eighth or more; seven sigma are 7 % here.
    assert all(0.93 * expected < counts[character] < 1.07 * expected for character in alphabet.characters)
