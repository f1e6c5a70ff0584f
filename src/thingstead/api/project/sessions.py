"""Sessions of people in browsers: what the console, and any other page of this server, logs in with."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from thingstead import __version__
from thingstead.api import credentials
from thingstead.api.dialect import NO_STORE
from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.api.fields import ShortListQuery
from thingstead.errors import Conflict, NotAuthenticated, NotFound, TooManyRequests
from thingstead.model.browser_session import BrowserSession
from thingstead.model.project import Administrator
from thingstead.model.roles import VIEWER, Role
from thingstead.services.accounts.browser_sessions import Browser
from thingstead.wire.common import Listed

TAG = "Console"
LANGUAGES = ["zh", "en"]
Credential = Annotated[str, Meta(min_length=1, max_length=128)]


class ConsoleInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Information for a page before the log-in."""

    version: str
    languages: list[str]
    single_project: bool  # there is one project: a log-in need not name it
    secure: bool  # the request came over TLS
    second_factor: bool  # a log-in requires one
    signed_in: bool  # the request has a session


class SessionBody(msgspec.Struct, frozen=True, kw_only=True):
    """An administrator's account and password."""

    account: Credential
    password: Credential
    project: Annotated[str, Meta(min_length=1, max_length=128, description="The ProjectId.")] | None = None
    keep: Annotated[bool, Meta(description="Keep me logged in.")] = False


class PersonInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The administrator who is logged in."""

    id: str
    account: str
    name: str
    email: str


class SessionProject(msgspec.Struct, frozen=True, kw_only=True):
    """The project of a session."""

    id: str
    name: str
    descr: str
    tags: dict[str, str]
    timezone: str
    view_key: str  # ProjectViewKey: user name of the MQTT subscription, and the first level of its topics


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The session, with its administrator and project."""

    id: str
    admin: PersonInfo
    role: Role
    project: SessionProject
    created_at: int  # ms
    expires_at: int  # ms, without another request
    keep: bool
    version: str  # of the server


class SessionItem(msgspec.Struct, frozen=True, kw_only=True):
    """A browser session of the administrator."""

    id: str
    current: bool  # the session of this request
    created_at: int  # ms
    last_seen_at: int  # ms, last request, precise to the minute
    expires_at: int  # ms
    keep: bool
    remote_address: str
    user_agent: str


async def read_console(call: ApiCall) -> ConsoleInfo:
    """Information for a page before the log-in."""
    return ConsoleInfo(
        version=__version__,
        languages=LANGUAGES,
        single_project=await call.platform.browser_sessions.has_single_project(),
        secure=credentials.is_secure(call.scope),
        second_factor=False,
        signed_in=await credentials.signed_in(call.scope, call.platform),
    )


async def log_in(call: ApiCall) -> SessionInfo:
    """The session is a cookie that scripts cannot read. If account and password are valid in several projects and none
    is named, the answer is errcode 409 with their ids and names in `info.projects`. Requires the header `X-Thingstead:
    1`, and `Origin` or `Sec-Fetch-Site`; neither may name another origin."""
    credentials.require_own_page(call.scope)
    body: SessionBody = call.body
    headers = {name: value.decode("latin-1") for name, value in call.scope["headers"] if name == b"user-agent"}
    browser = Browser(
        call.remote_address,
        headers.get(b"user-agent", ""),
        await credentials.session_secret(call.scope, call.platform),
    )
    logged_in = await call.platform.browser_sessions.log_in(
        body.account, body.password, browser, project_id=body.project, keep=body.keep
    )
    session = logged_in.person.session
    max_age_s = (session.expires_at - session.created_at) // 1000 if session.keep else None
    cookie = await credentials.session_cookie(call.scope, call.platform, logged_in.secret, max_age_s)
    call.answer_headers += (cookie, NO_STORE)
    return await _info(call, *logged_in.person)


async def read_session(call: ApiCall) -> SessionInfo:
    """The administrator, the role and the project of the session."""
    secret = await credentials.session_secret(call.scope, call.platform)
    return await _info(call, *await call.platform.browser_sessions.authenticate(secret))


async def log_out(call: ApiCall) -> None:
    """Ends the session and its WebSockets; its cookie becomes invalid."""
    caller = call.caller
    await call.platform.browser_sessions.log_out(caller.project_id, call.person_id, caller.session_id)
    call.answer_headers.append(await credentials.session_cookie(call.scope, call.platform, "", 0))


async def list_sessions(call: ApiCall) -> Listed[SessionItem]:
    """The administrator's browser sessions, newest first."""
    caller = call.caller
    sessions = await call.platform.browser_sessions.list_sessions(caller.project_id, call.person_id)
    query: ShortListQuery = call.query
    return query.listed([shown_session(session, caller.session_id) for session in sessions])


async def end_session(call: ApiCall) -> None:
    """Ends one of the administrator's own browser sessions."""
    caller = call.caller
    await call.platform.browser_sessions.end(caller.project_id, call.person_id, call.path["session_id"])


async def _info(call: ApiCall, session: BrowserSession, administrator: Administrator) -> SessionInfo:
    project = await call.platform.projects.get(session.project_id)
    return SessionInfo(
        id=session.id,
        admin=PersonInfo(
            id=administrator.id, account=administrator.account, name=administrator.name, email=administrator.email
        ),
        role=administrator.role,
        project=SessionProject(
            id=project.id,
            name=project.name,
            descr=project.descr,
            tags=project.tags,
            timezone=project.timezone,
            view_key=project.view_key,
        ),
        created_at=session.created_at,
        expires_at=session.expires_at,
        keep=session.keep,
        version=__version__,
    )


def shown_session(session: BrowserSession, current_id: str) -> SessionItem:
    """A session as a list shows it; ``current_id``: the session of the caller."""
    return SessionItem(
        id=session.id,
        current=session.id == current_id,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at,
        expires_at=session.expires_at,
        keep=session.keep,
        remote_address=session.remote_address,
        user_agent=session.user_agent,
    )


COMMON: dict[str, Any] = {"tag": TAG, "extension": True}
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/console",
        summary="Read what a page must know before the log-in",
        handler=read_console,
        info=ConsoleInfo,
        access=Access.PUBLIC,
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/console/session",
        summary="Log in with a browser",
        handler=log_in,
        body=SessionBody,
        info=SessionInfo,
        access=Access.PUBLIC,
        refusals=(NotAuthenticated, Conflict, TooManyRequests),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/console/session",
        summary="Read the session of a browser",
        handler=read_session,
        role=VIEWER,
        info=SessionInfo,
        access=Access.SESSION,
        **COMMON,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/console/session",
        summary="Log out",
        handler=log_out,
        role=VIEWER,
        access=Access.SESSION,
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/console/sessions",
        summary="List the administrator's own sessions in browsers",
        handler=list_sessions,
        role=VIEWER,
        query=ShortListQuery,
        info=Listed[SessionItem],
        access=Access.ADMINISTRATOR,
        **COMMON,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/console/sessions/{session_id}",
        summary="End one of the administrator's own sessions in browsers",
        handler=end_session,
        role=VIEWER,
        access=Access.ADMINISTRATOR,
        refusals=(NotFound,),
        **COMMON,
    ),
)
