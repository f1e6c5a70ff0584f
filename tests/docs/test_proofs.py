"""docs/testing.md names tests that are there."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", GUIDE)
ROWS = GUIDE.partition("| what holds | proven by |\n|---|---|\n")[2].strip().splitlines()


@cache
def collected(file: str) -> set[str]:
    """The functions that pytest collects from a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds) and node.name.startswith("test_")}


def test_every_test_that_is_named_is_there() -> None:
    assert len(NAMED) > 30
    assert [f"{file}::{name}" for file, name in NAMED if name not in collected(file)] == []


def test_every_promise_names_a_test() -> None:
    assert len(ROWS) > 10
    assert [row for row in ROWS if not re.search(r"`tests/[\w/]+\.py::\w+`", row.rpartition("|")[0])] == []
