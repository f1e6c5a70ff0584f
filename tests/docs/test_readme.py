"""What the README tells a newcomer to type works, and both languages tell the same."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from thingstead.config import SETTINGS

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


def test_settings_of_the_readme_are_settings_of_the_server() -> None:
    rows = re.findall(r"^\| `--([a-z-]+)` \| `(\w+)` \| `?([^`|]*?)`? \|", ENGLISH, re.MULTILINE)
    shown = [row for row in rows if row[0] != "config"]
    assert len(shown) == 5
    for flag, variable, default in shown:
        setting = SETTINGS[flag.replace("-", "_")]
        assert (setting.variable, str(setting.default)) == (variable, default)


@pytest.mark.external
def test_a_device_within_a_minute(installation: "Installation") -> None:
    output = installation.run("echo; ".join(code_blocks(ENGLISH, "sh")))
    answers = [json.loads(text) for text in re.findall(r"\{.*?\}(?=\n|\{|$)", output)]
    assert {item["identifier"]: item["value"] for item in answers[0]["info"]} == {"temperature": 21.5, "window": "open"}
    assert [point["value"] for point in answers[1]["info"]] == [21.5]
    sent = next(answer["info"] for answer in answers[2:] if answer.get("result"))
    assert (sent["command_id"], sent["state"]) == (1000, "sent")
    assert {"method": "close_window", "params": {}, "id": 1000} in answers[2:]
