"""Formats of ids, keys and tokens, as real clients use them (wire reference §1.2)."""

import secrets
import string


class Alphabet:
    """Generates random texts with a uniform distribution of characters."""

    def __init__(self, characters: str) -> None:
        count = len(characters)
        self.characters = characters
        # A byte maps to a character by its remainder; bytes above the last whole multiple would favor the first
        # characters.
        self._characters_of_bytes = bytes(ord(characters[byte % count]) for byte in range(256))
        self._unfair_bytes = bytes(range(256 - 256 % count, 256))

    def draw(self, length: int) -> str:
        """A random text of this length."""
        text = b""
        while len(text) < length:
            text += secrets.token_bytes(length).translate(self._characters_of_bytes, self._unfair_bytes)
        return text[:length].decode("ascii")


VIEW_KEY_CHARACTERS = 10
ACCESS_TOKEN_CHARACTERS = 16

LOWER = Alphabet(string.ascii_lowercase + string.digits)
MIXED = Alphabet(string.ascii_letters + string.digits)


def new_id() -> str:
    """A public id of an object: 8 characters ``[a-z0-9]``. The store enforces uniqueness."""
    return LOWER.draw(8)


def new_project_key() -> str:
    """10 characters ``[A-Za-z0-9]``."""
    return MIXED.draw(10)


def new_type_key() -> str:
    """10 characters ``[a-z0-9]``."""
    return LOWER.draw(10)


def new_access_token() -> str:
    """A device's AccessToken: 16 characters ``[a-z0-9]`` (82 random bits)."""
    return LOWER.draw(ACCESS_TOKEN_CHARACTERS)


def new_view_key() -> str:
    """ProjectViewKey, also the prefix of application topics: 10 characters ``[A-Za-z0-9]``."""
    return MIXED.draw(VIEW_KEY_CHARACTERS)


def new_view_token() -> str:
    """DeviceViewToken, a topic level: 16 characters ``[a-z0-9]``."""
    return LOWER.draw(16)


def new_device_code() -> str:
    """The code in a device's QR image: 16 characters ``[a-z0-9]``."""
    return LOWER.draw(16)


def new_access_key() -> str:
    """The public half of an application's key: 20 characters ``[A-Za-z0-9]``."""
    return MIXED.draw(20)


def new_secret() -> str:
    """A secret that is shown only once: 40 characters ``[A-Za-z0-9]`` (238 random bits)."""
    return MIXED.draw(40)
