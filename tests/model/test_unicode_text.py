"""Texts that look the same are the same, and what shows nothing does no harm."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.model.values.unicode_text import (
    account_key,
    invisible_character,
    normal,
    search_form,
    shown,
    trimmed_key,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize("text", ["K1", "\ufeffK1", "K1\r", "K1\n", " K1", "K1 ", "\u200bK1\u00a0", "\tK1\u2028"])
def test_what_a_spreadsheet_leaves_around_a_key_is_trimmed(text: str) -> None:
    assert trimmed_key(text) == "K1"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("K 1", None),
        ("机-1", None),
        ("K\u200b1", "U+200B"),
        ("K\u00a01", "U+00A0"),
        ("K\x1b1", "U+001B"),
        ("K\u20281", "U+2028"),
        ("K\ufe0f1", "U+FE0F"),
        ("K\u202e1", "U+202E"),
    ],
)
def test_a_character_that_nobody_sees_is_named(text: str, named: str | None) -> None:
    assert invisible_character(text) == named


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ann", "ANN"), ("josé", "jose\u0301"), ("admin", "аdmin"), ("admin", "ａｄｍｉｎ"), ("straße", "STRASSE")],
)
def test_accounts_that_look_the_same_have_one_key(one: str, other: str) -> None:
    assert account_key(one) == account_key(other)


@pytest.mark.parametrize(("one", "other"), [("ann", "anna"), ("张伟", "张玮"), ("a.b", "ab"), ("o1", "01")])
def test_accounts_that_look_different_do_not(one: str, other: str) -> None:
    assert account_key(one) != account_key(other)


@given(TEXTS)
def test_every_spelling_of_a_text_is_searched_alike_and_normal_forms_stay(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert search_form(unicodedata.normalize(form, text)) == search_form(text)
    assert normal(normal(text)) == normal(text)
    assert trimmed_key(trimmed_key(text)) == trimmed_key(text)


@given(TEXTS)
def test_what_is_shown_to_people_stays_on_its_line(text: str) -> None:
    assert shown(text).isprintable()
