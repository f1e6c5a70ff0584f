"""What a benchmark case is, and how all of them are found."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import NamedTuple

from bench import cases
from bench.report import Report


class Options(NamedTuple):
    """What every case is told."""

    runs: int  # how often each figure is taken; the median is reported
    seconds: float  # how long one load lasts, after its warm-up
    warmup_s: float


class Case(NamedTuple):
    """One benchmark: a question, and the function that answers it."""

    question: str
    measure: Callable[[Options], Report]
    runs: int = 3  # where nothing else is asked for
    seconds: float = 4  # likewise


def all_cases() -> dict[str, Case]:
    """Every case by name, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(cases.__path__))
    return {name: importlib.import_module(f"bench.cases.{name}").CASE for name in names}
