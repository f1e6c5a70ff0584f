"""The pages below /docs: complete, small, in both languages, and without anything that a stranger could put there."""

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from markdown_it import MarkdownIt

from thingstead.api.app import create_app
from thingstead.api.documents.guides import PAGES as PAGES_OF_GUIDES
from thingstead.api.documents.guides import REFUSALS, TITLES, address, without_pictures
from thingstead.api.documents.markdown import rendered
from thingstead.api.documents.serving import DEFAULT_ORIGIN
from thingstead.api.documents.site import Site, every_page
from thingstead.api.documents.snippets import ORIGIN
from thingstead.api.documents.words import CHINESE, LANGUAGES, Words, preferred
from thingstead.api.routes import ENDPOINTS
from thingstead.config import ApiSettings
from thingstead.metrics import Metrics
from thingstead.refusals import TEXTS
from thingstead.services.platform import Platform

Connect = Callable[..., httpx.AsyncClient]
ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "src" / "thingstead" / "api" / "documents"
APP = create_app(cast(Platform, None), ApiSettings(), lambda: None, Metrics())  # pages need no service
SITE = Site(ENDPOINTS)
PAGES = list(every_page(SITE))
PAGE_BYTES = 160 << 10  # of one page, before it is compressed


def html(language: str, name: str) -> str:
    page = SITE.page(language, name)
    assert page is not None
    return page


class Recorded(Words):
    """Remembers for which texts it was asked."""

    def __init__(self, language: str) -> None:
        super().__init__(language)
        self.asked: set[str] = set()

    def __call__(self, text: str) -> str:
        self.asked.add(" ".join(text.split()))
        return super().__call__(text)


