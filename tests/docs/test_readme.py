"""What a newcomer is told to type works; both languages tell the same; the index leads everywhere."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.docs.conftest import Installation

ROOT = Path(__file__).resolve().parents[2]
ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh.md").read_text(encoding="utf-8")


def code_blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_both_languages_show_the_same_commands() -> None:
    for language in ("sh", "console"):
        assert code_blocks(CHINESE, language) == code_blocks(ENGLISH, language)
    headings = [re.findall(r"^#+", text, re.MULTILINE) for text in (ENGLISH, CHINESE)]
    assert headings[0] == headings[1]


def test_the_index_of_the_documentation_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {page for page in pages if f"({page})" not in index and f"({page}#" not in index} == set()


def test_the_figures_of_the_readme_are_among_those_that_were_measured() -> None:
    measured = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| (?!what|-)[^|]+ \| ([^|]+?) \|$", ENGLISH, re.MULTILINE)
    assert len(shown) >= 4
    assert [figure for figure in shown if figure.removesuffix("/s") not in measured] == []
    assert re.findall(r"\d[\d.,]* ?(?:%|MB|ms)", ENGLISH) == re.findall(r"\d[\d.,]* ?(?:%|MB|ms)", CHINESE)


@pytest.mark.external("bash", "curl")
def test_the_first_device_needs_only_curl(installation: "Installation") -> None:
    output = installation.run("echo; ".join(code_blocks(ENGLISH, "sh")))
    answers = [json.loads(text) for text in re.findall(r"\{.*?\}(?=\n|\{|$)", output)]
    assert answers[0] == {"result": 1}
    assert {item["identifier"]: item["value"] for item in answers[1]["info"]} == {"temperature": 21.5, "window": "open"}
    assert [point["value"] for point in answers[2]["info"]] == [21.5]


@pytest.mark.external
def test_the_first_device_over_mqtt_and_a_command(installation: "Installation") -> None:
    page = (ROOT / "docs" / "first-device.md").read_text(encoding="utf-8")
    output = installation.run("echo; ".join([*code_blocks(ENGLISH, "sh"), *code_blocks(page, "sh")]))
    answers = [json.loads(text) for text in re.findall(r"\{.*?\}(?=\n|\{|$)", output)][3:]
    assert {item["identifier"]: item["value"] for item in answers[0]["info"]} == {"temperature": 22.5, "window": "open"}
    sent = next(answer["info"] for answer in answers[1:] if answer.get("result"))
    assert (sent["command_id"], sent["state"]) == (1000, "sent")
    assert {"method": "close_window", "params": {}, "id": 1000} in answers[1:]
