"""Tokens for pages and partners that may see some devices for some time."""

from typing import Annotated

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.model import token_scope as scopes
from thingstead.model.limits import ID_PATTERN
from thingstead.model.roles import OPERATOR
from thingstead.model.token_scope import ScopedRead, ScopedTopic, TokenScope
from thingstead.wire.scoped_tokens import ScopedTokenInfo

Id = Annotated[str, Meta(pattern=ID_PATTERN)]


class ScopedTokenBody(msgspec.Struct, frozen=True, kw_only=True):
    """What the token opens. A device is in scope if it is named, is of a named type, or is in a named group."""

    devices: Annotated[list[Id], Meta(max_length=scopes.SCOPE_DEVICES_COUNT, description="Ids of devices.")] = []
    types: Annotated[list[Id], Meta(max_length=scopes.SCOPE_TYPES_COUNT, description="Ids of device types.")] = []
    groups: Annotated[
        list[Id],
        Meta(
            max_length=scopes.SCOPE_GROUPS_COUNT,
            description="Ids of device groups; devices of their subgroups are not in scope.",
        ),
    ] = []
    topics: Annotated[
        list[ScopedTopic], Meta(max_length=6, description="Kinds of messages that may be subscribed to over MQTT.")
    ] = []
    reads: Annotated[list[ScopedRead], Meta(max_length=4, description="What may be read of a device.")] = []
    expires_in_s: Annotated[
        int, Meta(ge=1, le=scopes.SCOPED_LIFE_MAX_S, description="For how long the token is valid, in s.")
    ] = scopes.SCOPED_LIFE_S


async def create_scoped_token(call: ApiCall) -> ScopedTokenInfo:
    """A token for a page or a partner, without any secret of the project. It opens an MQTT connection (user name: the
    ProjectViewKey, password: the token), which gets messages of the devices in scope only, and the named reads of these
    devices. Only this answer contains the token. It ends when it expires, and with whoever created it: with the removal
    or the reset of the application, and with the removal, a new password or a new role of the administrator."""
    body: ScopedTokenBody = call.body
    scope = TokenScope(
        devices=tuple(dict.fromkeys(body.devices)),
        types=tuple(dict.fromkeys(body.types)),
        groups=tuple(dict.fromkeys(body.groups)),
        topics=tuple(dict.fromkeys(body.topics)),
        reads=tuple(dict.fromkeys(body.reads)),
    )
    issued = await call.platform.scoped_tokens.issue(call.caller, scope, body.expires_in_s)
    project = await call.platform.projects.get(call.caller.project_id)
    return ScopedTokenInfo(
        id=issued.claims.id, token=issued.token, view_key=project.view_key, expires_at=issued.claims.expires_at
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/api/v1/scoped_token",
        summary="Create a scoped token",
        handler=create_scoped_token,
        tag="AccessToken",
        role=OPERATOR,
        body=ScopedTokenBody,
        info=ScopedTokenInfo,
        extension=True,
        confidential=True,
        example={
            "devices": ["k3v9x2ab"],
            "topics": ["attributes", "online"],
            "reads": ["attributes", "history"],
            "expires_in_s": 3600,
        },
    ),
)