class Tags(HTMLParser):
    """The tags of a page with their attributes, and the ids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def values(self, name: str) -> Iterator[str]:
        return (value for _, attributes in self.tags for key, value in attributes.items() if key == name and value)


@pytest.mark.parametrize(("language", "name"), PAGES)
def test_a_page_is_small_and_loads_nothing_from_elsewhere(language: str, name: str) -> None:
    page = html(language, name)
    assert len(page.encode()) < PAGE_BYTES
    tags = Tags(page)
    assert [attributes for tag, attributes in tags.tags if tag in ("style", "iframe", "object", "img")] == []
    assert [value for value in (*tags.values("src"), *tags.values("href")) if not re.match(r"[/#](?!/)", value)] == []
    for tag, attributes in tags.tags:
        assert not [key for key in attributes if key == "style" or key.startswith("on")], (tag, attributes)
        assert tag != "script" or attributes.get("src", "").startswith("/docs/assets/docs.js?")  # type: ignore[union-attr]


def test_every_link_leads_to_a_page_and_to_a_part_of_it() -> None:
    tags = {(language, name): Tags(html(language, name)) for language, name in PAGES}
    ids = {place: set(found.values("id")) for place, found in tags.items()}
    for (language, name), found in tags.items():
        assert len(ids[language, name]) == len(list(found.values("id"))), f"{name}: an id twice"
        for href in found.values("href"):
            address, _, part = href.partition("#")
            if address in ("/openapi.json", "/console/") or address.startswith("/docs/assets/"):
                continue
            _, _, *steps = address.split("/") if address else ("", "", language, name)
            place = (steps[0], steps[1] if len(steps) > 1 else "")
            assert place in ids, f"{name}: {href}"
            assert not part or httpx.URL(f"#{part}").fragment in ids[place] or part in ids[place], f"{name}: {href}"


def test_every_operation_is_on_one_page_of_each_language() -> None:
    for language in LANGUAGES:
        shown = [part for name in SITE.titles for part in re.findall(r'<article id="(\w+)"', html(language, name))]
        operations = [o["operationId"] for methods in SITE.document["paths"].values() for o in methods.values()]
        assert sorted(shown) == sorted(operations)
        for endpoint in ENDPOINTS:
            shown_path = re.sub(r"(\{\w+\})", r"<i>\1</i>", endpoint.path)
            assert any(f"<code>{shown_path}</code>" in html(language, name) for name in SITE.groups), endpoint.path


def test_every_alternative_of_a_type_is_shown() -> None:
    page = html("en", "alarm-rules")
    start = page.index('id="type-Condition"')
    condition = page[start : page.index("</section>", start)]
    assert "boolean | number | string | number[] | null" in condition
    assert '<a href="#type-Condition">Condition</a>[] | null' in condition
    assert '<a href="#type-Circle">Circle</a> | null' in condition


def test_every_text_of_the_pages_is_in_chinese_and_no_translation_is_left_over() -> None:
    asked: set[str] = set()
    for name in ("", *SITE.titles):
        words = Recorded("zh")
        SITE.render(words, name)
        asked |= words.asked
        assert words.missing == set(), f"{name or 'the first page'}: src/thingstead/api/documents/zh.json"
    own = json.loads((FOLDER / "zh.json").read_text(encoding="utf-8"))
    assert set(own) - asked == set()


def test_a_translation_has_the_code_words_of_its_text() -> None:
    for english, chinese in CHINESE.items():
        words = [set(re.findall(r"`([^`]+)`", text.replace("``", "`"))) for text in (english, chinese)]
        assert words[0] == words[1], english
        assert re.search("[一-鿿]", chinese) or english == chinese, english


def test_the_search_finds_pages_operations_and_codes() -> None:
    for language in LANGUAGES:
        found = SITE.search(language)
        addresses = {entry.address for entry in found}
        assert f"/docs/{language}/devices#list_devices" in addresses
        assert f"/docs/{language}/refusals#too_long" in addresses
        assert f"/docs/{language}/limits#mqtt" in addresses
        keep_alive = [entry.address for entry in found if "keep_alive_max_s" in entry.words]
        assert any(address.startswith(f"/docs/{language}/devices-mqtt#") for address in keep_alive)
        for entry in found:
            _, _, _, rest = entry.address.split("/")
            name, _, part = rest.partition("#")
            assert not part or f'id="{part}"' in html(language, name), entry


def test_codes_of_refusals_are_shown_in_the_language_of_the_page() -> None:
    for language in LANGUAGES:
        assert f'<code id="too_long">too_long</code></td><td>{TEXTS["too_long"][language]}' in html(
            language, "refusals"
        )


class Shown(HTMLParser):
    """What a page shows: its tags in order, without ids and wrappers, and its text without line breaks."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("div", "thead", "tbody") and (tag, "pre") != ("code", self.parts[-1] if self.parts else ""):
            self.parts.append(tag)

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if text:
            self.parts.append(f"'{text}'")


@pytest.mark.parametrize("page", sorted((FOLDER / "guides").glob("*/*.md")), ids=lambda page: "-".join(page.parts[-2:]))
def test_a_guide_is_what_commonmark_makes_of_its_page(page: Path) -> None:
    text = without_pictures(page.read_text(encoding="utf-8"))
    made = Shown(rendered(text, lambda target: target))
    wanted = Shown(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))
    assert "".join(made.parts) == "".join(wanted.parts)


def test_the_guides_are_the_pages_of_the_documentation() -> None:
    assert {name for name in TITLES if name != REFUSALS} == set(PAGES_OF_GUIDES)
    for language, folder, readme in (("en", ROOT / "docs", "README.md"), ("zh", ROOT / "docs" / "zh", "README.zh.md")):
        there = {page: folder / page for page in PAGES_OF_GUIDES.values() if (folder / page).exists()}
        found = {path.name: path.resolve() for path in (FOLDER / "guides" / language).iterdir()}
        assert found == {**there, "README.md": ROOT / readme}


