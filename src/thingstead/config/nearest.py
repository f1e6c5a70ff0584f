"""Suggests the known name that is most similar to an unknown one."""

import difflib
import re
from collections.abc import Iterable

CUTOFF = 0.6  # least similarity of a suggested name; 1: equal
NAME_CHARACTERS = 64  # longest unknown name for which there is a suggestion

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most similar (``device_type`` for ``deviceType``), otherwise one that contains the name
    (``type``); empty if there is none."""
    if len(name) > NAME_CHARACTERS:
        return ""
    by_shape = {_shape(each): each for each in known}
    shape = _shape(name)
    near = difflib.get_close_matches(shape, by_shape, n=1, cutoff=CUTOFF)
    if not near and shape:
        words = set(shape.split("_"))
        part_of = (each for each in by_shape if words <= set(each.split("_")))
        near = sorted(part_of, key=lambda each: (len(each), each))
    return by_shape[near[0]] if near else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean device_type?``, or an empty text."""
    near = nearest(name, known)
    return f"; did you mean {near}?" if near else ""


def _shape(name: str) -> str:
    return _HUMP.sub("_", name).replace("-", "_").lower()
