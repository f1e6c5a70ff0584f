"""Every refusal has a code with texts in both languages; docs/refusals.md has each of them."""

import re
from pathlib import Path

import pytest

from thingstead.refusals import CODE_BYTES, TEXTS, reason

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "refusals.md").read_text(encoding="utf-8")
PLACEHOLDER = re.compile(r"\{(\w+)(?::,)?\}")
ROW = re.compile(r"^\| `(\w+)` \| (.+) \|$", re.MULTILINE)


@pytest.mark.parametrize("code", TEXTS)
def test_a_code_is_in_snake_case_and_short_enough_for_firmware(code: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", code)
    assert len(code) <= CODE_BYTES


@pytest.mark.parametrize("code", TEXTS)
def test_a_code_has_a_text_in_english_and_one_in_chinese_that_name_the_same_arguments(code: str) -> None:
    english, chinese = TEXTS[code]["en"], TEXTS[code]["zh"]
    assert TEXTS[code].keys() == {"en", "zh"}
    assert english.isascii()
    assert any("\u4e00" <= character <= "\u9fff" for character in chinese) or chinese == "{detail}"
    assert set(PLACEHOLDER.findall(english)) >= set(PLACEHOLDER.findall(chinese))
    assert "{" not in PLACEHOLDER.sub("", english + chinese)


def test_codes_stand_in_order() -> None:
    assert list(TEXTS) == sorted(TEXTS)


def test_the_page_has_every_code_with_its_text() -> None:
    assert dict(ROW.findall(PAGE)) == {code: texts["en"].replace("|", "\\|") for code, texts in TEXTS.items()}


def test_a_reason_says_its_english_text_with_its_arguments() -> None:
    assert reason("above_maximum", value=90, maximum=85).message == "90 is above the maximum 85"
    assert reason("series_too_long", maximum=10_000).message == "a series has at most 10,000 reports"
    assert reason("not_one_of", allowed=["a", "b"]).message == "must be one of a, b"
    assert reason("required") == ("required", "is required", {})
