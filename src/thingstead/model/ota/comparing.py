"""Which version a device may be upgraded to."""

import re
from typing import Literal

from thingstead.model.ota.version import ANY_VERSION, OtaVersion

# Why a device does not get a version.
NotOffered = Literal["", "not_newer", "version_unknown", "not_comparable", "not_from_version"]

_NUMERIC = re.compile(r"[vV]?(\d+(?:\.\d+)*)(?:([-+_. ]?)(.*))?\Z", re.DOTALL)


def parsed(version: str) -> tuple[tuple[int, ...], str] | None:
    """The numbers of a version such as ``1.10.2-beta`` without trailing zeros, and the suffix after them; None: it does
    not begin with a number."""
    match = _NUMERIC.match(version.strip())
    if match is None:
        return None
    numbers = [int(number) for number in match[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers), match[3] or ""


def compared(one: str, other: str) -> int | None:
    """Negative if ``one`` is older than ``other``, positive if it is newer, 0 if they are equal; None: they cannot be
    compared. Numbers are compared as numbers; of equal ones, a suffix makes a version older than none (``1.2-beta`` is
    older than ``1.2``), and two suffixes are compared as texts."""
    first, second = parsed(one), parsed(other)
    if first is None or second is None:
        return 0 if one.strip() == other.strip() else None
    if first[0] != second[0]:
        return -1 if first[0] < second[0] else 1
    if first[1] == second[1]:
        return 0
    if not first[1] or not second[1]:
        return 1 if not first[1] else -1
    return -1 if first[1] < second[1] else 1


def not_offered(version: OtaVersion, current: str) -> NotOffered:
    """Why a device that runs ``current`` (empty: it has not said) does not get a version; empty: it does.

    A newer version is for every device, or for those that run one of its ``from_versions``. A version that is equal, or
    cannot be compared, is only for devices whose version is named there (``*`` names every one that cannot be compared,
    and the unknown one). An older one is for none.
    """
    order = compared(version.version_name, current) if current else None
    named = current in version.from_versions
    if order is None:
        if named or ANY_VERSION in version.from_versions:
            return ""
        return "not_comparable" if current else "version_unknown"
    if order < 0 or (order == 0 and not named):
        return "not_newer"
    if version.from_versions and not named and ANY_VERSION not in version.from_versions:
        return "not_from_version"
    return ""
