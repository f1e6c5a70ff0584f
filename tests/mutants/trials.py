"""Tries mutants: each in turn is written into the copy, and the tests that run its lines are run."""

from dataclasses import dataclass
from pathlib import Path

from tests.mutants.copies import Copy
from tests.mutants.forks import OPTIONS, run_pytest
from tests.mutants.operators import Mutant
from tests.mutants.recorder import Chooser

LEAST_TESTS = 6
START_S = 15  # for importing and collecting, on a busy machine
PATIENCE = 4  # times what the tests took when they were measured
TEST_FAILED, NOT_COLLECTED, NOT_IMPORTED = 1, 2, 4  # exit codes of pytest
UNKNOWN_S = 10  # a test that was not measured


@dataclass(frozen=True, slots=True)
class Result:
    mutant: Mutant
    outcome: str  # "killed", "timeout", "survived", "not run" (no test runs the line)
    by: str = ""  # the test that failed
    tests: int = 0

    @property
    def is_detected(self) -> bool:
        return self.outcome in ("killed", "timeout")


def choose(tests: list[str], seconds: dict[str, float], budget_s: float) -> list[str]:
    """Of the tests, in their order, until the budget is spent, and a few in any case."""
    chosen: list[str] = []
    spent = 0.0
    for test in tests:
        spent += seconds.get(test, 0)
        if len(chosen) >= LEAST_TESTS and spent > budget_s:
            break
        chosen.append(test)
    return chosen


def attempt(copy: Copy, mutant: Mutant, tests: list[str], seconds: dict[str, float]) -> Result:
    if not tests:
        return Result(mutant, "not run")
    log = copy.root.parent / "pytest.log"
    failed = copy.root.parent / "failed"
    failed.unlink(missing_ok=True)
    chooser = _Noting(tests, failed)
    files = sorted({test.partition("::")[0] for test in tests})
    timeout_s = START_S + PATIENCE * sum(seconds.get(test, UNKNOWN_S) for test in tests)
    with copy.changed(mutant.path, mutant.changed):
        ended = run_pytest(copy.root, [*OPTIONS, *files], [chooser], log, timeout_s)
    by = failed.read_text() if failed.exists() else ""
    if ended.exit_code is None:
        return Result(mutant, "timeout", by, len(tests))
    if ended.exit_code == 0:
        return Result(mutant, "survived", tests=len(tests))
    if ended.exit_code == TEST_FAILED and by:
        return Result(mutant, "killed", by, len(tests))
    if ended.exit_code in (NOT_COLLECTED, NOT_IMPORTED) and "Error" in ended.output:
        return Result(mutant, "killed", "on import", len(tests))
    raise SystemExit(
        f"pytest ended with {ended.exit_code} in place of a verdict on {mutant.id}:\n{ended.output[-3000:]}"
    )


def pass_unchanged(copy: Copy, tests: list[str], seconds: dict[str, float]) -> set[str]:
    """Of tests that killed something those that fail without a mutant too: their word does not count."""
    faulty: set[str] = set()
    while tests := [test for test in tests if test not in faulty]:
        failed = copy.root.parent / "failed"
        failed.unlink(missing_ok=True)
        files = sorted({test.partition("::")[0] for test in tests})
        timeout_s = START_S + 2 * PATIENCE * sum(seconds.get(test, UNKNOWN_S) for test in tests)
        log = copy.root.parent / "pytest.log"
        ended = run_pytest(copy.root, [*OPTIONS, *files], [_Noting(tests, failed)], log, timeout_s)
        if ended.exit_code == 0 or not failed.exists():
            break
        faulty.add(failed.read_text())
    return faulty


class _Noting(Chooser):
    """Writes the first test that fails where the process that waits can read it."""

    def __init__(self, tests: list[str], file: Path) -> None:
        super().__init__(tests)
        self._file = file

    def pytest_sessionfinish(self) -> None:
        if self.failed:
            self._file.write_text(self.failed)
