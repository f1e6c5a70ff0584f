"""Who calls the Project API: the AccessToken of a request, or the session of the browser that sent it."""

from thingstead.api.body import Scope
from thingstead.errors import NotAuthenticated
from thingstead.model.http_headers import comes_from_here, cookie_of, value_of
from thingstead.model.roles import ADMIN, VIEWER
from thingstead.model.token_scope import SCOPED_TOKEN_PREFIX
from thingstead.services.accounts.tokens import Caller
from thingstead.services.platform import Platform

PAGE_HEADER = b"x-thingstead"  # a page of another origin cannot send it without permission by CORS
OPERATED_PROJECT = "thingstead.operated_project"  # in a scope that the local socket makes; no HTTP server sets it
READING = frozenset({"GET", "HEAD"})
COOKIE_ATTRIBUTES = "; Path=/; HttpOnly; SameSite=Strict"


async def caller_of(scope: Scope, platform: Platform) -> Caller:
    """Authenticates the caller of a request. If there is a header Authorization, cookies are ignored.

    Raises:
        NotAuthenticated: no valid credential, or a session whose request was not sent by a page of this server.
    """
    operated: str | None = scope.get(OPERATED_PROJECT)
    if operated is not None:
        project = await platform.projects.get(operated)
        return Caller(project.id, "", role=ADMIN, operator=True)
    authorization = value_of(scope["headers"], b"authorization")
    if authorization is None:
        secret = await session_secret(scope, platform)
        if secret:
            require_own_page(scope)
            return await _person(secret, scope, platform)
    token = _token_of(authorization)
    if token.startswith(SCOPED_TOKEN_PREFIX):
        claims = await platform.scoped_tokens.authenticate(token)
        return Caller(claims.project_id, claims.app_id, claims.admin_id, VIEWER, scope=claims.scope)
    return await platform.tokens.authenticate(token)


async def _person(secret: str, scope: Scope, platform: Platform) -> Caller:
    session, administrator = await platform.browser_sessions.authenticate(secret, remote_host(scope))
    return Caller(session.project_id, "", administrator.id, administrator.role, session.id)


async def signed_in(scope: Scope, platform: Platform) -> bool:
    """Whether a request to a public endpoint has a valid session."""
    secret = await session_secret(scope, platform)
    if not secret or not _is_own_page(scope):
        return False
    try:
        await _person(secret, scope, platform)
    except NotAuthenticated:
        return False
    return True


async def session_secret(scope: Scope, platform: Platform) -> str:
    """Value of the session cookie; empty if there is none."""
    if value_of(scope["headers"], b"cookie") is None:
        return ""
    return cookie_of(scope["headers"], await platform.browser_sessions.cookie_name(secure=is_secure(scope)))


def require_own_page(scope: Scope) -> None:
    """Raises NotAuthenticated if a request was not sent by a page of this server or by a program that sets the same
    headers."""
    if not _is_own_page(scope):
        raise NotAuthenticated("session_of_own_page")


def _is_own_page(scope: Scope) -> bool:
    headers = scope["headers"]
    if value_of(headers, PAGE_HEADER) != b"1":
        return False
    return comes_from_here(headers, changes=scope["method"] not in READING, secure=is_secure(scope))


async def session_cookie(scope: Scope, platform: Platform, secret: str, max_age_s: int | None) -> tuple[bytes, bytes]:
    """The header that sets the session cookie; with an empty secret it deletes the cookie.

    Args:
        max_age_s: lifetime in the browser; None: until the browser is closed.
    """
    secure = is_secure(scope)
    name = await platform.browser_sessions.cookie_name(secure=secure)
    age = "" if max_age_s is None else f"; Max-Age={max_age_s}"
    return b"set-cookie", f"{name}={secret}{COOKIE_ATTRIBUTES}{'; Secure' if secure else ''}{age}".encode()


def request_host(scope: Scope) -> str:
    """The header Host: name and, if given, port under which the client reached the server."""
    return (value_of(scope["headers"], b"host") or b"").decode("latin-1")


def is_secure(scope: Scope) -> bool:
    """Whether a request came over TLS, as far as the server knows."""
    return bool(scope.get("scheme") == "https")


def remote_host(scope: Scope) -> str:
    """Address of the peer; empty if unknown."""
    peer = scope.get("client")
    return str(peer[0]) if peer else ""


def bearer_token(scope: Scope) -> str:
    """Token of the header Authorization. Raises NotAuthenticated if there is none."""
    return _token_of(value_of(scope["headers"], b"authorization"))


def _token_of(authorization: bytes | None) -> str:
    if authorization is not None:
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        token = token.strip()
        if token and scheme.lower() == "bearer":
            return token
    raise NotAuthenticated("token_required")
