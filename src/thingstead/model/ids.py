"""Formats of ids, keys and tokens, as real clients have seen them (wire reference §1.2)."""

import secrets
import string

LOWER = string.ascii_lowercase + string.digits
MIXED = string.ascii_letters + string.digits


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def new_id() -> str:
    """A public id of any noun: 8 characters ``[a-z0-9]``. Uniqueness is the store's to enforce."""
    return _random(LOWER, 8)


def new_project_key() -> str:
    """10 characters ``[A-Za-z0-9]``."""
    return _random(MIXED, 10)


def new_type_key() -> str:
    """10 characters ``[a-z0-9]``."""
    return _random(LOWER, 10)


def new_access_token() -> str:
    """A device's AccessToken: 16 characters ``[a-z0-9]`` (82 random bits)."""
    return _random(LOWER, 16)


def new_view_key() -> str:
    """ProjectViewKey, also the prefix of application topics: 10 characters ``[A-Za-z0-9]``."""
    return _random(MIXED, 10)


def new_view_token() -> str:
    """DeviceViewToken, a topic level: 16 characters ``[a-z0-9]``."""
    return _random(LOWER, 16)


def new_device_code() -> str:
    """The code in a device's QR image: 16 characters ``[a-z0-9]``."""
    return _random(LOWER, 16)


def new_access_key() -> str:
    """The public half of an application's key: 20 characters ``[A-Za-z0-9]``."""
    return _random(MIXED, 20)


def new_secret() -> str:
    """A secret shown once: 40 characters ``[A-Za-z0-9]`` (238 random bits)."""
    return _random(MIXED, 40)
