"""Checks of JSON texts on their bytes, without decoding; linear in their length, whatever they contain."""

import re

from thingstead.model.limits import JSON_DEPTH

_BRACKETS = bytes.maketrans(b"{}", b"[]")
_BESIDE_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
# An integer of 19 digits or more, without a fraction or an exponent, and not a part of one.
_WIDE = re.compile(rb"(?<![\d.eE+-])(-?)(\d{19,}+)(?![.eE])")
_LONG_DIGITS = re.compile(rb"\d{19}")
_GREATEST, _LEAST = b"9223372036854775807", b"9223372036854775808"  # digits of 2^63 - 1 and 2^63


def is_too_deep(text: bytes) -> bool:
    """Whether a valid JSON text nests arrays and objects more than JSON_DEPTH levels deep."""
    if text.count(b"[") + text.count(b"{") <= JSON_DEPTH:
        return False
    brackets = _without_escapes(text).translate(_BRACKETS, _BESIDE_STRUCTURE).replace(b'""', b"")
    if b'"' in brackets:
        brackets = b"".join(brackets.split(b'"')[::2])
    for _ in range(JSON_DEPTH):
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return False
    return True


def has_wide_integer(text: bytes) -> bool:
    """Whether a valid JSON text contains an integer outside the signed 64-bit range, which cannot be stored."""
    if _LONG_DIGITS.search(text) is None:
        return False
    outside = b'"'.join(_without_escapes(text).split(b'"')[::2])
    return any(
        len(digits) > len(_GREATEST) or digits > (_LEAST if sign else _GREATEST)
        for sign, digits in (match.groups() for match in _WIDE.finditer(outside))
    )


def _without_escapes(text: bytes) -> bytes:
    r"""The text without ``\\`` and ``\"``, so that every remaining quote begins or ends a string."""
    return text.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in text else text
