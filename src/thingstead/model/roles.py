"""Roles of callers of the Project API; each includes the permissions of the ones before it."""

from typing import Literal, get_args

Role = Literal["viewer", "operator", "admin"]

ROLES: tuple[Role, ...] = get_args(Role)
VIEWER: Role = "viewer"  # reads everything except credentials
OPERATOR: Role = "operator"  # additionally sets up and controls devices and handles their alarms
ADMIN: Role = "admin"  # additionally removes, defines types and rules, manages people, keys and the project


def allows(held: Role, needed: Role) -> bool:
    """Whether a role includes the permissions of another."""
    return ROLES.index(held) >= ROLES.index(needed)
