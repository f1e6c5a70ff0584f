"""Search over a project; saved views and preferences of an administrator."""

from collections.abc import Mapping
from typing import Any

from thingstead.client.call import Call, members
from thingstead.client.http import segment
from thingstead.wire.common import Created, Empty
from thingstead.wire.console import ViewList
from thingstead.wire.search import SearchInfo


def search(q: str, limit: int | None = None) -> Call[SearchInfo]:
    """Devices, types, groups, customers, alarm rules and notify groups that contain the text."""
    return Call("GET", "/search", SearchInfo, query={"q": q, "limit": limit})


def list_views() -> Call[ViewList]:
    """The administrator's own views of the list of devices, and the shared ones."""
    return Call("GET", "/device_views", ViewList)


def create_view(name: str, query: str, *, shared: bool | None = None) -> Call[Created]:
    """Saves a view."""
    return Call("POST", "/device_views", Created, members(name=name, query=query, shared=shared))


def update_view(
    view_id: str,
    *,
    name: str | None = None,
    query: str | None = None,
    shared: bool | None = None,
    version: int | None = None,
) -> Call[Empty]:
    """Changes the given members."""
    body = members(name=name, query=query, shared=shared, version=version)
    return Call("PUT", f"/device_view/{segment(view_id)}", Empty, body)


def delete_view(view_id: str) -> Call[Empty]:
    """Removes a view."""
    return Call("DELETE", f"/device_view/{segment(view_id)}", Empty)


def preferences() -> Call[dict[str, Any]]:
    """Preferences of the administrator's console."""
    return Call("GET", "/admin/preferences", dict[str, Any])


def keep_preferences(preferences: Mapping[str, Any]) -> Call[Empty]:
    """Replaces all preferences."""
    return Call("PUT", "/admin/preferences", Empty, dict(preferences))
