"""The text of a signed token: base64url without padding. A token has one text only."""

import base64
import binascii

from thingstead.errors import NotAuthenticated


def text_of(raw: bytes) -> str:
    """The text of a token."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def bytes_of(text: str) -> bytes:
    """What a text encodes. Raises NotAuthenticated for a text that :func:`text_of` does not make."""
    if text.isascii():
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            raise NotAuthenticated("token_invalid") from None
        if text_of(raw) == text:  # otherwise it has padding, or bits that base64 ignores
            return raw
    raise NotAuthenticated("token_invalid")
