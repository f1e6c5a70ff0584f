"""Who calls the Project API: the AccessToken of a request, or the session of the browser that sent it."""

from thingstead.api.body import Scope
from thingstead.errors import NotAuthenticated
from thingstead.model.http_headers import comes_from_here, cookie_of, value_of
from thingstead.services.accounts.tokens import Caller
from thingstead.services.platform import Platform

PAGE_HEADER = b"x-thingstead"  # which no page of another origin may send unless it was allowed to
READING = frozenset({"GET", "HEAD"})
COOKIE_ATTRIBUTES = "; Path=/; HttpOnly; SameSite=Strict"


async def caller_of(scope: Scope, platform: Platform) -> Caller:
    """Whom a request is from. Where it has the header Authorization, that alone counts.

    Raises:
        NotAuthenticated: it has no valid credential, or a session but was not sent by a page of this server.
    """
    authorization = value_of(scope["headers"], b"authorization")
    if authorization is None:
        secret = await session_secret(scope, platform)
        if secret:
            require_own_page(scope)
            return await _person(secret, scope, platform)
    token = _token_of(authorization)
    return await platform.tokens.authenticate(token)


async def _person(secret: str, scope: Scope, platform: Platform) -> Caller:
    session, administrator = await platform.browser_sessions.authenticate(secret, remote_host(scope))
    return Caller(session.project_id, "", administrator.id, administrator.role, session.id)


async def signed_in(scope: Scope, platform: Platform) -> bool:
    """Whether a request that needs no credential has a session all the same."""
    secret = await session_secret(scope, platform)
    if not secret or not _is_own_page(scope):
        return False
    try:
        await _person(secret, scope, platform)
    except NotAuthenticated:
        return False
    return True


async def session_secret(scope: Scope, platform: Platform) -> str:
    """What the cookie of a session holds; empty where there is none."""
    if value_of(scope["headers"], b"cookie") is None:
        return ""
    return cookie_of(scope["headers"], await platform.browser_sessions.cookie_name(secure=is_secure(scope)))


def require_own_page(scope: Scope) -> None:
    """Raises NotAuthenticated where a request was not sent by a page of this server, or a program that says so."""
    if not _is_own_page(scope):
        raise NotAuthenticated("session_of_own_page")


def _is_own_page(scope: Scope) -> bool:
    headers = scope["headers"]
    if value_of(headers, PAGE_HEADER) != b"1":
        return False
    return comes_from_here(headers, changes=scope["method"] not in READING, secure=is_secure(scope))


async def session_cookie(scope: Scope, platform: Platform, secret: str, max_age_s: int | None) -> tuple[bytes, bytes]:
    """The header that gives a browser its session, or with an empty secret takes it.

    Args:
        max_age_s: how long the browser keeps it; None: until it is closed.
    """
    secure = is_secure(scope)
    name = await platform.browser_sessions.cookie_name(secure=secure)
    age = "" if max_age_s is None else f"; Max-Age={max_age_s}"
    return b"set-cookie", f"{name}={secret}{COOKIE_ATTRIBUTES}{'; Secure' if secure else ''}{age}".encode()


def request_host(scope: Scope) -> str:
    """The header Host: the name, and perhaps the port, under which the server was reached."""
    return (value_of(scope["headers"], b"host") or b"").decode("latin-1")


def is_secure(scope: Scope) -> bool:
    """Whether a request came over TLS, as far as the server knows."""
    return bool(scope.get("scheme") == "https")


def remote_host(scope: Scope) -> str:
    """The address of the peer; empty where it is unknown."""
    peer = scope.get("client")
    return str(peer[0]) if peer else ""


def bearer_token(scope: Scope) -> str:
    """The token of the Authorization header; NotAuthenticated where there is none."""
    return _token_of(value_of(scope["headers"], b"authorization"))


def _token_of(authorization: bytes | None) -> str:
    if authorization is not None:
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        token = token.strip()
        if token and scheme.lower() == "bearer":
            return token
    raise NotAuthenticated("token_required")
