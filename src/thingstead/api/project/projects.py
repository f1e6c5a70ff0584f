"""The project that an AccessToken belongs to (项目信息), and the keys of its planes."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.api.credentials import is_secure, request_host
from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.api.fields import Descr, ExpectedVersion, KeysBody, Name, TagsBody
from thingstead.errors import Conflict
from thingstead.model.project import Project
from thingstead.model.roles import ADMIN, OPERATOR, VIEWER
from thingstead.services.registry.projects import DAY_MS, GRACE_MS
from thingstead.wire.projects import ConnectionInfo, ProjectInfo, ViewCredentials

TimeZone = Annotated[str, Meta(max_length=64, description="`+08:00`, or a name such as `Asia/Shanghai`.")]


INFO_MEMBERS = ("name", "descr", "timezone")


class ProjectPatch(msgspec.Struct, frozen=True, kw_only=True):
    """The members to change."""

    timezone: TimeZone | None = None


class ProjectInfoBody(msgspec.Struct, frozen=True, kw_only=True):
    """The members to change; at least one."""

    name: Name | UnsetType = UNSET
    descr: Descr | UnsetType = UNSET
    timezone: TimeZone | UnsetType = UNSET
    version: ExpectedVersion | None = None


class RotationBody(msgspec.Struct, frozen=True, kw_only=True):
    """How long the old ProjectKey stays valid."""

    grace_days: Annotated[float, Meta(ge=0, le=GRACE_MS / DAY_MS, description="Fractions of a day are allowed.")] = 30.0


async def read_project(call: ApiCall) -> ProjectInfo:
    """The project of the AccessToken."""
    project = await call.platform.projects.get(call.caller.project_id)
    return _project_info(project)


async def update_project(call: ApiCall) -> ProjectInfo:
    """The time zone is used by aggregates over days, weeks and months, and by notices."""
    body: ProjectPatch = call.body
    projects = call.platform.projects
    if body.timezone is None:
        return _project_info(await projects.get(call.caller.project_id))
    return _project_info(await projects.set_timezone(call.caller.project_id, body.timezone))


async def update_info(call: ApiCall) -> ProjectInfo:
    """Changes name, description and time zone. Absent members stay unchanged."""
    body: ProjectInfoBody = call.body
    changes = {name: getattr(body, name) for name in INFO_MEMBERS if getattr(body, name) is not UNSET}
    return _project_info(await call.platform.projects.update(call.caller.project_id, changes, body.version))


async def put_tags(call: ApiCall) -> None:
    """Adds or replaces tags; others stay unchanged."""
    await call.platform.projects.put_tags(call.caller.project_id, call.body.tags)


async def remove_tags(call: ApiCall) -> None:
    """Unknown keys are ignored."""
    await call.platform.projects.remove_tags(call.caller.project_id, call.body.keys)


def _project_info(project: Project) -> ProjectInfo:
    return ProjectInfo(
        id=project.id,
        name=project.name,
        descr=project.descr,
        tags=project.tags,
        timezone=project.timezone,
        version=project.version,
    )


async def read_connection_info(call: ApiCall) -> ConnectionInfo:
    """The ProjectViewSecret is not included, because it is stored as a hash only; if it is lost, reset it."""
    return _connection_info(call, await call.platform.projects.get(call.caller.project_id))


async def rotate_project_key(call: ApiCall) -> ConnectionInfo:
    """Creates a new ProjectKey. The old one stays valid for a grace period; 0 invalidates it at once. Open connections
    continue. A second rotation within the grace period must have a grace period of 0, and invalidates both old keys."""
    body: RotationBody = call.body
    projects = call.platform.projects
    project = await projects.rotate_project_key(call.caller.project_id, round(body.grace_days * DAY_MS))
    return _connection_info(call, project)


def _connection_info(call: ApiCall, project: Project) -> ConnectionInfo:
    now = call.platform.projects.now_ms()
    reached = call.platform.installation.addresses(request_host(call.scope), secure=is_secure(call.scope))
    in_grace = project.previous_project_key is not None and now < project.previous_key_until
    return ConnectionInfo(
        project_key=project.project_key,
        view_key=project.view_key,
        previous_project_key=project.previous_project_key if in_grace else None,
        previous_key_until=project.previous_key_until if in_grace else None,
        endpoints=reached,
    )


async def reset_view_secret(call: ApiCall) -> ViewCredentials:
    """Creates a new ProjectViewSecret. The old one becomes invalid."""
    view_key, view_secret = await call.platform.projects.reset_view_secret(call.caller.project_id)
    return ViewCredentials(view_key=view_key, view_secret=view_secret)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/project",
        summary="Read the project",
        handler=read_project,
        role=VIEWER,
        tag="Project",
        info=ProjectInfo,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/project",
        summary="Change the project's time zone",
        handler=update_project,
        role=ADMIN,
        tag="Project",
        body=ProjectPatch,
        info=ProjectInfo,
        access=Access.ADMINISTRATOR,
        extension=True,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/project/info",
        summary="Change the project's name, description or time zone",
        handler=update_info,
        role=ADMIN,
        tag="Project",
        body=ProjectInfoBody,
        info=ProjectInfo,
        access=Access.ADMINISTRATOR,
        extension=True,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/project/tags",
        summary="Add or change tags of the project",
        handler=put_tags,
        role=ADMIN,
        tag="Project",
        body=TagsBody,
        access=Access.ADMINISTRATOR,
        extension=True,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/project/tags_remove",
        summary="Remove tags from the project",
        handler=remove_tags,
        role=ADMIN,
        tag="Project",
        body=KeysBody,
        access=Access.ADMINISTRATOR,
        extension=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/project/connection_info",
        summary="Read the keys of the project's planes",
        handler=read_connection_info,
        role=OPERATOR,
        tag="Project",
        info=ConnectionInfo,
        confidential=True,
        access=Access.ADMINISTRATOR,
        extension=True,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/project/project_key_rotate",
        summary="Rotate the ProjectKey",
        handler=rotate_project_key,
        role=ADMIN,
        tag="Project",
        body=RotationBody,
        body_optional=True,
        info=ConnectionInfo,
        confidential=True,
        access=Access.ADMINISTRATOR,
        extension=True,
        refusals=(Conflict,),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/project/view_secret_reset",
        summary="Reset the secret of the application subscription",
        handler=reset_view_secret,
        role=ADMIN,
        tag="Project",
        info=ViewCredentials,
        confidential=True,
        access=Access.ADMINISTRATOR,
        extension=True,
    ),
)
