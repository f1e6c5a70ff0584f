"""Administrators of the project (管理员管理). For administrators only."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.api.fields import Account, Email, ExpectedVersion, Password, RoleBody, ShortListQuery, TagsMember
from thingstead.errors import Conflict, NotFound, TooManyRequests
from thingstead.model import limits
from thingstead.model.project import Administrator
from thingstead.model.roles import ADMIN, VIEWER, Role
from thingstead.services.accounts.accounts import AdministratorChanges
from thingstead.wire.administrators import AdministratorCreated, AdministratorInfo
from thingstead.wire.common import Listed

TAG = "Administrators"
COMMON: Mapping[str, Any] = {"tag": TAG, "access": Access.ADMINISTRATOR, "extension": True}
PersonName = Annotated[str, Meta(max_length=limits.NAME_LENGTH)]


class AdministratorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The new administrator."""

    account: Account
    password: Password
    name: PersonName = ""
    email: Email = ""
    tags: TagsMember = {}
    role: Role = ADMIN


class AdministratorInfoBody(msgspec.Struct, frozen=True, kw_only=True):
    """The members to change; at least one. ``tags`` replaces all tags."""

    name: PersonName | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    tags: TagsMember | UnsetType = UNSET
    version: ExpectedVersion | None = None


class AdministratorPasswordBody(msgspec.Struct, frozen=True, kw_only=True):
    """The new password."""

    password: Password


class OwnPasswordBody(msgspec.Struct, frozen=True, kw_only=True):
    """The present and the new password."""

    current_password: Annotated[str, Meta(min_length=1, max_length=limits.PASSWORD_LENGTH)]
    password: Password


def _shown(administrator: Administrator) -> AdministratorInfo:
    return AdministratorInfo(
        id=administrator.id,
        version=administrator.version,
        account=administrator.account,
        name=administrator.name,
        email=administrator.email,
        tags=administrator.tags,
        role=administrator.role,
        create_time=administrator.create_time,
        last_login_at=administrator.last_login_at,
    )


async def read_myself(call: ApiCall) -> AdministratorInfo:
    """The administrator who is logged in. Requires an AccessToken of ``admin_login`` or a browser session."""
    return _shown(await call.platform.accounts.get_administrator(call.caller.project_id, call.person_id))


async def list_administrators(call: ApiCall) -> Listed[AdministratorInfo]:
    """All administrators of the project, oldest first."""
    administrators = await call.platform.accounts.list_administrators(call.caller.project_id)
    query: ShortListQuery = call.query
    return query.listed([_shown(administrator) for administrator in administrators])


async def read_administrator(call: ApiCall) -> AdministratorInfo:
    """One administrator."""
    return _shown(await call.platform.accounts.get_administrator(call.caller.project_id, call.path["admin_id"]))


async def create_administrator(call: ApiCall) -> AdministratorCreated:
    """The account must not be taken in the project."""
    body: AdministratorBody = call.body
    administrator = await call.platform.accounts.create_administrator(
        call.caller.project_id,
        body.account,
        body.password,
        name=body.name,
        email=body.email,
        tags=body.tags,
        role=body.role,
    )
    return AdministratorCreated(id=administrator.id, account=administrator.account)


async def update_info(call: ApiCall) -> None:
    """Absent members stay unchanged."""
    body: AdministratorInfoBody = call.body
    changes = AdministratorChanges(name=body.name, email=body.email, tags=body.tags)
    await call.platform.accounts.update_administrator(
        call.caller.project_id, call.path["admin_id"], changes, body.version
    )


async def set_password(call: ApiCall) -> None:
    """Sets the password of an administrator. All AccessTokens of the administrator, including the caller's own, become
    invalid at once, and all browser sessions end except that of the caller."""
    caller = call.caller
    await call.platform.accounts.set_administrator_password(
        caller.project_id, call.path["admin_id"], call.body.password, session_id=caller.session_id
    )


async def set_own_password(call: ApiCall) -> None:
    """Changes the password of the administrator who is logged in; any role may call it. Wrong present passwords are
    throttled as log-ins are. All AccessTokens of the administrator become invalid at once, and all browser sessions end
    except that of the caller."""
    caller = call.caller
    body: OwnPasswordBody = call.body
    await call.platform.accounts.change_own_password(
        caller.project_id,
        call.person_id,
        body.current_password,
        body.password,
        session_id=caller.session_id,
        remote_address=call.remote_address,
    )


async def set_role(call: ApiCall) -> None:
    """The administrator's AccessTokens become invalid at once, and all browser sessions end except that of the caller.
    The role of the project's last administrator with the role `admin` cannot be changed."""
    caller = call.caller
    await call.platform.accounts.set_administrator_role(
        caller.project_id, call.path["admin_id"], call.body.role, session_id=caller.session_id
    )


async def delete_administrator(call: ApiCall) -> None:
    """The administrator's AccessTokens become invalid and the browser sessions end at once. The project's last
    administrator with the role `admin` cannot be removed."""
    await call.platform.accounts.delete_administrator(call.caller.project_id, call.path["admin_id"])


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/admin",
        summary="Read the current administrator",
        handler=read_myself,
        role=VIEWER,
        tag=TAG,
        info=AdministratorInfo,
        access=Access.ADMINISTRATOR,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/admins",
        summary="List administrators",
        handler=list_administrators,
        role=VIEWER,
        query=ShortListQuery,
        info=Listed[AdministratorInfo],
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/admin",
        summary="Create an administrator",
        handler=create_administrator,
        role=ADMIN,
        body=AdministratorBody,
        info=AdministratorCreated,
        refusals=(Conflict, TooManyRequests),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/admin/{admin_id}",
        summary="Read an administrator",
        handler=read_administrator,
        role=VIEWER,
        info=AdministratorInfo,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/admin/{admin_id}",
        summary="Remove an administrator",
        handler=delete_administrator,
        role=ADMIN,
        refusals=(NotFound, Conflict),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/admin/{admin_id}/info",
        summary="Change an administrator's name, e-mail address or tags",
        handler=update_info,
        role=ADMIN,
        body=AdministratorInfoBody,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/admin/{admin_id}/pwd",
        summary="Set an administrator's password",
        handler=set_password,
        role=ADMIN,
        body=AdministratorPasswordBody,
        refusals=(NotFound, TooManyRequests),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/admin/{admin_id}/role",
        summary="Set what an administrator may do",
        handler=set_role,
        role=ADMIN,
        body=RoleBody,
        refusals=(NotFound, Conflict),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/admin/pwd",
        summary="Change one's own password",
        handler=set_own_password,
        role=VIEWER,
        body=OwnPasswordBody,
        refusals=(TooManyRequests,),
        **COMMON,
    ),
)
