"""The judge of packet sequences: what a rule excuses, and that it excuses nothing else."""

import re
from pathlib import Path

import pytest

from tests.conformance.rules import ALL, Deviation, explain, without_reason_string
from tests.conformance.sequences import to_bytes

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "mqtt-differences.md"
BAD_PROPERTY, GOOD_PROPERTY = "40 r6 m1 00 v2 24 i0", "40 r8 m1 00 v4 1F s1 'p'"
QOS_2 = "34 r7 s1 't' m7 v0 'p'"


def rule_for(sent: list[str], wanted: str | None, got: str | None, version: int = 5) -> str | None:
    packets = tuple(to_bytes(words) for words in sent)
    named, came = (None if words is None else to_bytes(words) for words in (wanted, got))
    rule = explain(Deviation(version, packets, named, came))
    return rule and rule.name


@pytest.mark.parametrize(
    ("sent", "wanted", "got", "name"),
    [
        ([BAD_PROPERTY], "E0 r1 82", "E0 r1 81", "property out of place"),
        (["C1 r0"], "E0 r1 82", "E0 r1 81", "flags"),
        (["82 r7 m0 v0 s1 'a' 00"], "E0 r1 81", "E0 r1 82", "packet identifier 0"),
        (["82 r7 m1 v0 s1 'a' 03"], "E0 r1 81", "E0 r1 82", "QoS 3 of a subscription"),
        (["82 r3 m1 v0"], "E0 r1 81", "E0 r1 82", "no topic filter"),
        (["A2 r3 m1 v0"], "E0 r1 81", "E0 r1 82", "no topic filter"),
        (["62 r2 m1"], "70 r2 m1", "70 r3 m1 92", "unknown packet identifier"),
        (["E0 r1 87"], None, "E0 r1 82", "a DISCONNECT that explains"),
        ([QOS_2, QOS_2], "E0 r1 82", "50 r2 m7", "QoS 2 repeated"),
        ([QOS_2], "50 r2 m7", "50 r3 m7 10", "nobody subscribes"),
    ],
)
def test_a_rule_excuses_what_the_specification_asks_for_or_leaves_open(
    sent: list[str], wanted: str | None, got: str, name: str
) -> None:
    assert rule_for(sent, wanted, got) == name


@pytest.mark.parametrize(
    ("sent", "wanted", "got"),
    [
        ([GOOD_PROPERTY], "E0 r1 82", "E0 r1 81"),  # that property may stand there
        ([BAD_PROPERTY], "E0 r1 81", "E0 r1 82"),  # the wrong way round
        (["C0 r0"], "E0 r1 82", "E0 r1 81"),  # the flags are right
        (["82 r7 m1 v0 s1 'a' 00"], "E0 r1 81", "E0 r1 82"),  # the identifier is not zero
        ([QOS_2, "62 r2 m7"], "70 r2 m7", "70 r3 m7 92"),  # the identifier is known
        (["E0 r1 87"], None, "E0 r1 00"),  # explains nothing
        ([BAD_PROPERTY], "E0 r1 82", None),  # a close without the word that the suite names
        ([QOS_2], "E0 r1 82", "50 r2 m7"),  # no repetition
        (["82 r7 m1 v0 s1 't' 00", QOS_2], "50 r2 m7", "50 r3 m7 10"),  # somebody subscribes
        (["30 r4 s1 'a' v0"], "D0 r0", "E0 r1 82"),
    ],
)
def test_no_rule_excuses_anything_else(sent: list[str], wanted: str | None, got: str | None) -> None:
    assert rule_for(sent, wanted, got) is None


def test_a_reason_string_alone_is_passed_over() -> None:
    assert without_reason_string(to_bytes("E0 r6 81 v4 1F s1 'p'")) == to_bytes("E0 r1 81")
    assert without_reason_string(to_bytes("50 r8 m7 87 v4 1F s1 'p'")) == to_bytes("50 r3 m7 87")
    other = to_bytes("E0 r6 81 v4 1C s1 'p'")
    assert without_reason_string(other) == other


def test_the_document_has_every_rule_with_its_clause() -> None:
    rows = re.findall(
        r"^\| (.+) \| [\d,]+ \| (open|required) \| (.+) \| (.+) \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE
    )
    assert rows == [(rule.name, rule.kind, rule.clause, rule.text) for rule in ALL]
