"""Browser sessions of other administrators: seen and ended by those who manage people."""

from collections.abc import Mapping
from typing import Any

from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.api.fields import ShortListQuery
from thingstead.api.project.sessions import SessionItem, shown_session
from thingstead.errors import NotFound
from thingstead.model.roles import ADMIN
from thingstead.wire.common import Listed

COMMON: Mapping[str, Any] = {
    "tag": "Console",
    "role": ADMIN,
    "access": Access.ADMINISTRATOR,
    "extension": True,
    "refusals": (NotFound,),
}


async def list_sessions(call: ApiCall) -> Listed[SessionItem]:
    """The browser sessions of an administrator, newest first."""
    project_id, admin_id = call.caller.project_id, call.path["admin_id"]
    await call.platform.accounts.get_administrator(project_id, admin_id)
    sessions = await call.platform.browser_sessions.list_sessions(project_id, admin_id)
    query: ShortListQuery = call.query
    return query.listed([shown_session(session, call.caller.session_id) for session in sessions])


async def end_session(call: ApiCall) -> None:
    """Ends a browser session of an administrator at once."""
    await call.platform.browser_sessions.end(call.caller.project_id, call.path["admin_id"], call.path["session_id"])


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/console/people/{admin_id}/sessions",
        summary="List an administrator's sessions in browsers",
        handler=list_sessions,
        query=ShortListQuery,
        info=Listed[SessionItem],
        **COMMON,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/console/people/{admin_id}/sessions/{session_id}",
        summary="End an administrator's session in a browser",
        handler=end_session,
        **COMMON,
    ),
)
