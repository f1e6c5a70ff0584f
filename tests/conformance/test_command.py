"""``python -m tests.conformance``: what it prints of a folder of sequences, and its exit code."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.conformance.__main__ import main
from tests.conformance.peer import Server

PING = [{"type": "send", "payload": "C0 r0"}, {"type": "recv", "payload": "D0 r0"}]


def group(version: int, *tests: dict[str, Any]) -> dict[str, Any]:
    return {"group": "group", "ver": version, "tests": list(tests)}


def command(folder: Path, server: Server, *groups: dict[str, Any], options: tuple[str, ...] = ()) -> Result:
    (folder / "SOME.json").write_text(json.dumps(groups), encoding="utf-8")
    return CliRunner().invoke(main, [str(folder), "--port", str(server.port), *options])


def test_what_is_answered_as_named_is_exact(tmp_path: Path, server: Server) -> None:
    hears = [
        {"type": "subscribe", "topic": "some/topic", "qos": 1},
        {"type": "external_publish", "topic": "some/topic", "qos": 1, "payload": "x"},
        {"type": "recv", "payload": "32 r15 s10 'some/topic' m1 'x'"},
        {"type": "send", "payload": "40 r2 m1"},
        {"type": "unsubscribe", "topic": "some/topic"},
    ]
    ends = {"name": "ends", "msgs": [{"type": "send", "payload": "C1 r0"}]}
    goes_on = {"name": "goes on", "expect_disconnect": False, "msgs": [*PING, *hears]}
    left_out = {"name": "left out", "disable": True, "msgs": []}
    result = command(tmp_path, server, group(4, goes_on, ends, left_out), group(3, goes_on))
    assert result.exit_code == 0, result.output
    assert "SOME                 3.1          1           0          0" in result.output
    assert "SOME                 3.1.1        2           0          0" in result.output


def test_what_is_right_by_a_rule_is_counted_with_it(tmp_path: Path, server: Server) -> None:
    bad_property = [{"type": "send", "payload": "40 r6 m1 00 v2 24 i0"}, {"type": "recv", "payload": "E0 r1 82"}]
    result = command(tmp_path, server, group(5, {"name": "bad", "msgs": bad_property}), options=("--verbose",))
    assert result.exit_code == 0, result.output
    assert "1  property out of place (required; 2.2.2.2)" in result.output
    assert "equivalent: SOME 1.1 group: bad: reason string, property out of place" in result.output


@pytest.mark.parametrize(
    ("test", "difference"),
    [
        ({"name": "a", "msgs": PING}, "nothing came in time"),
        ({"name": "a", "msgs": [PING[0], {"type": "recv", "payload": "D0 r1 00"}]}, "d0 00 instead of d0 01 00"),
        ({"name": "a", "expect_disconnect": False, "msgs": [{"type": "send", "payload": "C1 r0"}]}, "the end"),
        ({"name": "a", "connect": False, "msgs": PING}, "the end instead of d0 00"),
    ],
)
def test_a_difference_is_listed_and_is_a_failure(
    tmp_path: Path, server: Server, test: dict[str, Any], difference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.conformance.peer.CLOSING_TIMEOUT_S", 0.2)
    result = command(tmp_path, server, group(4, test))
    assert result.exit_code == 1
    assert "DIFFERENT: SOME 1.1 group: a: " in result.output
    assert difference in result.output


def test_only_the_cases_that_match_are_run(tmp_path: Path, server: Server) -> None:
    one, two = ({"name": name, "expect_disconnect": False, "msgs": PING} for name in ("one", "two"))
    result = command(tmp_path, server, group(4, one, two), options=("--match", "two"))
    assert "1 sequences in" in result.output
