"""Administrators of a project."""

import msgspec


class AdministratorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A person who manages the project."""

    id: str
    account: str
    name: str
    email: str
    tags: dict[str, str]


class AdministratorCreated(msgspec.Struct, frozen=True, kw_only=True):
    """What was created."""

    id: str
    account: str
