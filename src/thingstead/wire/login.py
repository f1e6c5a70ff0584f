"""An AccessToken."""

import msgspec


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into the header ``Authorization: Bearer <AccessToken>`` of other requests."""

    access_token: str