def test_a_link_of_a_guide_leads_to_a_page_of_the_server_or_is_text() -> None:
    assert address("refusals.md#codes", "zh") == "/docs/zh/refusals#codes"
    assert address("../api.md#answers", "en") == "/docs/en/guide-api#answers"
    assert address("#sessions", "en") == "#sessions"
    assert address("../../README.zh.md#the-first-device", "zh") == "/docs/zh/guide-start#the-first-device"
    for elsewhere in (
        "README.md",
        "../examples/README.md",
        "adr/0001-x.md",
        "https://evil.example/device.md",
        "javascript:alert(1)",
        "//evil.example/x.md",
    ):
        assert address(elsewhere, "en") == ""
    assert rendered('a <b> "[x](javascript:y)"', lambda _: "") == '<p>a &lt;b&gt; "x"</p>'


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("fr, ZH-hant;q=0.3", "zh"),
        ("fr,*", "en"),
        (",;,=", "en"),
    ],
)
async def test_the_first_page_is_in_the_language_of_the_browser(connect: Connect, accepted: str, language: str) -> None:
    assert preferred(accepted) == language
    response = await connect(APP).get("/docs", headers={"Accept-Language": accepted})
    assert f'<html lang="{language}">' in response.text
    assert "accept-language" in response.headers["vary"]


async def test_examples_name_the_host_of_the_request(connect: Connect) -> None:
    client = connect(APP)
    for host in ("things.example.com", "192.0.2.7:8080", "[2001:db8::7]:8080"):
        page = (await client.get("/docs/en/devices", headers={"Host": host})).text
        assert f"curl 'http://{host}/api/v1/devices_stat'" in page
        assert ORIGIN not in page


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "x/../y",
        "$(id)",
        "`id`",
        "a';id;'",
        '"><script>alert(1)</script>',
        "evil.example@things.example.com",
        "things.example.com:99999999",
        "things.example.com:80#",
        "-oProxyCommand=id",
        "a" * 300,
        "[::1]]",
        "\\evil",
    ],
)
async def test_a_host_that_is_none_is_not_shown(connect: Connect, host: str) -> None:
    """Examples are copied into shells, and caches may keep a page."""
    page = (await connect(APP).get("/docs/en/devices", headers={"Host": host})).text
    assert f"curl '{DEFAULT_ORIGIN}/api/v1/devices_stat'" in page
    assert not host or len(host) < 3 or host not in page


async def test_no_cache_keeps_a_page_for_others_and_only_assets_are_kept(connect: Connect) -> None:
    client = connect(APP)
    for path in ("/docs", "/docs/en/devices"):
        response = await client.get(
            path, headers={"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
        )
        assert response.headers["cache-control"] == "private, no-cache"
        assert "evil.example" not in response.text
        assert response.headers["content-encoding"] == "gzip"
    for path in re.findall(r"/docs/assets/[\w.?]+", (await client.get("/docs")).text):
        assert (await client.get(path)).headers["cache-control"].startswith("public")


async def test_pages_may_run_their_own_script_alone_and_may_not_be_framed(connect: Connect) -> None:
    response = await connect(APP).get("/docs/zh/devices")
    policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert (policy["require-trusted-types-for"], policy["trusted-types"]) == ("'script'", "'none'")
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_script_makes_no_html_of_texts_and_asks_no_other_origin() -> None:
    script = (ROOT / "src/thingstead/api/documents/assets/docs.js").read_text(encoding="utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|location\.search", script
    )
    assert script.count("fetch(") == 2  # the index of the search, and what was asked for with a click
    style = (ROOT / "src/thingstead/api/documents/assets/docs.css").read_text(encoding="utf-8")
    assert not re.search(r"@import|url\(", style)


@pytest.mark.parametrize(
    "path", ["/docs/fr", "/docs/en/nothing", "/docs/assets/docs.py", "/docs/assets/search.fr.json"]
)
async def test_there_are_no_other_pages(connect: Connect, path: str) -> None:
    assert (await connect(APP).get(path)).status_code == 404


async def test_the_document_is_served_as_it_is_made(connect: Connect) -> None:
    client = connect(APP)
    response = await client.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    assert response.json() == cast(Any, SITE.document)
    assert (await client.get("/docs/assets/search.en.json")).json()[0][2].startswith("/docs/en/")
