"""Every refusal has a code with texts in both languages; docs/refusals.md has each of them."""

import ast
import functools
import re
from collections.abc import Iterator
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


# Who makes a refusal, and which argument is its code.
REFUSING = {
    "reason": 0,
    "health_warning": 0,
    "Refused": 0,
    "Unusable": 0,
    "InvalidInput": 0,
    "NotAuthenticated": 0,
    "Forbidden": 0,
    "NotFound": 0,
    "DeviceOffline": 0,
    "ReplyTimeout": 0,
    "Conflict": 0,
    "TooLarge": 0,
    "TooManyRequests": 0,
    "Unavailable": 0,
    "DamagedFile": 0,
    "committed": 1,  # of the broker
    "InvalidInput.field": 1,
    "Conflict.field": 1,
    "FieldError.of": 1,
    "problems.add": 1,
    "self._problems.add": 1,
    "self.add": 1,  # of problems
    "require_id": 1,
    "limits.require_id": 1,
}
NO_ARGS_OF_TEXTS = {"errors", "retry_after_s", "counted", "info"}


@functools.cache
def sources() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "src").rglob("*.py"))}


def refusals() -> Iterator[tuple[str, str, set[str]]]:
    """Where, code, and the names of the arguments of each refusal whose code stands in the source."""
    for path, tree in sources().items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            at = REFUSING.get(ast.unparse(node.func))
            if at is None or len(node.args) <= at:
                continue
            code = node.args[at]
            named = {keyword.arg for keyword in node.keywords if keyword.arg} - NO_ARGS_OF_TEXTS
            if isinstance(code, ast.JoinedStr):
                yield f"{path.name}:{node.lineno}", ast.unparse(code), named
            elif isinstance(code, ast.Constant) and isinstance(code.value, str):
                yield f"{path.name}:{node.lineno}", code.value, named


def test_whatever_is_refused_has_a_code_with_texts_and_their_arguments() -> None:
    wrong = [
        (where, code)
        for where, code, named in refusals()
        if code not in TEXTS or set(PLACEHOLDER.findall(TEXTS[code]["en"])) != named
    ]
    assert wrong == []


def test_no_code_is_there_for_nothing() -> None:
    texts = {
        node.value
        for tree in sources().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert TEXTS.keys() - texts == set()
