"""The Chinese pages say what the English ones say: same chapters, examples, tables, code words, figures and links."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
CHINESE = DOCS / "zh"
PAGES = sorted(path.name for path in CHINESE.glob("*.md"))
TRANSLATED = {
    "README.md",
    "alarms.md",
    "api.md",
    "app-subscription.md",
    "cluster.md",
    "console.md",
    "device-http.md",
    "device.md",
    "forwarding.md",
    "functions.md",
    "install.md",
    "limits.md",
    "message-rules.md",
    "modbus.md",
    "operating.md",
    "ota.md",
    "processing.md",
    "tasks.md",
}

BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
# What may differ within an example: what people call a thing, and what a notice says to people.
TEXTS = re.compile(r'"(name|rule_name|subject|text)": "[^"]*"')
# The words of the stories in the guide of alarms.
STORY_WORDS = {
    "告警，级别": "alarm, level",
    "级别变为": "level",
    "恢复": "cleared",
    "无消息": "nothing",
    "在线": "online",
    "离线": "offline",
    **dict(zip("一二三四五六日", ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), strict=True)),
}
STORY_WORD = re.compile("|".join({f"周{word}" if len(word) == 1 else word for word in STORY_WORDS}))


def english_story(story: str) -> str:
    """A story of the Chinese guide in the words of the English one, with single spaces."""
    return re.sub(" +", " ", STORY_WORD.sub(lambda match: STORY_WORDS[match.group().removeprefix("周")], story))


class Section:
    """A heading with what is below it, up to the next heading."""

    def __init__(self, level: int, text: str, page: Path) -> None:
        self.level = level
        self.examples = [(language, self._example(language, code)) for _, language, code in BLOCK.findall(text)]
        prose = BLOCK.sub("", text)
        self.code_words = set(re.findall(r"`([^`]+)`", prose.replace("\n", " ")))
        self.tables = [line.count(" |") for line in prose.splitlines() if line.startswith("|")]
        targets = re.findall(r"\]\(([^)#:]+)?(?:#[^)]*)?\)", prose)
        self.links = {self._target(page, target) for target in targets} - {page.name}
        self.numbers = set(re.findall(r"(?<![\w.])\d[\d,.]*\d(?!\w)", re.sub(r"`[^`]+`|\]\([^)]+\)", "", prose)))

    @staticmethod
    def _example(language: str, code: str) -> str:
        if language == "text":
            return english_story(code)
        return TEXTS.sub(r'"\1": …', code)

    @staticmethod
    def _target(page: Path, target: str) -> str:
        """The page that a link leads to, in whichever language, as the English documentation names it."""
        if not target:
            return page.name
        path = (page.parent / target).resolve()
        if path.parent == CHINESE:
            path = DOCS / path.name
        if path.name.endswith(".zh.md"):
            path = path.with_name(path.name.replace(".zh", ""))
        return path.name if path.parent == DOCS else str(path).replace(".zh.webp", ".en.webp")


def sections(page: Path) -> list[Section]:
    text = page.read_text(encoding="utf-8")
    hidden = BLOCK.sub(lambda block: re.sub("(?m)^#", " ", block.group()), text)
    starts = [(match.start(), len(match[1])) for match in re.finditer(r"^(#+) ", hidden, re.MULTILINE)]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return [Section(level, text[start:end], page) for (start, level), end in zip(starts, ends, strict=True)]


@pytest.fixture(params=PAGES)
def pair(request: pytest.FixtureRequest) -> list[tuple[Section, Section]]:
    """The sections of a page, English and Chinese."""
    english, chinese = sections(DOCS / request.param), sections(CHINESE / request.param)
    assert [section.level for section in english] == [section.level for section in chinese]
    return list(zip(english, chinese, strict=True))


def test_the_pages_that_most_people_need_are_in_chinese() -> None:
    assert set(PAGES) == TRANSLATED


def test_the_examples_are_the_same(pair: list[tuple[Section, Section]]) -> None:
    for english, chinese in pair:
        assert english.examples == chinese.examples


def test_each_command_topic_route_setting_and_code_word_stands_in_the_same_section(
    pair: list[tuple[Section, Section]],
) -> None:
    for english, chinese in pair:
        assert english.code_words == chinese.code_words


def test_the_tables_have_the_same_rows_and_columns(pair: list[tuple[Section, Section]]) -> None:
    for english, chinese in pair:
        assert english.tables == chinese.tables


def test_each_limit_has_its_setting_or_constant_and_its_default_in_the_same_row() -> None:
    row = re.compile(r"^\|[^|]+\|([^|]+\|[^|]+)\|", re.MULTILINE)
    english, chinese = (row.findall((folder / "limits.md").read_text(encoding="utf-8")) for folder in (DOCS, CHINESE))
    assert [found for found in english if "`" in found] == [found for found in chinese if "`" in found]


def test_every_number_of_two_digits_or_more_is_there(pair: list[tuple[Section, Section]]) -> None:
    for english, chinese in pair:
        assert english.numbers - chinese.numbers == set()


def test_the_links_lead_to_the_same_pages(pair: list[tuple[Section, Section]]) -> None:
    for english, chinese in pair[1:]:
        assert english.links == chinese.links


def test_each_page_links_to_the_other_language() -> None:
    for name in PAGES:
        english, chinese = (DOCS / name).read_text(encoding="utf-8"), (CHINESE / name).read_text(encoding="utf-8")
        assert f"[中文](zh/{name})" in english
        assert f"[English](../{name})" in chinese


def anchors(page: Path) -> set[str]:
    """What a heading is called in an address, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("folder", [DOCS, CHINESE, DOCS.parent], ids=["docs", "docs/zh", "root"])
def test_every_link_into_a_page_leads_to_a_heading(folder: Path) -> None:
    broken = [
        f"{page.name}: {target}#{anchor}"
        for page in folder.glob("*.md")
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8"))
        if anchor not in anchors(page.parent / target if target else page)
    ]
    assert broken == []
