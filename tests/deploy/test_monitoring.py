"""The dashboard and the alerting rules name metrics and labels that there are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from thingstead.metrics import CATALOG

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "thingstead.json").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))[
    "groups"
][0]["rules"]
PROCESS = {
    *("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_max_fds"),
    "up",
}


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (rule["expr"] for rule in RULES)


def names() -> dict[str, tuple[str, ...]]:
    """Every name that may be asked for, with its labels."""
    known: dict[str, tuple[str, ...]] = dict.fromkeys(PROCESS, ())
    for info in CATALOG.values():
        if info.kind == "histogram":
            known |= {f"{info.name}_{part}": info.labels for part in ("count", "sum")}
            known[f"{info.name}_bucket"] = (*info.labels, "le")
        else:
            known[info.name] = info.labels
    return known


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_every_metric_and_label_of_an_expression_exists(expression: str) -> None:
    known = names()
    used = re.findall(r"\b(?:thingstead|process)_\w+|\bup\b", expression)
    assert used
    assert [name for name in used if name not in known] == []
    labels = {label for name in used for label in known[name]}
    grouped = {label.strip() for by in re.findall(r"\bby \(([^)]*)\)", expression) for label in by.split(",")}
    assert grouped <= labels
    assert expression.count("(") == expression.count(")")


def test_what_a_text_shows_is_a_label_of_its_expression() -> None:
    known = names()
    shown = [
        (target["expr"], target["legendFormat"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", ())
    ] + [(rule["expr"], rule["annotations"]["summary"].replace("$labels.", "")) for rule in RULES]
    for expression, text in shown:
        labels = {label for name in re.findall(r"\bthingstead_\w+", expression) for label in known[name]}
        assert set(re.findall(r"\{\{ ?(\w+) ?\}\}", text)) <= labels | {"instance"}, text


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
