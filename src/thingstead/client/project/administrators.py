"""Administrators of the project. For administrators only."""

from collections.abc import Mapping

from thingstead.client.call import Call, members
from thingstead.client.http import segment
from thingstead.model.roles import Role
from thingstead.wire.administrators import AdministratorCreated, AdministratorInfo
from thingstead.wire.common import Empty, Listed


def whoami() -> Call[AdministratorInfo]:
    """The administrator who is logged in."""
    return Call("GET", "/admin", AdministratorInfo)


def list_all() -> Call[Listed[AdministratorInfo]]:
    """All administrators, oldest first."""
    return Call("GET", "/admins", Listed[AdministratorInfo])


def create(
    account: str,
    password: str,
    *,
    name: str | None = None,
    email: str | None = None,
    tags: Mapping[str, str] | None = None,
    role: Role | None = None,
) -> Call[AdministratorCreated]:
    """Creates an administrator; the account must be unique in the project."""
    body = members(account=account, password=password, name=name, email=email, tags=tags, role=role)
    return Call("POST", "/admin", AdministratorCreated, body)


def read(admin_id: str) -> Call[AdministratorInfo]:
    """One administrator."""
    return Call("GET", f"/admin/{segment(admin_id)}", AdministratorInfo)


def delete(admin_id: str) -> Call[Empty]:
    """Removes an administrator, whose tokens become invalid at once."""
    return Call("DELETE", f"/admin/{segment(admin_id)}", Empty)


def update_info(
    admin_id: str,
    *,
    name: str | None = None,
    email: str | None = None,
    tags: Mapping[str, str] | None = None,
    version: int | None = None,
) -> Call[Empty]:
    """Changes the given members; ``tags`` replaces all tags."""
    body = members(name=name, email=email, tags=tags, version=version)
    return Call("PUT", f"/admin/{segment(admin_id)}/info", Empty, body)


def set_password(admin_id: str, password: str) -> Call[Empty]:
    """Sets the password of an administrator; earlier tokens become invalid at once."""
    return Call("PUT", f"/admin/{segment(admin_id)}/pwd", Empty, {"password": password})


def change_own_password(current_password: str, password: str) -> Call[Empty]:
    """Changes the password of the administrator who is logged in; earlier tokens become invalid at once."""
    return Call("PUT", "/admin/pwd", Empty, {"current_password": current_password, "password": password})


def set_role(admin_id: str, role: Role) -> Call[Empty]:
    """Sets the role; the administrator's tokens become invalid at once."""
    return Call("PUT", f"/admin/{segment(admin_id)}/role", Empty, {"role": role})
