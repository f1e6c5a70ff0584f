"""The check of wording finds what it lists, also over the end of a line, and nothing is left of it."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "script" / "wording.py"
specification = importlib.util.spec_from_file_location("wording", SCRIPT)
assert specification is not None
assert specification.loader is not None
wording = importlib.util.module_from_spec(specification)
specification.loader.exec_module(wording)


def test_a_listed_phrase_is_found_where_a_line_ends_within_it() -> None:
    text = "first\n    # a value that goes\n    # not with another\n"
    assert list(wording.hits(text)) == [(2, "goes # not with", "cannot be combined with")]


def test_the_command_names_file_line_and_the_better_wording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("all is well\nthis is no complete backup\n")
    assert wording.main([str(page)]) == 1
    assert capsys.readouterr().out == f"{page}:2: “is no complete backup”: write “is not a complete backup”\n"


def test_nothing_that_people_read_has_a_listed_phrase() -> None:
    assert wording.main([]) == 0
