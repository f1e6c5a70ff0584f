"""docs/stability.md names everything that others rely on, and what it promises is kept."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.stable import FILE, surface

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "stability.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
KNOWN: dict[str, list[str]] = json.loads(FILE.read_text(encoding="utf-8"))
# Pages of docs/ that describe nothing that a program could rely on: how it is built, tested, operated and understood.
FOR_PEOPLE = {
    *("README", "architecture", "adr", "credentials", "diagnosis", "figures", "first-device", "fuzzing", "glossary"),
    *("history", "hostile", "install", "operating", "release", "stability", "testing", "tls", "upgrade"),
}


@pytest.mark.parametrize("kind", KNOWN)
def test_nothing_that_others_rely_on_is_gone(kind: str) -> None:
    gone = sorted(set(KNOWN[kind]) - set(surface()[kind]))
    assert gone == [], "docs/stability.md says how it may go; python -m tests.docs.stable notes that it went"


def test_every_kind_of_name_is_kept_by_the_list() -> None:
    assert list(KNOWN) == list(surface())


def test_every_page_that_a_program_is_written_by_is_named() -> None:
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - FOR_PEOPLE
    assert {page for page in pages if f"({page}.md" not in PAGE} == set()


def test_every_address_of_the_http_port_is_named() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/thingstead/api").glob("*.py"))
    added = set(re.findall(r'router\.add\("GET", "(/[a-z.]+)', source))
    assert len(added) > 3
    named = {*added, "/healthz", "/readyz", "/mqtt", "/console"}
    assert {path for path in named if f"`{path}`" not in PAGE} == set()


def test_every_client_extra_and_file_of_deployment_is_named() -> None:
    folders = {f"clients/{each.name}" for each in (ROOT / "clients").iterdir() if each.is_dir()}
    extras = {f"thingstead[{extra}]" for extra in PROJECT["optional-dependencies"]}
    assert {name for name in (*folders, *extras, "deploy/") if f"`{name}`" not in PAGE} == set()


def test_the_versions_of_python_are_those_that_are_tested() -> None:
    (minors,) = re.findall("for minor in (.*);", (ROOT / "script" / "pythons").read_text(encoding="utf-8"))
    tested = minors.split()
    assert re.findall(r"\*\*Python\*\*: (3\.\d+) to (3\.\d+)", PAGE) == [(tested[0], tested[-1])]
    assert PROJECT["requires-python"] == f">={tested[0]}"
