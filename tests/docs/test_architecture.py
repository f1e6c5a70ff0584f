"""docs/architecture.md shows the rooms that exist and the arrows that import-linter holds."""

import ast
import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "thingstead"
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def contracts() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    return parser


def layers(text: str, separator: str) -> list[set[str]]:
    """Layers from above to below, each as the set of its rooms."""
    return [set(re.findall(r"\w+", layer)) for layer in text.strip().split(separator)]


def rooms_of_document() -> set[str]:
    return {name.removesuffix(".py") for name in re.findall(r"^[├└]── ([\w.]+)/?", DOCUMENT, re.MULTILINE)}


def rooms_of_package() -> set[str]:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return folders | {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}


def test_the_tree_shows_every_room_and_no_other() -> None:
    assert rooms_of_document() == rooms_of_package()


def test_the_tree_follows_the_layers_from_above_to_below() -> None:
    order = re.findall(r"^[├└]── (\w+)", DOCUMENT, re.MULTILINE)[1:]
    levels = layers(contracts()["importlinter:contract:rooms"]["layers"], "\n")
    depth = {room: level for level, names in enumerate(levels) for room in names}
    assert [depth[room] for room in order] == sorted(depth[room] for room in order)


def test_the_arrows_are_those_of_the_layers_contract() -> None:
    arrows = re.search(r"^cli → .*$", DOCUMENT, re.MULTILINE)
    assert arrows is not None
    held = layers(contracts()["importlinter:contract:rooms"]["layers"], "\n")
    assert layers(arrows.group(), "→") == held


INNER = {
    "broker": "broker",
    "services": "services",
    "storage": "storage",
    "sql": "storage.sql",
    "sqlite": "storage.sqlite",
}


@pytest.mark.parametrize(("contract", "room"), INNER.items())
def test_the_arrows_inside_a_large_room_are_those_of_its_contract(contract: str, room: str) -> None:
    arrows = re.search(rf"^{re.escape(room)}: +(.*)$", DOCUMENT, re.MULTILINE)
    assert arrows is not None
    assert layers(arrows.group(1), "→") == layers(contracts()[f"importlinter:contract:{contract}"]["layers"], "\n")


@pytest.mark.parametrize("room", [room.replace(".", "/") for room in INNER.values()])
def test_the_table_shows_every_folder_of_a_large_room_with_its_sentence(room: str) -> None:
    shown = dict(re.findall(rf"^\| {room} \| (\w+)/ \| (.*) \|$", DOCUMENT, re.MULTILINE))
    sentences = {
        path.parent.name: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        for path in (PACKAGE / room).glob("*/__init__.py")
    }
    assert shown == sentences


def test_every_file_that_is_named_exists() -> None:
    named = re.findall(r"`((?:broker|services|model|rules|api|storage|mqtt)/[\w/]+(?:\.py)?)`", DOCUMENT)
    assert [name for name in named if not (PACKAGE / name).exists()] == []


def test_no_folder_holds_more_than_25_modules() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    modules = {str(folder.relative_to(ROOT)): len([*folder.glob("*.py")]) - 1 for folder in folders}
    assert {folder: count for folder, count in modules.items() if count > 25} == {}


def test_no_file_is_longer_than_400_lines() -> None:
    sources = {
        "src": ("*.py",),
        "tests": ("*.py",),
        "bench": ("*.py",),
        "console": ("*.ts", "*.vue", "*.css", "*.js", "*.html"),
    }
    files = [path for room, names in sources.items() for name in names for path in (ROOT / room).rglob(name)]
    lengths = {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n")
        for path in files
        if "node_modules" not in path.parts
    }
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_every_contract_is_named() -> None:
    sections = contracts()
    names = [sections[section]["name"] for section in sections.sections() if "name" in sections[section]]
    assert len(names) >= 5
    assert [name for name in names if f"*{name}*" not in DOCUMENT] == []


def test_every_link_leads_to_a_file() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []
