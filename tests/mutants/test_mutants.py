"""The mutation run: which changes it makes, that it tells what no test notices, and that it leaves sources alone."""

import contextlib
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.copies import ROOT, Copy, copied
from tests.mutants.operators import find_mutants, sample

TOPICS = Path("src/thingstead/mqtt/topics.py")


def changes(source: str) -> list[tuple[str, str]]:
    """What is replaced by what."""
    return [(mutant.replaced, mutant.replacement) for mutant in find_mutants(Path("module.py"), source.encode())]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("return a < (b)", [("<", "<=")]),
        ("return (a + b) is not c", [("is not", "is"), ("+", "-")]),
        ("return not a", [("not", "")]),
        ("return a and b or c", [("or", "and"), ("and", "or")]),
        ("a.b = c", [("a.b = c", "pass")]),
        ("await a()", [("await a()", "pass")]),
        ("if a: b(True)", [("a", "not (a)"), ("b(True)", "pass"), ("True", "False")]),
        ("return x[7]", [("x[7]", "None"), ("7", "8")]),
        ("return '温' and a < b", [("and", "or"), ("<", "<=")]),
        (
            "a('SELECT x WHERE y < ? AND z')",
            [("a('SELECT x WHERE y < ? AND z')", "pass"), (" < ", " <= "), (" AND ", " OR ")],
        ),
    ],
)
def test_a_mutant_is_one_small_change(line: str, expected: list[tuple[str, str]]) -> None:
    assert changes(f"async def f(x: int = 1) -> int:\n    '''More than 1 < 2.'''\n    {line}\n") == expected


@pytest.mark.parametrize(
    "line", ["log.info('more than', count=1 + 1)", "assert a < b", "x: Literal[1]", "'''Text, a < b.'''", "import a"]
)
def test_what_no_test_should_notice_is_left_alone(line: str) -> None:
    assert changes(f"def f() -> None:\n    {line}\n") == []


def test_a_sample_is_the_same_for_the_same_seed_and_stays_when_code_elsewhere_changes() -> None:
    source = (ROOT / TOPICS).read_bytes()
    found = find_mutants(TOPICS, source)
    more = find_mutants(TOPICS, b"def other(a, b):\n    return a < b\n" + source)
    assert len(more) == len(found) + 1
    drawn = [{mutant.id for mutant in sample(of, 10, 1)} for of in (found, found[::-1], more)]
    assert drawn[0] == drawn[1]
    assert len(drawn[0] & drawn[2]) >= 9
    assert drawn[0] != {mutant.id for mutant in sample(found, 10, 2)}


def test_a_copy_has_its_file_back_whatever_happened(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"before")
    with contextlib.suppress(KeyboardInterrupt), Copy(tmp_path).changed(Path("a.py"), b"after"):
        assert (tmp_path / "a.py").read_bytes() == b"after"
        raise KeyboardInterrupt
    assert (tmp_path / "a.py").read_bytes() == b"before"


def test_a_copy_holds_sources_and_tests_and_vanishes() -> None:
    with copied() as copy:
        assert (copy.root / TOPICS).read_bytes() == (ROOT / TOPICS).read_bytes()
        assert (copy.root / "tests" / "mqtt" / "conftest.py").exists()
        assert copy.root.resolve() != ROOT
    assert not copy.root.exists()


def digest() -> str:
    """Of all sources in the work tree."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "src").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def run(tests: str, *options: str) -> tuple[int, str]:
    """Five mutants of a module against some tests: the exit code, and what was told."""
    command = [sys.executable, "-m", "tests.mutants", "--paths", str(TOPICS), "--sample", "5", "--seed", "1"]
    ended = subprocess.run(
        [*command, "--tests", tests, *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_tests_of_a_module_notice_what_is_changed_in_it_while_the_work_tree_stays_as_it_is() -> None:
    before = digest()
    code, told = run("tests/mqtt/test_topics.py", "--minimum", "80")
    assert code == 0, told
    assert told.count("killed") >= 4
    assert digest() == before


def test_changes_that_no_test_notices_are_shown() -> None:
    code, told = run("tests/mqtt/test_wire.py", "--minimum", "80")
    assert code == 1
    assert told.count("\n@@ ") == 5, told
    assert "0.0%" in told
