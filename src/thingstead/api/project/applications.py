"""Applications of type API, whose keys open this API (项目应用). For administrators only."""

from collections.abc import Mapping
from typing import Any

import msgspec

from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.api.fields import ExpectedVersion, Name, RoleBody, ShortListQuery
from thingstead.errors import Conflict, NotFound
from thingstead.model.project import Application
from thingstead.model.roles import ADMIN, Role
from thingstead.services.accounts.accounts import NewApplication
from thingstead.wire.applications import ApplicationCredentials, ApplicationInfo
from thingstead.wire.common import Listed

TAG = "Applications"
COMMON: Mapping[str, Any] = {"tag": TAG, "access": Access.ADMINISTRATOR, "extension": True}


class ApplicationBody(msgspec.Struct, frozen=True, kw_only=True):
    """The new application."""

    name: Name
    role: Role = ADMIN


class ApplicationInfoBody(msgspec.Struct, frozen=True, kw_only=True):
    """The members to change."""

    name: Name
    version: ExpectedVersion | None = None


def _shown(application: Application) -> ApplicationInfo:
    return ApplicationInfo(
        id=application.id,
        version=application.version,
        name=application.name,
        access_key=application.access_key,
        create_time=application.create_time,
        role=application.role,
    )


def _keys(new: NewApplication) -> ApplicationCredentials:
    application = new.application
    return ApplicationCredentials(
        id=application.id, name=application.name, access_key=application.access_key, secret_key=new.secret_key
    )


async def list_applications(call: ApiCall) -> Listed[ApplicationInfo]:
    """Applications without their SecretKeys, which are stored as hashes only."""
    applications = await call.platform.accounts.list_applications(call.caller.project_id)
    query: ShortListQuery = call.query
    return query.listed([_shown(application) for application in applications])


async def read_application(call: ApiCall) -> ApplicationInfo:
    """The application without its SecretKey, which is stored as a hash only."""
    return _shown(await call.platform.accounts.get_application(call.caller.project_id, call.path["app_id"]))


async def create_application(call: ApiCall) -> ApplicationCredentials:
    """Only this answer contains the SecretKey."""
    body: ApplicationBody = call.body
    return _keys(await call.platform.accounts.create_application(call.caller.project_id, body.name, body.role))


async def update_info(call: ApiCall) -> None:
    """Changes the name, which is used for display only."""
    body: ApplicationInfoBody = call.body
    accounts, project_id = call.platform.accounts, call.caller.project_id
    await accounts.rename_application(project_id, call.path["app_id"], body.name, body.version)


async def set_role(call: ApiCall) -> None:
    """Sets the role of the application's own AccessTokens, from their next request on. Administrators who log in
    through the application have roles of their own."""
    await call.platform.accounts.set_application_role(call.caller.project_id, call.path["app_id"], call.body.role)


async def reset_secret(call: ApiCall) -> ApplicationCredentials:
    """Creates new keys. The old ones, and every AccessToken obtained with them, become invalid at once."""
    return _keys(await call.platform.accounts.reset_application(call.caller.project_id, call.path["app_id"]))


async def delete_application(call: ApiCall) -> None:
    """Every AccessToken obtained through it becomes invalid at once. The last application of a project cannot be
    removed."""
    await call.platform.accounts.delete_application(call.caller.project_id, call.path["app_id"])


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/applications",
        summary="List applications",
        handler=list_applications,
        role=ADMIN,
        query=ShortListQuery,
        info=Listed[ApplicationInfo],
        confidential=True,
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/application",
        summary="Create an application",
        handler=create_application,
        role=ADMIN,
        body=ApplicationBody,
        info=ApplicationCredentials,
        confidential=True,
        refusals=(Conflict,),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/application/{app_id}",
        summary="Read an application",
        handler=read_application,
        role=ADMIN,
        info=ApplicationInfo,
        confidential=True,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/application/{app_id}",
        summary="Remove an application",
        handler=delete_application,
        role=ADMIN,
        refusals=(NotFound, Conflict),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/application/{app_id}/info",
        summary="Rename an application",
        handler=update_info,
        role=ADMIN,
        body=ApplicationInfoBody,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/application/{app_id}/role",
        summary="Set what an application may do",
        handler=set_role,
        role=ADMIN,
        body=RoleBody,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/application/{app_id}/secret_reset",
        summary="Reset an application's keys",
        handler=reset_secret,
        role=ADMIN,
        info=ApplicationCredentials,
        confidential=True,
        refusals=(NotFound,),
        **COMMON,
    ),
)
