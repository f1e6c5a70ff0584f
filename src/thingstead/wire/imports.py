"""An import of many devices."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType


class RowError(msgspec.Struct, frozen=True):
    """An invalid field of a row."""

    field: str
    message: str
    code: str = ""  # stable; docs/refusals.md has its text
    args: dict[str, Any] = {}  # arguments of its text


class RowResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a row: ``created``, ``exists`` (a device has its ``device_key``), or ``refused``. ``errors`` says
    why it was refused, or how the existing device, which is not changed, differs from the row."""

    index: int  # from 0
    result: Literal["created", "exists", "refused"]
    id: str | UnsetType = UNSET
    device_key: str | UnsetType = UNSET
    errors: list[RowError] | UnsetType = UNSET


class ImportInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Number of rows that were created, existed already, or were refused; and the result of each row, in order."""

    created: int
    exists: int
    refused: int
    items: list[RowResult]
