"""Every section of the wire reference that is cited exists in docs/wire, once."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "wire").glob("*.md"))
SECTION = r"§(\d+(?:\.\d+)?)"
CITATION = re.compile(rf"wire\s+reference\s+({SECTION}(?:,\s+(?:\#\s+)?{SECTION})*)", re.IGNORECASE)


def sections() -> Counter[str]:
    """Headings ("## §3.2 Topics") and rows that begin with a section ("| §15.1 | …")."""
    found: Counter[str] = Counter()
    for page in PAGES:
        if page.name != "README.md":
            found.update(re.findall(rf"^(?:#+|\|) {SECTION}\b", page.read_text(encoding="utf-8"), re.MULTILINE))
    return found


def test_every_section_is_described_once() -> None:
    assert [section for section, times in sections().items() if times > 1] == []


def test_every_citation_leads_to_a_section() -> None:
    known = sections()
    cited = 0
    missing = []
    files = [path for room in ("src", "docs", "tests", "bench") for path in (ROOT / room).rglob("*.[pm][yd]")]
    for file in files:
        for citation in CITATION.finditer(file.read_text(encoding="utf-8")):
            for section in re.findall(SECTION, citation[1]):
                cited += 1
                if section not in known:
                    missing.append(f"{file.relative_to(ROOT)}: §{section}")
    assert missing == []
    assert cited > 50


def test_every_reference_within_the_pages_leads_to_a_section() -> None:
    known = sections()
    missing = [
        f"{page.name}: §{section}"
        for page in PAGES
        for section in re.findall(SECTION, page.read_text(encoding="utf-8"))
        if section not in known and section not in {"12", "13"}  # "§12 and §13 are not in use"
    ]
    assert missing == []


def test_the_index_names_every_chapter_and_page() -> None:
    index = (ROOT / "docs" / "wire" / "README.md").read_text(encoding="utf-8")
    chapters = {section.split(".")[0] for section in sections()}
    rows = dict(re.findall(r"^\| §(\d+) \|.*\]\((\w+\.md)\) \|$", index, re.MULTILINE))
    assert set(rows) == chapters
    assert set(rows.values()) == {page.name for page in PAGES} - {"README.md"}
    for chapter, page in rows.items():
        assert f"## §{chapter} " in (ROOT / "docs" / "wire" / page).read_text(encoding="utf-8")
