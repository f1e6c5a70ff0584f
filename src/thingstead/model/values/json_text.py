"""What a JSON text holds, told from its bytes alone: as quick for a million empty arrays as for one long text."""

import re

from thingstead.model.limits import JSON_DEPTH

_BRACKETS = bytes.maketrans(b"{}", b"[]")
_BESIDE_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
# An integer of 19 digits or more: no fraction, no exponent, and not the digits of either.
_WIDE = re.compile(rb"(?<![\d.eE+-])(-?)(\d{19,}+)(?![.eE])")
_LONG_DIGITS = re.compile(rb"\d{19}")
_GREATEST, _LEAST = b"9223372036854775807", b"9223372036854775808"  # digits of 2^63 - 1 and of -2^63


def is_too_deep(text: bytes) -> bool:
    """Whether arrays and objects are nested more than JSON_DEPTH levels deep in a text that is known to be JSON."""
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
    """Whether a text that is JSON holds an integer beyond 64 bits with sign, which nothing could store."""
    if _LONG_DIGITS.search(text) is None:
        return False
    outside = b'"'.join(_without_escapes(text).split(b'"')[::2])
    return any(
        len(digits) > len(_GREATEST) or digits > (_LEAST if sign else _GREATEST)
        for sign, digits in (match.groups() for match in _WIDE.finditer(outside))
    )


def _without_escapes(text: bytes) -> bytes:
    r"""The same text without ``\\`` and ``\"``, so that every quote that is left begins or ends a string."""
    return text.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in text else text
