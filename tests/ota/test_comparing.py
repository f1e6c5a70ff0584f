"""Which of two versions is newer, and which a device gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.model.ota.comparing import compared, not_offered
from thingstead.model.ota.rollout import wave_ends
from thingstead.model.ota.version import OtaVersion, url_name


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.9", "1.10"),
        ("1.0", "1.0.1"),
        ("v1.0", "V1.1"),
        ("1.2-beta", "1.2"),
        ("1.2-alpha", "1.2-beta"),
        ("1.2-beta", "1.3-alpha"),
        ("20261128", "20261129"),
        ("202611281200", "202611290930"),
        ("9", "10"),
        ("0", "0.0.1"),
    ],
)
def test_numbers_are_compared_as_numbers_and_a_suffix_makes_older(older: str, newer: str) -> None:
    assert (compared(older, newer), compared(newer, older)) == (-1, 1)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1"), ("v1.2.0", "1.2"), ("x", "x"), (" 1.1 ", "1.1"), ("01", "1")])
def test_versions_may_be_equal_in_other_words(one: str, other: str) -> None:
    assert compared(one, other) == 0


def test_what_does_not_begin_with_a_number_cannot_be_compared() -> None:
    assert compared("nightly", "1.0") is compared("a", "b") is None


@given(st.text(max_size=64), st.text(max_size=64))
def test_comparing_is_the_same_in_both_directions(one: str, other: str) -> None:
    first, second = compared(one, other), compared(other, one)
    assert first is second is None or (first is not None and second is not None and first == -second)
    assert compared(one, one) == 0


@pytest.mark.parametrize(
    ("current", "from_versions", "why"),
    [
        ("1.0", (), ""),
        ("1.1", (), "not_newer"),
        ("1.2", (), "not_newer"),
        ("1.2", ("1.2", "*"), "not_newer"),  # never an older one
        ("1.1", ("1.1",), ""),
        ("1.1", ("*",), "not_newer"),
        ("1.0", ("0.9",), "not_from_version"),
        ("1.0", ("0.9", "*"), ""),
        ("nightly", (), "not_comparable"),
        ("nightly", ("nightly",), ""),
        ("nightly", ("*",), ""),
        ("", (), "version_unknown"),
        ("", ("1.0",), "version_unknown"),
        ("", ("*",), ""),
    ],
)
def test_a_device_gets_what_is_newer_or_named(current: str, from_versions: tuple[str, ...], why: str) -> None:
    version = OtaVersion(
        id="v", project_id="p", name="v", version_name="1.1", from_versions=from_versions, create_time=0, update_time=0
    )
    assert not_offered(version, current) == why


@given(st.integers(0, 10_000))
def test_waves_end_with_everything_and_begin_with_one(total: int) -> None:
    ends = wave_ends(total, (1, 10, 50, 100))
    assert ends == sorted(ends)
    assert ends[-1] == total
    assert ends[0] >= min(1, total)


@given(st.text(max_size=200))
def test_a_name_in_a_link_is_short_and_plain(name: str) -> None:
    made = url_name(name)
    assert 0 < len(made) <= 32
    assert made.isascii()
    assert all(character.isalnum() or character in "._-" for character in made)
    assert not made.startswith(".")
