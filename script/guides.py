"""Makes the guides that the server shows below /docs from pages of the documentation. To be run when one changes:

    .venv/bin/python script/guides.py

A test compares what is committed with what this makes."""

import re
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FOLDER = ROOT / "src" / "thingstead" / "api" / "documents" / "guides"
# Pages of the documentation by the name of their guide.
GUIDES = {"devices-mqtt": "device.md", "devices-http": "device-http.md", "subscriptions": "app-subscription.md"}
CODE = re.compile(r"<pre><code(?: class=\"[\w-]+\")?>(.*?)</code></pre>", re.DOTALL)
PLACES = {page: name for name, page in GUIDES.items()} | {
    "refusals.md": "refusals",
    "limits.md": "limits",
    "api.md": "",
}


def anchor(title: str) -> str:
    """What a heading is called in an address, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.replace("`", "")).strip().lower().replace(" ", "-")


def target(href: str, language: str) -> str:
    """Where a link of a page leads on the server; empty: to nothing that the server has."""
    path, _, part = href.partition("#")
    place = PLACES.get(path.rpartition("/")[2])
    if not path:
        return f"#{part}"
    if place is None or "://" in path:
        return ""
    return f"/docs/{language}/{place}".rstrip("/") + (f"#{part}" if part and place else "")


def content(text: str) -> str:
    """A page without its title and its link to the other language."""
    return re.sub(r"\A# .*\n|^\[(?:中文|English)\]\(.*\)\n", "", text, flags=re.MULTILINE)


def relinked(children: list[Token], language: str) -> list[Token]:
    """Inline tokens whose links lead to pages of the server; others become their text."""
    kept, dropped = [], 0
    for token in children:
        if token.type == "link_open":
            href = target(str(token.attrs["href"]), language)
            token.attrs["href"] = href
            dropped += not href
            if not href:
                continue
        if token.type == "link_close" and dropped:
            dropped -= 1
            continue
        kept.append(token)
    return kept


def rendered(text: str, language: str) -> str:
    """The page as HTML."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrs["id"] = anchor(tokens[index + 1].content)
        token.attrs.pop("style", None)  # the Content-Security-Policy of the pages allows none
        if token.children:
            token.children = relinked(token.children, language)
    html = str(markdown.renderer.render(tokens, markdown.options, {}))
    html = html.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
    return CODE.sub(r'<pre tabindex="0">\1</pre>', html)


def guides() -> dict[str, str]:
    """All guides by the name of their file."""
    made = {}
    for name, page in GUIDES.items():
        for language, folder in (("en", DOCS), ("zh", DOCS / "zh")):
            path = folder / page
            if path.exists():
                text = path.read_text(encoding="utf-8")
                title = escape(text.partition("\n")[0].removeprefix("# "))
                made[f"{name}.{language}.html"] = f"<h1>{title}</h1>\n{rendered(content(text), language)}"
    return made


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, html in guides().items():
        (FOLDER / name).write_text(html, encoding="utf-8")
