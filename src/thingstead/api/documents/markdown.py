"""The Markdown in which the documentation is written, as HTML: headings, paragraphs, lists of one level, tables, blocks
of code; code, bold, emphasis and links within a line. A test compares the pages with CommonMark."""

import re
from collections.abc import Callable, Iterator

from thingstead.api.documents.markup import escape, table

Link = Callable[[str], str]

_ITEM = re.compile(r"(?:- |\d+\. )")
_INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\[(?P<text>(?:[^\]`]|`[^`]*`)+)\]\((?P<href>[^)]+)\)"
    r"|\*\*(?P<bold>(?:[^*`]|`[^`]*`)+)\*\*|(?<![\w*])\*(?P<emphasis>[^*`\s][^*`]*)\*(?![\w*])",
    re.ASCII,
)


def rendered(text: str, link: Link) -> str:
    """A page as HTML.

    Args:
        link: returns the address for the target of a link; empty: the text stays without a link.
    """
    return "".join(_blocks(text.splitlines(), link))


def anchor(title: str) -> str:
    """What a heading is called in an address, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.replace("`", "")).strip().lower().replace(" ", "-")


def _blocks(lines: list[str], link: Link) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        end = at + 1
        if line.startswith("```"):
            while end < len(lines) and lines[end] != "```":
                end += 1
            content = "".join(f"{each}\n" for each in lines[at + 1 : end])
            yield f'<pre tabindex="0">{escape(content, quote=False)}</pre>'
            end += 1
        elif line.startswith("#"):
            marks, _, title = line.partition(" ")
            level = len(marks)
            named = f' id="{escape(anchor(title))}"' if level > 1 else ""
            yield f"<h{level}{named}>{_inline(title, link)}</h{level}>"
        elif line.strip():
            while end < len(lines) and lines[end].strip() and not _begins(lines[end], line):
                end += 1
            yield _block(lines[at:end], link)
        at = end


def _begins(line: str, before: str) -> bool:
    """Whether a line begins a block right after another, without an empty line."""
    return line.startswith(("```", "#")) or (line.startswith("|") and not before.startswith("|"))


def _block(lines: list[str], link: Link) -> str:
    if lines[0].startswith("|"):
        head, _, *rows = [_cells(line, link) for line in lines]
        return table(head, rows, escaped=True)
    if _ITEM.match(lines[0]):
        kind = "ul" if lines[0].startswith("- ") else "ol"
        return f"<{kind}>{''.join(f'<li>{item}</li>' for item in _items(lines, link))}</{kind}>"
    return f"<p>{_inline(_joined(lines), link)}</p>"


def _cells(line: str, link: Link) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [_inline(cell.strip().replace(r"\|", "|"), link) for cell in re.split(r"(?<!\\)\|", inner)]


def _items(lines: list[str], link: Link) -> Iterator[str]:
    item: list[str] = []
    for line in lines:
        matched = _ITEM.match(line)
        if matched and item:
            yield _inline(_joined(item), link)
            item = []
        item.append(line[matched.end() :] if matched else line.strip())
    yield _inline(_joined(item), link)


def _joined(lines: list[str]) -> str:
    return "\n".join(line.strip() for line in lines)


def _inline(text: str, link: Link) -> str:
    parts, at = [], 0
    for found in _INLINE.finditer(text):
        parts.append(escape(text[at : found.start()], quote=False))
        at = found.end()
        code, shown, bold, emphasis = found["code"], found["text"], found["bold"], found["emphasis"]
        if code is not None:
            parts.append(f"<code>{escape(code.replace(chr(10), ' '), quote=False)}</code>")
        elif shown is not None:
            address, inner = link(found["href"]), _inline(shown, link)
            parts.append(f'<a href="{escape(address)}">{inner}</a>' if address else inner)
        else:
            tag, inner = ("strong", bold) if bold is not None else ("em", emphasis)
            parts.append(f"<{tag}>{_inline(inner, link)}</{tag}>")
    return "".join((*parts, escape(text[at:], quote=False)))
