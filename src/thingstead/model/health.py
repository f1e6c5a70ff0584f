"""Warnings of ``/healthz``."""

from typing import Any

import msgspec

from thingstead.refusals import Arg, reason


class HealthWarning(msgspec.Struct, frozen=True, omit_defaults=True):
    """A condition that an operator should check; no acknowledged data is lost.

    ``code`` is stable and documented (docs/operating.md); ``message`` is for people.
    """

    code: str
    message: str
    args: dict[str, Any] = {}  # values in the text of the code


def health_warning(code: str, **args: Arg) -> HealthWarning:
    """The warning with this code, whose texts are in ``refusals.json``."""
    why = reason(code, **args)
    return HealthWarning(why.code, why.message, dict(why.args))
