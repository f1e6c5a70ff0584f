"""What ``/healthz`` says beside its status."""

import msgspec


class HealthWarning(msgspec.Struct, frozen=True):
    """Something that somebody should look at although everything that is acknowledged is kept.

    ``code`` is stable and documented (docs/operating.md); ``message`` is for people.
    """

    code: str
    message: str
