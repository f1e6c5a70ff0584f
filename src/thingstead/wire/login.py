"""An AccessToken."""

import msgspec


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """The token for the header ``Authorization: Bearer <AccessToken>``."""

    access_token: str
