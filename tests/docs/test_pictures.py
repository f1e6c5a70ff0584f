"""The pictures of the console: one of each page in both languages, shown where they belong, and small."""

import re

import pytest

from tests.browser import picture_automation
from tests.browser.pictures import BYTES_MAX, FOLDER, OVER, WORDS, pages

ROOT = FOLDER.parents[1]
IDS = dict.fromkeys(
    ("type", "customer", "rule", "device", "message_rule", "task", "rollout", "target", "meter_type"), "id"
)
NAMES = set(pages(IDS)) | set(OVER) | set(picture_automation.pages(IDS))
PICTURES = sorted(FOLDER.glob("*.webp"))
ALL_BYTES_MAX = 800_000


def shown(page: str) -> set[str]:
    return set(re.findall(r"!\[[^\]]+\]\([\w./]*pictures/([\w.-]+)\)", (ROOT / page).read_text(encoding="utf-8")))


def test_each_page_has_a_picture_in_each_language() -> None:
    assert {path.name for path in PICTURES} == {f"{name}.{language}.webp" for name in NAMES for language in WORDS}


@pytest.mark.parametrize(("guide", "language"), [("docs/console.md", "en"), ("docs/zh/console.md", "zh")])
def test_each_picture_is_shown_in_the_guide_of_its_language(guide: str, language: str) -> None:
    assert shown(guide) == {f"{name}.{language}.webp" for name in NAMES}


@pytest.mark.parametrize(("readme", "language"), [("README.md", "en"), ("README.zh.md", "zh")])
def test_the_readme_shows_some_in_its_language(readme: str, language: str) -> None:
    assert 2 <= len(shown(readme)) <= 3
    assert shown(readme) <= {f"{name}.{language}.webp" for name in NAMES}


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in PICTURES}
    assert {name: size for name, size in sizes.items() if size > BYTES_MAX} == {}
    assert sum(sizes.values()) < ALL_BYTES_MAX


def test_pictures_are_what_their_name_says() -> None:
    assert [path.name for path in PICTURES if path.read_bytes()[8:12] != b"WEBP"] == []
