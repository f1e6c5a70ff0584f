"""Applications of type API, whose keys open this API (项目应用). For administrators only."""

from collections.abc import Mapping
from typing import Any

import msgspec

from thingstead.api.endpoint import Access, Call, Endpoint
from thingstead.api.fields import Name, ShortListQuery
from thingstead.errors import Conflict, NotFound
from thingstead.model.project import Application
from thingstead.services.accounts.accounts import NewApplication
from thingstead.wire.applications import ApplicationInfo, ApplicationKeys
from thingstead.wire.common import Listed

TAG = "Applications"
COMMON: Mapping[str, Any] = {"tag": TAG, "access": Access.ADMINISTRATOR, "extension": True}


class ApplicationBody(msgspec.Struct, frozen=True, kw_only=True):
    """An application."""

    name: Name


def _shown(application: Application) -> ApplicationInfo:
    return ApplicationInfo(
        id=application.id,
        name=application.name,
        access_key=application.access_key,
        create_time=application.create_time,
    )


def _keys(new: NewApplication) -> ApplicationKeys:
    application = new.application
    return ApplicationKeys(
        id=application.id, name=application.name, access_key=application.access_key, secret_key=new.secret_key
    )


async def list_applications(call: Call) -> Listed[ApplicationInfo]:
    """Without their SecretKeys, which are not kept."""
    applications = await call.platform.accounts.list_applications(call.caller.project_id)
    query: ShortListQuery = call.query
    return query.listed([_shown(application) for application in applications])


async def read_application(call: Call) -> ApplicationInfo:
    """Without its SecretKey, which is not kept."""
    return _shown(await call.platform.accounts.get_application(call.caller.project_id, call.path["app_id"]))


async def create_application(call: Call) -> ApplicationKeys:
    """The only answer that shows its SecretKey."""
    return _keys(await call.platform.accounts.create_application(call.caller.project_id, call.body.name))


async def update_info(call: Call) -> None:
    """Its name, which is for people only."""
    await call.platform.accounts.rename_application(call.caller.project_id, call.path["app_id"], call.body.name)


async def reset_secret(call: Call) -> ApplicationKeys:
    """Draws new keys. The old ones, and every AccessToken obtained through the application, end at once."""
    return _keys(await call.platform.accounts.reset_application(call.caller.project_id, call.path["app_id"]))


async def delete_application(call: Call) -> None:
    """Every AccessToken obtained through it ends at once. The last application of a project cannot be removed."""
    await call.platform.accounts.delete_application(call.caller.project_id, call.path["app_id"])


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/applications",
        summary="List applications",
        handler=list_applications,
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
        body=ApplicationBody,
        info=ApplicationKeys,
        confidential=True,
        refusals=(Conflict,),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/application/{app_id}",
        summary="Read an application",
        handler=read_application,
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
        refusals=(NotFound, Conflict),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/application/{app_id}/info",
        summary="Rename an application",
        handler=update_info,
        body=ApplicationBody,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/application/{app_id}/secret_reset",
        summary="Reset an application's keys",
        handler=reset_secret,
        info=ApplicationKeys,
        confidential=True,
        refusals=(NotFound,),
        **COMMON,
    ),
)
