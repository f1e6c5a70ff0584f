"""An import of many devices."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType


class RowError(msgspec.Struct, frozen=True):
    """What is wrong with one field of a row."""

    field: str
    message: str
    code: str = ""  # stable; docs/refusals.md has its text
    args: dict[str, Any] = {}  # what its text names


class RowResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a row: ``created``, ``exists`` (its ``device_key`` was there already), or ``refused``. ``errors``
    says why it was refused, or in what the device that exists differs from the row: it is not changed."""

    index: int  # from 0
    result: Literal["created", "exists", "refused"]
    id: str | UnsetType = UNSET
    device_key: str | UnsetType = UNSET
    errors: list[RowError] | UnsetType = UNSET


class ImportInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows were created, were there already, or were refused; and the result of each, in order."""

    created: int
    exists: int
    refused: int
    items: list[RowResult]
