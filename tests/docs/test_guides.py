"""The guides of automation: their commands run as they stand, one after the other, in both languages."""

import json
from typing import TYPE_CHECKING

import pytest

from tests.docs.test_readme import ENGLISH, ROOT, code_blocks

if TYPE_CHECKING:
    from tests.docs.conftest import Installation

GUIDES = ("message-rules.md", "modbus.md", "ota.md", "tasks.md", "forwarding.md")


@pytest.mark.external("bash", "curl", "jq")
@pytest.mark.parametrize("folder", ["docs", "docs/zh"])
def test_the_commands_of_the_guides_run_as_they_stand(installation: "Installation", folder: str) -> None:
    lines = [*code_blocks(ENGLISH, "sh"), 'cd "$(mktemp -d)"', "head -c 4096 /dev/urandom > fw.bin"]
    for guide in GUIDES:
        blocks = code_blocks((ROOT / folder / guide).read_text(encoding="utf-8"), "sh")
        assert blocks, guide
        lines += [f"echo; echo {guide}", *(f"{block}\necho" for block in blocks)]
    output = installation.run("\n".join(lines))
    for guide in GUIDES:
        _, _, after = output.partition(f"\n{guide}\n")
        answers = [json.loads(line) for line in after.partition(".md\n")[0].splitlines() if line.startswith("{")]
        assert answers, guide
        assert [answer for answer in answers if answer["result"] is not True] == [], guide
