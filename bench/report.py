"""Figures as a Markdown report: tables, targets, notes."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Table(NamedTuple):
    """A table of text cells; columns after the first are set to the right."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        rule = ["---"] + ["--:"] * (len(self.header) - 1)
        return "\n".join("| " + " | ".join(cells) + " |" for cells in (self.header, rule, *self.rows))


class Target(NamedTuple):
    """A figure that must be reached: at least ``limit``, or at most where ``at_most`` is set."""

    what: str
    limit: float
    measured: float | None  # None: its peer was not there to be measured
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit

    def cells(self) -> list[str]:
        sign = "≤" if self.at_most else "≥"
        verdict = {None: "not measured", True: "reached", False: "MISSED"}[self.reached]
        measured = "–" if self.measured is None else figure(self.measured)
        return [self.what, f"{sign} {figure(self.limit)}", measured, verdict]


@dataclass
class Report:
    """What one case found."""

    title: str
    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        parts = [f"## {self.title}", *(table.markdown() for table in self.tables)]
        if self.targets:
            rows = [target.cells() for target in self.targets]
            parts.append(Table(["target", "must be", "measured", ""], rows).markdown())
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"


def median(values: Sequence[float]) -> float:
    """The median; a median of nothing is a bug of the case."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """The median with the range of the runs behind it."""
    if len(values) == 1:
        return figure(values[0])
    return f"{figure(median(values))} ({figure(min(values))}–{figure(max(values))})"


def figure(value: float) -> str:
    """Three significant digits, thousands with commas."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
