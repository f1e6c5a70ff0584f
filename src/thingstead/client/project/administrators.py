"""Administrators of the project. For administrators only."""

from collections.abc import Mapping

import msgspec

from thingstead.client.call import Call, Nothing, Page, members
from thingstead.client.http import segment


class Administrator(msgspec.Struct, frozen=True, kw_only=True):
    """A person who manages the project."""

    id: str
    account: str
    name: str = ""
    email: str = ""
    tags: dict[str, str] = {}


class CreatedAdministrator(msgspec.Struct, frozen=True, kw_only=True):
    """Who was added."""

    id: str
    account: str


def whoami() -> Call[Administrator]:
    """The administrator who is logged in."""
    return Call("GET", "/admin", Administrator)


def list_all() -> Call[Page[Administrator]]:
    """All of them, oldest first."""
    return Call("GET", "/admins", Page[Administrator])


def create(
    account: str,
    password: str,
    *,
    name: str | None = None,
    email: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Call[CreatedAdministrator]:
    body = members(account=account, password=password, name=name, email=email, tags=tags)
    return Call("POST", "/admin", CreatedAdministrator, body)


def read(admin_id: str) -> Call[Administrator]:
    return Call("GET", f"/admin/{segment(admin_id)}", Administrator)


def delete(admin_id: str) -> Call[Nothing]:
    return Call("DELETE", f"/admin/{segment(admin_id)}", Nothing)


def update_info(
    admin_id: str, *, name: str | None = None, email: str | None = None, tags: Mapping[str, str] | None = None
) -> Call[Nothing]:
    """Changes what is given; ``tags`` replaces all tags."""
    return Call("PUT", f"/admin/{segment(admin_id)}/info", Nothing, members(name=name, email=email, tags=tags))


def set_password(admin_id: str, password: str) -> Call[Nothing]:
    return Call("PUT", f"/admin/{segment(admin_id)}/pwd", Nothing, {"password": password})
