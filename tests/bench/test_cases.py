"""The guide of the benchmarks names every case."""

import re
from pathlib import Path

from bench.case import all_cases

GUIDE = Path(__file__).resolve().parents[2] / "bench" / "README.md"


def test_every_case_stands_in_the_table_and_no_other() -> None:
    table = GUIDE.read_text(encoding="utf-8").partition("| case |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(all_cases())
