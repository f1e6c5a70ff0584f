"""What CONTRIBUTING.md and its neighbours name exists, and every command of the repository is explained."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PAGES = ["CONTRIBUTING.md", "SECURITY.md", "docs/release.md", "docs/stability.md", ".github/PULL_REQUEST_TEMPLATE.md"]
# They serve the other commands.
HELPERS = {
    "script/env",
    "script/pythons",
    "script/node-clients",
    "script/client-generators",
    "script/wording.py",
}


def test_every_file_that_is_named_exists() -> None:
    named = set()
    for page in PAGES:
        named.update(re.findall(r"`((?:src|docs|tests|script|bench|requirements)/[\w./]+)", (ROOT / page).read_text()))
    named = {name.rstrip(".") for name in named}
    assert len(named) > 15
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_command_is_explained_and_can_be_run() -> None:
    commands = {f"script/{path.name}" for path in (ROOT / "script").iterdir() if path.is_file()}
    assert {name for name in commands if f"`{name}" not in PAGE} == HELPERS & commands
    assert [name for name in commands if not name.endswith(".py") and not os.access(ROOT / name, os.X_OK)] == []


def test_the_static_checks_are_written_once() -> None:
    check = (ROOT / "script" / "check").read_text()
    for tool in ("ruff format --check", "ruff check", "mypy", "lint-imports", "codespell"):
        assert re.findall(rf"^ *{tool}", check, re.MULTILINE)
        assert tool not in (ROOT / "script" / "test").read_text()
    assert "\nscript/check --static " in (ROOT / "script" / "test").read_text()
    assert "script/check --static\n" in (ROOT / ".pre-commit-config.yaml").read_text()
