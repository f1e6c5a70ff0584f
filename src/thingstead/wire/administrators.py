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
    version: int = 0  # extension: counts its changes, from 1; a change may name the one that was read


class AdministratorCreated(msgspec.Struct, frozen=True, kw_only=True):
    """What was created."""

    id: str
    account: str
