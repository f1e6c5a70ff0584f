"""Packet sequences as data: what a case sends, and what must come back. See the README of such a folder."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

WORD = re.compile(r"'[^']*'|\S+")


class Case(NamedTuple):
    """One sequence."""

    file: str
    name: str  # unique: file, group, place in the group, name
    version: int  # 3, 4 or 5
    connect: bool  # begins with a plain CONNECT and its CONNACK
    expect_disconnect: bool
    steps: list[dict[str, Any]]


def read(folder: Path) -> list[Case]:
    """Every case of a folder, in order: some need those before them."""
    return [case for path in sorted(folder.glob("*.json")) for case in _cases(path)]


def _cases(path: Path) -> Iterator[Case]:
    for group_number, group in enumerate(json.loads(path.read_text(encoding="utf-8")), 1):
        for number, test in enumerate(group["tests"], 1):
            if group.get("disable") or test.get("disable"):
                continue
            name = f"{path.stem} {group_number}.{number} {group['group']}: {test['name']}"
            yield Case(
                path.stem,
                re.sub(r"\s+", " ", name).strip(),
                test.get("ver", group.get("ver", 4)),
                test.get("connect", group.get("connect", True)),
                test.get("expect_disconnect", group.get("expect_disconnect", True)),
                test.get("msgs", []),
            )


def to_bytes(words: str) -> bytes:
    """The bytes that a step spells."""
    return b"".join(_word(word) for word in WORD.findall(words))


def _word(word: str) -> bytes:
    if word.startswith("'"):
        return word[1:-1].encode()
    kind, number = word[0], word[1:]
    if kind == "i":
        return bytes((int(number),))
    if kind in "Hkms":
        return int(number).to_bytes(2, "big")
    if kind == "L":
        return int(number).to_bytes(4, "big")
    if kind in "vr":
        return variable_byte_integer(int(number))
    return bytes.fromhex(word)


def variable_byte_integer(value: int) -> bytes:
    """1.5.5, also of more than four bytes."""
    encoded = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        encoded.append(low | (0x80 if value else 0))
        if not value:
            return bytes(encoded)
