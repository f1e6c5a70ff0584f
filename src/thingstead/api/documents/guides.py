"""Guides: pages of the documentation for those who build devices and applications. The folder ``guides`` refers to them
by symbolic links, in place of which the wheel has the pages."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from thingstead.api.documents.markdown import anchor, rendered
from thingstead.api.documents.markup import escape
from thingstead.api.documents.schemas import FOLDER
from thingstead.api.documents.snippets import ORIGIN
from thingstead.api.documents.words import Words

# Pages by the name of their guide.
PAGES = {
    "devices-mqtt": "device.md",
    "devices-http": "device-http.md",
    "subscriptions": "app-subscription.md",
    "limits": "limits.md",
}
# Chapters of a page that concern what clients see; of other pages all are shown.
CHAPTERS = {
    "limits": {
        *("Connections and time", "Log-in", "MQTT", "TCP", "Reports and history", "Commands", "Names and structures"),
    },
}
PLACES = {page: f"/{name}" for name, page in PAGES.items()} | {"refusals.md": "/refusals", "api.md": ""}


class Section(NamedTuple):
    """A part of a guide below a heading."""

    title: str
    anchor: str
    words: str  # each word of its text once, in lower case


def guide(name: str, words: Words) -> str:
    """A guide in its language; in English, with a remark, if it has not been translated."""
    text, language = _text(name, words.language)
    html = rendered(text, lambda target: address(target, words.language))
    only = words("This page is in English only.")
    remark = "" if language == words.language else f'<p class="remark">{escape(only)}</p>'
    return remark + html.replace("http://localhost:8080", ORIGIN)


def sections(name: str, language: str) -> Iterator[Section]:
    """The sections of a guide that have a heading, in order."""
    _, *parts = re.split(r"^##+ ", _text(name, language)[0], flags=re.MULTILINE)
    for part in parts:
        title, _, content = part.partition("\n")
        words = dict.fromkeys(re.findall(r"[^\W\d_]\w+", re.sub(r"\]\([^)]*\)|[`*]", " ", content).lower()))
        yield Section(title.replace("`", ""), anchor(title), " ".join(words))


def _text(name: str, language: str) -> tuple[str, str]:
    """The Markdown of a guide, and the language that it is in."""
    folder = FOLDER.joinpath("guides")
    page = folder.joinpath(language, PAGES[name])
    if not page.is_file():
        language, page = "en", folder.joinpath("en", PAGES[name])
    return _chosen(page.read_text("utf-8"), CHAPTERS.get(name, set())), language


def address(target: str, language: str) -> str:
    """Where the target of a link in a page is on the server; empty: the server does not have it."""
    path, _, part = target.partition("#")
    if not path:
        return f"#{part}"
    place = PLACES.get(path.rpartition("/")[2])
    if place is None or "://" in path:
        return ""
    return f"/docs/{language}{place}" + (f"#{part}" if part and place else "")


def _chosen(text: str, chapters: set[str]) -> str:
    """The chapters of a page, without its link to the other language."""
    first, *others = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    begin = re.sub(r"^\[(?:中文|English)\]\(.*\)\n", "", first, flags=re.MULTILINE)
    kept = [part for part in others if not chapters or part.splitlines()[0].removeprefix("## ") in chapters]
    return "".join((begin, *kept))
