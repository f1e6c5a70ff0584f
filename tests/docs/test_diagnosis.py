"""Every finding of the checklist has texts and advice in both languages; docs/diagnosis.md has each of them."""

import ast
import re
from pathlib import Path

import pytest

from thingstead.services.diagnosis.texts import TEXTS, english

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "diagnosis.md").read_text(encoding="utf-8")
SOURCE = ast.parse((ROOT / "src/thingstead/services/diagnosis/checks.py").read_text(encoding="utf-8"))
PLACEHOLDER = re.compile(r"\{(\w+)\}")


@pytest.mark.parametrize("code", TEXTS)
def test_a_finding_has_texts_in_both_languages_with_the_same_arguments(code: str) -> None:
    texts = TEXTS[code]
    assert texts.keys() == {"en", "zh", "advice_en", "advice_zh"}
    assert bool(texts["advice_en"]) == bool(texts["advice_zh"])
    for english_text, chinese in ((texts["en"], texts["zh"]), (texts["advice_en"], texts["advice_zh"])):
        assert english_text.isascii()
        assert set(PLACEHOLDER.findall(english_text)) == set(PLACEHOLDER.findall(chinese))
        assert not english_text or any("\u4e00" <= character <= "\u9fff" for character in chinese)


def test_every_code_of_a_check_has_a_text_and_no_text_is_there_for_nothing() -> None:
    texts = {node.value for node in ast.walk(SOURCE) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert TEXTS.keys() - texts == set()
    for call in (node for node in ast.walk(SOURCE) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id == "Finding":
            codes = {node.value for node in ast.walk(call.args[2]) if isinstance(node, ast.Constant)}
            assert codes
            assert codes <= TEXTS.keys()


def test_what_is_not_fine_has_advice() -> None:
    for call in (node for node in ast.walk(SOURCE) if isinstance(node, ast.Call)):
        if not (isinstance(call.func, ast.Name) and call.func.id == "Finding"):
            continue
        state, code = call.args[1], call.args[2]
        if isinstance(state, ast.Constant) and isinstance(code, ast.Constant) and state.value in ("bad", "warn"):
            assert TEXTS[str(code.value)]["advice_en"], code.value


def test_the_page_has_every_code() -> None:
    for code, texts in TEXTS.items():
        assert f"| `{code}` | {texts['en']} | {texts['advice_en']} |" in PAGE


def test_instants_are_shown_in_utc() -> None:
    assert english("reporting", {"reported_at": 1_700_000_000_000})[0].endswith("2023-11-14T22:13:20+00:00")
