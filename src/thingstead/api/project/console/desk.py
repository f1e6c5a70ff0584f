"""Search, saved views of the list of devices, and preferences of people."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.api.fields import ExpectedVersion, Name
from thingstead.errors import Conflict, NotFound
from thingstead.model import limits
from thingstead.model.console.saved_view import SavedView
from thingstead.model.roles import ADMIN, VIEWER, allows
from thingstead.wire.common import Created, Empty
from thingstead.wire.console import ViewItem, ViewList
from thingstead.wire.search import SearchInfo

TAG = "Console"
ViewQuery = Annotated[
    str,
    Meta(max_length=limits.VIEW_QUERY_LENGTH, description="The query of the page that shows it: filters and columns."),
]
Shared = Annotated[bool, Meta(description="Whether everybody in the project sees it.")]


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The text to search for."""

    q: Annotated[str, Meta(min_length=1, max_length=limits.KEYWORD_LENGTH, description="A part of a name, key or id.")]
    limit: Annotated[int, Meta(ge=1, le=limits.FOUND_COUNT, description="Items of each kind.")] = limits.FOUND_COUNT


class ViewBody(msgspec.Struct, frozen=True, kw_only=True):
    """The new view."""

    name: Name
    query: ViewQuery
    shared: Shared = False


class ViewChangeBody(msgspec.Struct, frozen=True, kw_only=True):
    """The members to change; at least one."""

    name: Name | UnsetType = UNSET
    query: ViewQuery | UnsetType = UNSET
    shared: Shared | UnsetType = UNSET
    version: ExpectedVersion | None = None


async def search(call: ApiCall) -> SearchInfo:
    """The first matches of each kind, and their number: devices (by name, key, id, device_code or description), device
    types, groups, customers (also by account), alarm rules and notification groups that contain the text, ignoring
    case."""
    query: SearchQuery = call.query
    return await call.platform.desk.search(call.caller.project_id, query.q, query.limit)


async def device_views(call: ApiCall) -> ViewList:
    """The administrator's own views and shared views of others, oldest first."""
    admin_id = call.person_id
    views = await call.platform.desk.list_views(call.caller.project_id, admin_id)
    return ViewList(items=[_shown(view, admin_id) for view in views])


async def create_view(call: ApiCall) -> Created:
    """Saves a view of the list of devices."""
    body: ViewBody = call.body
    view = await call.platform.desk.create_view(
        call.caller.project_id, call.person_id, body.name, body.query, shared=body.shared
    )
    return Created(id=view.id, name=view.name)


async def update_view(call: ApiCall) -> None:
    """Changes the given members of one of the administrator's own views."""
    body: ViewChangeBody = call.body
    given = {"name": body.name, "query": body.query, "shared": body.shared}
    changes = {name: value for name, value in given.items() if value is not UNSET}
    await call.platform.desk.update_view(
        call.caller.project_id, call.person_id, call.path["view_id"], changes, body.version
    )


async def delete_view(call: ApiCall) -> None:
    """Removes one of the administrator's own views; an administrator with the role `admin` may also remove shared views
    of others."""
    await call.platform.desk.delete_view(
        call.caller.project_id, call.person_id, call.path["view_id"], any_owner=allows(call.caller.role, ADMIN)
    )


async def preferences(call: ApiCall) -> Any:
    """Preferences of the administrator's console: language, theme, columns and the like."""
    return await call.platform.desk.preferences(call.person_id)


async def keep_preferences(call: ApiCall) -> None:
    """Replaces all preferences."""
    await call.platform.desk.keep_preferences(call.person_id, call.body)


def _shown(view: SavedView, admin_id: str) -> ViewItem:
    return ViewItem(
        id=view.id,
        version=view.version,
        name=view.name,
        query=view.query,
        shared=view.shared,
        own=view.admin_id == admin_id,
        create_time=view.create_time,
    )


PREFERENCES = Annotated[dict[str, Any], Meta(description="Any JSON object of up to 64 KiB.")]
ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/search",
        summary="Search the project",
        handler=search,
        role=VIEWER,
        tag=TAG,
        query=SearchQuery,
        info=SearchInfo,
        extension=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/device_views",
        summary="List saved views of devices",
        handler=device_views,
        access=Access.ADMINISTRATOR,
        role=VIEWER,
        tag=TAG,
        info=ViewList,
        extension=True,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/device_views",
        summary="Save a view of devices",
        handler=create_view,
        access=Access.ADMINISTRATOR,
        role=VIEWER,
        tag=TAG,
        body=ViewBody,
        info=Created,
        refusals=(Conflict,),
        extension=True,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/device_view/{view_id}",
        summary="Change a saved view",
        handler=update_view,
        access=Access.ADMINISTRATOR,
        role=VIEWER,
        tag=TAG,
        body=ViewChangeBody,
        refusals=(NotFound, Conflict),
        extension=True,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/device_view/{view_id}",
        summary="Remove a saved view",
        handler=delete_view,
        access=Access.ADMINISTRATOR,
        role=VIEWER,
        tag=TAG,
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/admin/preferences",
        summary="Read one's own preferences",
        handler=preferences,
        access=Access.ADMINISTRATOR,
        role=VIEWER,
        tag=TAG,
        info=dict[str, Any],
        extension=True,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/admin/preferences",
        summary="Keep one's own preferences",
        handler=keep_preferences,
        access=Access.ADMINISTRATOR,
        role=VIEWER,
        tag=TAG,
        body=PREFERENCES,
        info=Empty,
        extension=True,
    ),
)
