"""What a caller of the Project API may do: each role may do what the ones before it may."""

from typing import Literal, get_args

Role = Literal["viewer", "operator", "admin"]

ROLES: tuple[Role, ...] = get_args(Role)
VIEWER: Role = "viewer"  # reads everything but credentials
OPERATOR: Role = "operator"  # and works with devices: sets them up, controls them, handles their alarms
ADMIN: Role = "admin"  # and everything else: removes, defines types and rules, manages people, keys and the project


def allows(held: Role, needed: Role) -> bool:
    """Whether who has the one role may do what needs the other."""
    return ROLES.index(held) >= ROLES.index(needed)
