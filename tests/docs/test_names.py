"""One class name means one thing in the whole package."""

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "thingstead"


def places() -> dict[str, list[str]]:
    """The modules that define a class, by its name."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(PACKAGE)))
    return found


def test_no_class_name_is_defined_twice() -> None:
    twice = {name: paths for name, paths in places().items() if len(paths) > 1}
    assert twice == {}
