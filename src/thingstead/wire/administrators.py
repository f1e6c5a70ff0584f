"""Administrators of a project."""

import msgspec

from thingstead.model.roles import ADMIN, Role


class AdministratorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A person who manages the project."""

    id: str
    account: str
    name: str
    email: str
    tags: dict[str, str]
    role: Role = ADMIN  # (extension)
    create_time: int = 0  # ms (extension)
    last_login_at: int = 0  # ms; 0: never (extension)
    version: int = 0  # extension: incremented by each change, from 1; send it with a change to detect conflicts


class AdministratorCreated(msgspec.Struct, frozen=True, kw_only=True):
    """The created administrator."""

    id: str
    account: str
