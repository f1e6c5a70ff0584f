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
    """An administrator to be created."""

    account: Account
    password: Password
    name: PersonName = ""
    email: Email = ""
    tags: TagsMember = {}
    role: Role = ADMIN


class AdministratorInfoBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be changed; at least one member. ``tags`` replaces all tags."""

    name: PersonName | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    tags: TagsMember | UnsetType = UNSET
    version: ExpectedVersion | None = None


class AdministratorPasswordBody(msgspec.Struct, frozen=True, kw_only=True):
    """A new password."""

    password: Password


class OwnPasswordBody(msgspec.Struct, frozen=True, kw_only=True):
    """The present password, and a new one."""

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
    """The administrator who logged in. Only with an AccessToken of ``admin_login``."""
    admin_id = call.caller.admin_id or ""  # present: the endpoint is for administrators
    return _shown(await call.platform.accounts.get_administrator(call.caller.project_id, admin_id))


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
    """Every AccessToken of the administrator, also the caller's own, becomes invalid at once, and every browser session
    ends except that of the caller."""
    caller = call.caller
    await call.platform.accounts.set_administrator_password(
        caller.project_id, call.path["admin_id"], call.body.password, session_id=caller.session_id
    )


async def set_own_password(call: ApiCall) -> None:
    """Of the administrator who logged in, whatever the role. Wrong present passwords are throttled as log-ins are. Each
    AccessToken of the administrator becomes invalid at once, and every browser session ends except that of the
    caller."""
    caller = call.caller
    body: OwnPasswordBody = call.body
    await call.platform.accounts.change_own_password(
        caller.project_id,
        caller.admin_id or "",
        body.current_password,
        body.password,
        session_id=caller.session_id,
        remote_address=call.remote_address,
    )


async def set_role(call: ApiCall) -> None:
    """The administrator's AccessTokens end at once, and so does every session in a browser but the one that asks. The
    last administrator of a project with the role `admin` keeps it."""
    caller = call.caller
    await call.platform.accounts.set_administrator_role(
        caller.project_id, call.path["admin_id"], call.body.role, session_id=caller.session_id
    )


async def delete_administrator(call: ApiCall) -> None:
    """The administrator's AccessTokens and sessions in browsers end at once. The last administrator of a project with
    the role `admin` cannot be removed."""
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
