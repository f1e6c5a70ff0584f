"""Guides: pages of the documentation for those who build devices and applications. ``script/guides.py`` makes HTML of
most; the limits are read from their tables."""

import re

from thingstead.api.documents.markup import escape, inline, paragraphs, section, slug, table
from thingstead.api.documents.schemas import FOLDER
from thingstead.api.documents.snippets import ORIGIN
from thingstead.api.documents.words import Words

LIMITS = "limits"
CHAPTERS = ("Connections and time", "Log-in", "MQTT", "TCP", "Reports and history", "Commands", "Names and structures")
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


def guide(name: str, words: Words) -> str:
    """A guide in its language; in English, with a remark, if it has not been translated."""
    if name == LIMITS:
        return _remark(words) + _limits()
    made = FOLDER.joinpath("guides", f"{name}.{words.language}.html")
    remark = ""
    if not made.is_file():
        made = FOLDER.joinpath("guides", f"{name}.en.html")
        remark = _remark(words)
    return remark + made.read_text("utf-8").replace("http://localhost:8080", ORIGIN)


def _remark(words: Words) -> str:
    if words.language == "en":
        return ""
    return f'<p class="remark">{escape(words("This page is in English only."))}</p>'


def _limits() -> str:
    """The chapters of docs/limits.md that concern devices: paragraphs and tables."""
    text = FOLDER.joinpath("guides", "limits.md").read_text("utf-8")
    first, *chapters = re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]
    title, _, told = first.partition("\n")
    parts = [f"<h1>{escape(title)}</h1>", _blocks(told)]
    for chapter in chapters:
        heading, _, content = chapter.partition("\n")
        if heading in CHAPTERS:
            parts.append(section(slug(heading), heading, _blocks(content)))
    return "".join(parts)


def _blocks(text: str) -> str:
    blocks = LINK.sub(r"\1", text).strip().split("\n\n")
    return "".join(_table(block) if block.startswith("|") else paragraphs([block]) for block in blocks if block)


def _table(block: str) -> str:
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in block.splitlines()]
    return table(head, [[inline(cell) for cell in row] for row in rows])
