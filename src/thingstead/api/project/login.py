"""Getting an AccessToken (获取 AccessToken)."""

from typing import Annotated

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.errors import NotAuthenticated, TooManyRequests
from thingstead.wire.login import AccessToken

TAG = "AccessToken"
Credential = Annotated[str, Meta(min_length=1, max_length=128)]


class AccessTokenBody(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of an application of type API."""

    app_id: Credential
    access_key: Credential
    secret_key: Credential


class AdminLoginBody(msgspec.Struct, frozen=True, kw_only=True):
    """An administrator's account and password, and an application of the project."""

    app_id: Credential
    account: Credential
    password: Credential


async def access_token(call: ApiCall) -> AccessToken:
    """For servers, which can store a secret. The token is valid for one day (`account.access_token_life_s`)."""
    body: AccessTokenBody = call.body
    token = await call.platform.tokens.log_in_application(
        body.app_id, body.access_key, body.secret_key, call.remote_address
    )
    return AccessToken(access_token=token)


async def admin_login(call: ApiCall) -> AccessToken:
    """For people in a browser. The token is valid for seven days (`account.admin_token_life_s`)."""
    body: AdminLoginBody = call.body
    token = await call.platform.tokens.log_in_administrator(
        body.app_id, body.account, body.password, call.remote_address
    )
    return AccessToken(access_token=token)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/api/v1/access_token",
        summary="Get an AccessToken for an application",
        handler=access_token,
        tag=TAG,
        body=AccessTokenBody,
        info=AccessToken,
        confidential=True,
        access=Access.PUBLIC,
        refusals=(NotAuthenticated, TooManyRequests),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/admin_login",
        summary="Get an AccessToken for an administrator",
        handler=admin_login,
        tag=TAG,
        body=AdminLoginBody,
        info=AccessToken,
        confidential=True,
        access=Access.PUBLIC,
        refusals=(NotAuthenticated, TooManyRequests),
    ),
)
