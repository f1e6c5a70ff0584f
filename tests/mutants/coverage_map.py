"""Which tests run which lines: measured once for each folder of tests, and kept until sources or tests change."""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from coverage import CoverageData

from tests.mutants.copies import ROOT, Copy
from tests.mutants.forks import OPTIONS, run_pytest
from tests.mutants.operators import Mutant
from tests.mutants.recorder import Recorder, seconds_file

STORE = ROOT / "build" / "mutants"
# Where tests of the four rooms stand. Not the tests of whole processes: those that they start are not measured.
FOLDERS = ("mqtt", "model", "rules", "storage", "contract", "services", "open_port", "broker", "server", "api")
LEFT_OUT = ("tests/api/test_schemathesis.py",)  # minutes, in which everything is run and little is asserted
MEASURING_TIMEOUT_S = 3600
START_S = 0.1  # what any test costs


class CoverageMap:
    def __init__(self, copy: Copy, folders: Iterable[str] = FOLDERS) -> None:
        self._root = copy.root
        self._data: list[CoverageData] = []
        self.seconds: dict[str, float] = {}
        self._folders = tuple(folders)
        self._lines: dict[Path, dict[int, set[str]]] = {}
        self._lines_run: Counter[str] = Counter()  # by each test, in all files

    def load(self, say: Callable[[str], None], keep: bool = False) -> None:
        """Measures the folders that have changed; with ``keep`` only those that were never measured."""
        STORE.mkdir(parents=True, exist_ok=True)
        sources = _digest(ROOT / "src")
        for folder in self._folders:
            file = STORE / f"{folder}.coverage"
            state = f"{sources} {_digest(ROOT / 'tests' / folder)}"
            note = file.with_suffix(".state")
            known = note.exists() and seconds_file(file).exists() and (keep or note.read_text() == state)
            if not known:
                say(f"measures which lines tests/{folder} run")
                _measure(self._root, folder, file)
                note.write_text(state)
            self.seconds.update(json.loads(seconds_file(file).read_text()))
            data = CoverageData(str(file))
            data.read()
            self._data.append(data)
            self._lines_run.update(_lines_run(file))

    def tests(self, mutant: Mutant) -> list[str]:
        """Those that run one of its lines; of what runs on import those that run anything of the module.

        First those that are about this module, for what they take: of the lines that they run many are its own.
        """
        known = self._of_file(mutant.path)
        found: set[str] = set().union(*(known.get(line, ()) for line in (known if mutant.on_import else mutant.lines)))
        own = Counter(test for contexts in known.values() for test in contexts)
        return sorted(
            (test for test in found if test in self.seconds),
            key=lambda test: (-own[test] / self._lines_run[test] / (self.seconds[test] + START_S), test),
        )

    def _of_file(self, path: Path) -> dict[int, set[str]]:
        if path not in self._lines:
            merged: dict[int, set[str]] = {}
            for data in self._data:
                for file in data.measured_files():
                    if file.endswith(f"/{path}"):
                        for line, contexts in data.contexts_by_lineno(file).items():
                            merged.setdefault(line, set()).update(contexts)
            self._lines[path] = merged
        return self._lines[path]


def _measure(root: Path, folder: str, file: Path) -> None:
    file.unlink(missing_ok=True)
    seconds_file(file).unlink(missing_ok=True)
    arguments = [*OPTIONS, "--maxfail=0", f"tests/{folder}", *(f"--ignore={path}" for path in LEFT_OUT)]
    recorder = Recorder(file, [f"{root}/src/*"])
    ended = run_pytest(root, arguments, [recorder], file.with_suffix(".log"), MEASURING_TIMEOUT_S)
    if not seconds_file(file).exists():
        raise SystemExit(f"tests/{folder} could not be measured:\n{ended.output[-2000:]}")


def _lines_run(file: Path) -> Counter[str]:
    """How many lines each test runs. Of the tables of coverage.py, which its documentation describes."""
    run: Counter[str] = Counter()
    with closing(sqlite3.connect(file)) as connection:
        for test, numbits in connection.execute(
            "SELECT context.context, line_bits.numbits FROM line_bits JOIN context ON context.id = context_id"
        ):
            run[test] += sum(byte.bit_count() for byte in numbits)
    return run


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")) + sorted(folder.rglob("*.sql")):
        digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]
