"""Reasons of connections and commands are recorded as texts; each text has a code with texts in both languages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from thingstead.refusals import TEXTS, Arg, reason
from thingstead.services.shared.recorded_reasons import (
    CLEAR_CODES,
    COMMAND_CODES,
    CONNECTION_CODES,
    FAILING_CODES,
    NOTICE_CODES,
    RecordedReasons,
    clear_reason,
    failing_reason,
    notice_reason,
    recorded_reason,
)

ROOT = Path(__file__).resolve().parents[2] / "src" / "thingstead"
# Calls whose last argument is the reason with which a connection or a command of a device ends.
ENDING = {
    "close": 1,
    "_end": 0,
    "end": 0,
    "abort": 0,
    "finish": 0,
    "SessionsRevoked": 1,
    "leave": 1,
    "_tell_end": 2,
    "command_failed": 1,
    "command_refused": 1,
    "abandon": 1,
    "_drop": 1,
    "_forget": 1,
    "dropped": 1,
}
# Of a client of the open port, or of an application: no device has a log of these.
# A node that is not active stores nothing.
OTHERS = {
    "the session has expired",
    "another connection has the client identifier",
    "no CONNECT arrived in time",
    "the token has expired",
    "the token has expired or is not valid any more",
    "the node is not active any more",
}
TRACES = {"message_trace.py", "traced_delivery.py"}  # their ends are outcomes


def texts() -> Iterator[tuple[str, str]]:
    for path in sorted([*(ROOT / "broker").rglob("*.py"), *(ROOT / "services").rglob("*.py")]):
        nodes = () if path.name in TRACES else ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for node in nodes:
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            at = ENDING.get(name)
            if at is None or len(node.args) <= at:
                continue
            text = node.args[at]
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield f"{path.name}:{node.lineno}", text.value
            elif isinstance(text, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "x" for part in text.values)
                yield f"{path.name}:{node.lineno}", "".join(map(str, parts))


def test_every_text_with_which_something_of_a_device_ends_has_a_code() -> None:
    found = list(texts())
    assert len(found) > 20
    assert [(where, text) for where, text in found if text not in OTHERS and not recorded_reason(text).code] == []


@pytest.mark.parametrize("code", [*CONNECTION_CODES, *COMMAND_CODES])
def test_a_text_gives_its_code_and_what_it_names(code: str) -> None:
    text = TEXTS[code]["en"].replace("{method}", "open").replace("{id}", "7").replace("{topic}", "command/send/7")
    text = text.replace("{name}", "QUOTA_EXCEEDED").replace("{number}", "0x97")
    found = recorded_reason(text)
    assert (found.code, found.message) == (code, text)
    assert all(str(value) in text for value in found.args.values())


ARGS = {"method": "open", "problem": "x is compared as number, and the device reports text", "count": "3"}
ARGS |= {"status": "550", "field": "raise.value", "device": "d1"}


@pytest.mark.parametrize(
    ("find", "code"),
    [
        *((notice_reason, code) for code in NOTICE_CODES),
        *((clear_reason, code) for code in CLEAR_CODES),
        *((failing_reason, code) for code in FAILING_CODES),
    ],
)
def test_a_text_of_a_notice_or_a_rule_gives_its_code(find: RecordedReasons, code: str) -> None:
    names = re.findall(r"{(\w+)}", TEXTS[code]["en"])
    given: dict[str, Arg] = {name: ARGS.get(name, "some text") for name in names}
    found = find(reason(code, **given).message)
    assert found.code == code
    assert given.items() <= found.args.items()


def test_the_problem_within_a_text_of_a_rule_has_its_code_too() -> None:
    problem = reason("numbers_only", attribute="t", data_type="switch").message
    found = failing_reason(reason("rule_excluded_by_type", field="raise.value", problem=problem).message)
    assert (found.args["field"], found.args["problem_code"]) == ("raise.value", "numbers_only")
    assert (found.args["attribute"], found.args["data_type"]) == ("t", "switch")
    assert "problem_code" not in failing_reason("on device d1: something else").args


def test_a_text_of_an_earlier_release_has_its_code_and_an_unknown_one_has_none() -> None:
    assert recorded_reason("nobody took it in time").code == "command_not_taken"
    assert recorded_reason("something else") == ("", "something else", {})
    assert recorded_reason("") == ("", "", {})
