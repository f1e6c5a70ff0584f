"""Warnings of ``/healthz``."""

import msgspec


class HealthWarning(msgspec.Struct, frozen=True):
    """A condition that an operator should check; no acknowledged data is lost.

    ``code`` is stable and documented (docs/operating.md); ``message`` is for people.
    """

    code: str
    message: str
