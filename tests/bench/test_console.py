"""The benchmark of the console, with little to show: each budget is measured, in a real browser."""

import pytest

from bench.case import Options
from bench.cases.console import measured
from bench.console_site import Sizes
from tests.browser.conftest import missing

TINY = Sizes(devices=150, points=2_000, frames=20)


@pytest.mark.external("chromium")
def test_each_budget_is_measured() -> None:
    lacking = missing()
    if lacking:
        pytest.skip(f"not installed: {lacking}")
    report = measured(Options(runs=1, seconds=1, warmup_s=0.5), TINY)
    figures = {target.what: target.measured for target in report.targets}
    assert figures.pop("scrolling: long tasks") is not None
    assert len(figures) == 16
    assert all(figures.values())
