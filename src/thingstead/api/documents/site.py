"""The pages of the documentation in each language: navigation, content, and the index for the search."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from thingstead.api.documents.guides import PAGES, REFUSALS, SHELVES, TITLES, guide, sections
from thingstead.api.documents.markup import code_block, escape, inline, paragraphs, section, slug, table
from thingstead.api.documents.openapi import openapi_document
from thingstead.api.documents.schemas import FOLDER, Schema
from thingstead.api.documents.sections import TABS, Operation, OperationsPage, grouped, method_mark
from thingstead.api.documents.snippets import ORIGIN
from thingstead.api.documents.words import LANGUAGES, NAMES, Words
from thingstead.api.endpoint import Endpoint
from thingstead.refusals import TEXTS

START = ""
ASSETS = {"docs.css": "text/css; charset=utf-8", "docs.js": "text/javascript; charset=utf-8"}
CLIENTS = (
    "There are clients for Python and for JavaScript, both named `thingstead-client`, in the folder `clients` of the "
    "sources. Those for other languages can be generated from `/openapi.json`."
)
PYTHON_START = f"""\
from thingstead_client import ApplicationKeys, ProjectClient

with ProjectClient("{ORIGIN}", ApplicationKeys(app_id, access_key, secret_key)) as api:
    for device in api.devices.search(online=True):
        print(device.name)"""
CURL_START = f"""\
TOKEN=$(curl -s {ORIGIN}/api/v1/access_token -H 'Content-Type: application/json' \\
  -d '{{"app_id": "'$APP_ID'", "access_key": "'$ACCESS_KEY'", "secret_key": "'$SECRET_KEY'"}}' \\
  | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
curl '{ORIGIN}/api/v1/devices?online=1' -H "Authorization: Bearer $TOKEN\""""
SCRIPT_START = f"""\
const body = JSON.stringify({{ app_id: appId, access_key: accessKey, secret_key: secretKey }})
const login = await fetch('{ORIGIN}/api/v1/access_token', {{
  method: 'POST', headers: {{ 'Content-Type': 'application/json' }}, body
}})
const token = (await login.json()).info.access_token"""


class Found(NamedTuple):
    """An entry of the search: its title, what is shown below it, its address, and what else it is found by."""

    title: str
    hint: str
    address: str
    words: str = ""


class Site:
    """All pages.

    Args:
        endpoints: what is served.

    Attributes:
        pages: those that have been made, by language and name.
    """

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = endpoints
        self.pages: dict[tuple[str, str], str] = {}

    @cached_property
    def document(self) -> Schema:
        """The OpenAPI document."""
        return openapi_document(self._endpoints)

    @cached_property
    def groups(self) -> dict[str, list[Operation]]:
        """The operations by the name of their page, in order."""
        return {slug(tag): operations for tag, operations in grouped(self.document).items()}

    @cached_property
    def titles(self) -> dict[str, str]:
        """Titles of all pages but the first by name, in English."""
        return {**TITLES, **{slug(tag["name"]): tag["name"] for tag in self.document["tags"]}}

    def page(self, language: str, name: str) -> str | None:
        """A page as HTML in which :data:`ORIGIN` stands for the address of the server; None if there is none."""
        if language not in LANGUAGES or (name != START and name not in self.titles):
            return None
        made = self.pages.get((language, name))
        if made is None:
            made = self.pages[language, name] = self.render(Words(language), name)
        return made

    def search(self, language: str) -> list[Found]:
        """Everything that the search finds."""
        words = Words(language)
        found = [Found(words(title), "", f"/docs/{language}/{name}") for name, title in self.titles.items()]
        for name in PAGES:
            for title, part, text in sections(name, language):
                found.append(Found(title, words(self.titles[name]), f"/docs/{language}/{name}#{part}", text))
        for name, operations in self.groups.items():
            for method, path, operation in operations:
                place = f"/docs/{language}/{name}#{operation['operationId']}"
                found.append(Found(words(operation["summary"]), f"{method} {path} {operation['operationId']}", place))
        found += [Found(code, texts[language], f"/docs/{language}/{REFUSALS}#{code}") for code, texts in TEXTS.items()]
        return found

    def render(self, words: Words, name: str) -> str:
        """A page that exists, in the language of these words."""
        language = words.language
        title = words(self.titles[name] if name else self.document["info"]["title"])
        other = next(each for each in LANGUAGES if each != language)
        content = self._content(words, name)
        tabs = "".join(
            f'<input type="radio" name="tab" id="tab-{kind}" aria-label="{label}"{" checked" * (kind == "curl")}>'
            for kind, label in TABS.items()
        )
        version = asset_version()
        return (
            f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f'<title>{escape(title)} · Thingstead</title><link rel="stylesheet" href="/docs/assets/docs.css?{version}">'
            f'<script defer src="/docs/assets/docs.js?{version}"></script></head>'
            f'<body data-origin="{ORIGIN}" {self._script_words(words)}>{tabs}'
            f'<header><a class="home" href="/docs/{language}">Thingstead <small>{words("Documentation")}</small></a>'
            f'<search hidden><input type="search" placeholder="{words("Search")}" aria-label="{words("Search")}">'
            "<ul></ul></search>"
            f'<a lang="{other}" hreflang="{other}" href="/docs/{other}/{name}">{NAMES[other]}</a>'
            f'<a href="/console/">{escape(words("Console"))}</a></header>'
            f"{self._navigation(words, name)}<main>{content}</main></body></html>"
        )

    def _script_words(self, words: Words) -> str:
        """The texts that the script of the pages shows."""
        texts = {
            "copy": "Copy",
            "copied": "Copied",
            "try": "Try it",
            "send": "Send",
            "real": "Sent with your session of the console. It acts on the project for real.",
            "device": "Sent with the certificate that you enter. It acts on the project for real.",
            "login": "Log in at the console first, in this browser.",
            "nothing": "Nothing found",
            "failed": "The server could not be reached.",
        }
        return " ".join(f'data-{name}="{escape(words(text))}"' for name, text in texts.items())

    def _navigation(self, words: Words, current: str) -> str:
        guides = "".join(
            f"<b>{escape(words(shelf))}</b>{self._links(words, names, current)}" for shelf, names in SHELVES.items()
        )
        return (
            f'<nav><details id="menu" open><summary>{escape(words("Contents"))}</summary>'
            f"{guides}<b>HTTP API</b>{self._links(words, list(self.groups), current)}"
            '<a href="/openapi.json">openapi.json</a></details></nav>'
        )

    def _links(self, words: Words, names: Any, current: str) -> str:
        parts = []
        for name in names:
            mark = ' aria-current="page"' if name == current else ""
            parts.append(f'<a href="/docs/{words.language}/{name}"{mark}>{escape(words(self.titles[name]))}</a>')
            if name == current and name in self.groups:
                parts.append('<div class="inner">')
                for method, _, operation in self.groups[name]:
                    shown = f"{method_mark(method)}{escape(words(operation['summary']))}"
                    parts.append(f'<a href="#{operation["operationId"]}">{shown}</a>')
                parts.append("</div>")
        return "".join(parts)

    def _content(self, words: Words, name: str) -> str:
        if name == START:
            return self._start(words)
        if name == REFUSALS:
            return self._refusals(words)
        if name in PAGES:
            return guide(name, words)
        heading = f"<h1>{escape(words(self.titles[name]))}</h1>"
        return heading + OperationsPage(self.document["components"]["schemas"], words).render(self.groups[name])

    def _start(self, words: Words) -> str:
        info = self.document["info"]
        labels = "".join(f'<label for="tab-{kind}" class="tab-{kind}">{name}</label>' for kind, name in TABS.items())
        starts = {"curl": CURL_START, "py": PYTHON_START, "js": SCRIPT_START}
        blocks = "".join(code_block(text, kind) for kind, text in starts.items())
        rows = [
            (str(code["errcode"]), code["http_status"], inline(words(code["meaning"]))) for code in info["x-errcodes"]
        ]
        shelves = {**{words(shelf): list(names) for shelf, names in SHELVES.items()}, "HTTP API": list(self.groups)}
        cards = "".join(
            f'<h3>{escape(shelf)}</h3><div class="cards">{self._cards(words, names)}</div>'
            for shelf, names in shelves.items()
        )
        return "".join(
            (
                f"<h1>{escape(words(info['title']))} <small>{escape(info['version'])}</small></h1>",
                paragraphs(words.paragraphs(info["description"])),
                f'<div class="code"><div class="bar">{labels}</div>{blocks}</div>',
                paragraphs([words(CLIENTS)]),
                section("pages", words("Contents"), cards),
                section("errcodes", "Errcodes", table(("errcode", "HTTP", words("meaning")), rows)),
            )
        )

    def _cards(self, words: Words, names: Iterable[str]) -> str:
        links = {name: escape(words(self.titles[name])) for name in names}
        return "".join(f'<a href="/docs/{words.language}/{name}">{title}</a>' for name, title in links.items())

    def _refusals(self, words: Words) -> str:
        rows = [
            (f'<code id="{code}">{code}</code>', escape(texts[words.language])) for code, texts in sorted(TEXTS.items())
        ]
        told = words("A refusal has an errcode, its kind, and a code, its reason. Both are stable; texts may change.")
        return f"<h1>{escape(words(TITLES[REFUSALS]))}</h1><p>{told}</p>{table(('code', words('text')), rows)}"


def asset(name: str) -> bytes:
    """The content of a file that the pages load."""
    return FOLDER.joinpath("assets", name).read_bytes()


def asset_version() -> str:
    """Changes whenever one of the assets does."""
    return hashlib.sha256(b"".join(asset(name) for name in ASSETS)).hexdigest()[:12]


def every_page(site: Site) -> Iterator[tuple[str, str]]:
    """Language and name of each page."""
    for language in LANGUAGES:
        for name in (START, *site.titles):
            yield language, name
