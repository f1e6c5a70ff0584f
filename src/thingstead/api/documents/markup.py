"""Pieces of HTML, of which the pages are made. Every text is escaped here."""

import re
from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["code_block", "escape", "inline", "paragraphs", "section", "slug", "table"]

CODE = re.compile(r"`([^`]+)`")
BOLD = re.compile(r"\*\*([^*]+)\*\*")


def inline(text: str) -> str:
    """A text with code and bold words; descriptions use no more of Markdown."""
    text = escape(text.replace("``", "`"), quote=False)
    return BOLD.sub(r"<b>\1</b>", CODE.sub(r"<code>\1</code>", text))


def paragraphs(texts: Iterable[str]) -> str:
    """A paragraph for each text."""
    return "".join(f"<p>{inline(text)}</p>" for text in texts)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, escaped: bool = False) -> str:
    """A table of cells that are HTML; empty without rows. ``escaped``: so are the heads, which are texts otherwise."""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return ""
    head = "".join(f"<th>{title if escaped else escape(title)}</th>" for title in heads)
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def section(name: str, title: str, content: str, level: int = 2) -> str:
    """A part of a page with a heading that can be linked to."""
    heading = f'<h{level}><a href="#{escape(name)}">{escape(title)}</a></h{level}>'
    return f'<section id="{escape(name)}">{heading}{content}</section>'


def code_block(text: str, kind: str = "") -> str:
    """A block of code; ``kind`` is its class."""
    return f'<pre tabindex="0"{f" class={kind}" if kind else ""}>{escape(text, quote=False)}</pre>'


def slug(title: str) -> str:
    """A title as a part of an address: ``Many devices`` → ``many-devices``."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
