"""A pytest plugin: notes which test runs which lines, how long each takes, and whether it passes."""

import json
import time
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import coverage
import pytest


class Recorder:
    """Writes ``data_file`` (of coverage, one context a test) and beside it the seconds of each test that passed."""

    def __init__(self, data_file: Path, include: list[str]) -> None:
        self._coverage = coverage.Coverage(data_file=str(data_file), include=include, config_file=False)
        self._seconds_file = seconds_file(data_file)
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Iterator[None]:
        self._coverage.start()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        self._coverage.switch_context(item.nodeid)
        began = time.perf_counter()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid] = time.perf_counter() - began
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        self._coverage.save()
        passed = {test: seconds for test, seconds in self._seconds.items() if test not in self._failed}
        self._seconds_file.write_text(json.dumps(passed))


def seconds_file(data_file: Path) -> Path:
    return data_file.with_suffix(".json")


class Chooser:
    """A pytest plugin: keeps the tests (or all of the files) that were chosen, in their order, and tells the first that
    fails."""

    def __init__(self, tests: list[str]) -> None:
        self._places = {test: place for place, test in enumerate(tests)}
        self.failed = ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [(place, item) for item in items if (place := self._place(item.nodeid)) is not None]
        items[:] = [item for _, item in sorted(chosen, key=itemgetter(0))]

    def _place(self, test: str) -> int | None:
        return self._places.get(test, self._places.get(test.partition("::")[0]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid
