"""Who a caller of the Project API is."""

from typing import NamedTuple


class Caller(NamedTuple):
    """A caller of the Project API: an application, or an administrator who logged in through one."""

    project_id: str
    app_id: str
    admin_id: str | None = None  # None for an application's own token


NOBODY = Caller("", "")  # the caller of a public endpoint
