"""The tests that docs/history.md names as those that try to break its promises are there."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
DOCUMENT = (ROOT / "docs" / "history.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]*(?:\.py|bench/run)[^|]*) \|$", DOCUMENT, re.MULTILINE)


def test_every_promise_names_what_tries_to_break_it() -> None:
    assert len(ROWS) == 7


def test_every_test_that_is_named_exists() -> None:
    missing = []
    for promise, text in ROWS:
        content = ""
        for name in re.findall(r"`([^`]+)`", text):
            if name.endswith(".py"):
                content = (TESTS / name).read_text(encoding="utf-8")
            elif name.startswith("test_") and f"def {name}(" not in content:
                missing.append(f"{promise}: {name}")
    assert missing == []
