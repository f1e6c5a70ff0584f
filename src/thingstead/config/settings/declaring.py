"""Declaration of a setting: description, unit and limits of its values."""

from typing import Any

from msgspec import Meta


def about(description: str, unit: str = "", *, secret: bool = False, **limits: Any) -> Meta:
    """Description of a setting for the documentation, and limits of its values."""
    return Meta(description=description, extra={"unit": unit, "secret": secret}, **limits)
