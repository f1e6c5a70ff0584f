"""Versions for optimistic concurrency: each change increments the version, and may require the current one."""

from collections.abc import Mapping
from typing import Any

VERSION = "version"


def of_version(changes: Mapping[str, Any], version: int | None) -> dict[str, Any]:
    """Adds the condition that the stored object still has this version; None: no condition."""
    return dict(changes) if version is None else {**changes, VERSION: version}
