"""Guides: pages of the documentation for those who build devices and applications. The folder ``guides`` refers to them
by symbolic links, in place of which the wheel has the pages."""

import re

from thingstead.api.documents.markdown import rendered
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


def guide(name: str, words: Words) -> str:
    """A guide in its language; in English, with a remark, if it has not been translated."""
    folder = FOLDER.joinpath("guides")
    page = folder.joinpath(words.language, PAGES[name])
    remark = ""
    if not page.is_file():
        page = folder.joinpath("en", PAGES[name])
        remark = f'<p class="remark">{escape(words("This page is in English only."))}</p>'
    text = _chosen(page.read_text("utf-8"), CHAPTERS.get(name, set()))
    html = rendered(text, lambda target: address(target, words.language))
    return remark + html.replace("http://localhost:8080", ORIGIN)


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
