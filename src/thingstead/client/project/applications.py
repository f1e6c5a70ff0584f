"""Applications of type API. For administrators only."""

from thingstead.client.call import Call, members
from thingstead.client.http import segment
from thingstead.model.roles import Role
from thingstead.wire.applications import ApplicationCredentials, ApplicationInfo
from thingstead.wire.common import Empty, Listed


def list_all() -> Call[Listed[ApplicationInfo]]:
    """All applications, oldest first."""
    return Call("GET", "/applications", Listed[ApplicationInfo])


def create(name: str, *, role: Role | None = None) -> Call[ApplicationCredentials]:
    """Creates an application; only this answer contains its SecretKey."""
    return Call("POST", "/application", ApplicationCredentials, members(name=name, role=role))


def read(app_id: str) -> Call[ApplicationInfo]:
    """One application, without its SecretKey."""
    return Call("GET", f"/application/{segment(app_id)}", ApplicationInfo)


def delete(app_id: str) -> Call[Empty]:
    """Removes an application; tokens obtained with its keys become invalid at once."""
    return Call("DELETE", f"/application/{segment(app_id)}", Empty)


def rename(app_id: str, name: str, *, version: int | None = None) -> Call[Empty]:
    """Changes the name."""
    return Call("PUT", f"/application/{segment(app_id)}/info", Empty, members(name=name, version=version))


def set_role(app_id: str, role: Role) -> Call[Empty]:
    """Sets the role; it applies to existing tokens of the application at once."""
    return Call("PUT", f"/application/{segment(app_id)}/role", Empty, {"role": role})


def reset_secret(app_id: str) -> Call[ApplicationCredentials]:
    """Creates new keys; the old keys, and tokens obtained with them, become invalid at once."""
    return Call("POST", f"/application/{segment(app_id)}/secret_reset", ApplicationCredentials)
